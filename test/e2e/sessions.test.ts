/**
 * Sessions on the real Claude Code: a conversation that goes on over turns, workers and servers; turns that are found
 * again, read by many, stopped, and cost what they cost once.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ConversationSource } from "../../gen/claude/runner/v1/event_pb.ts";
import { Outcome } from "../../gen/claude/runner/v1/result_pb.ts";
import { BusyPolicy, OnDisconnect, type StreamChatResponse } from "../../gen/claude/runner/v1/runner_pb.ts";
import { SessionState } from "../../gen/claude/runner/v1/session_pb.ts";
import { TurnState, TurnView } from "../../gen/claude/runner/v1/turn_pb.ts";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { failureOf } from "./failure.ts";
import { openScene, type Scene, type SettingsInput, tenants } from "./scene.ts";
import { all, asked, type Clients, clients, reasonOf, slow, startedOf, textOf } from "./session-clients.ts";

describe("a session", () => {
  let scene: Scene;
  let folder: string;
  let acme: Clients;
  const open = async (settings: SettingsInput = {}) => {
    scene = await openScene({ settings: { store: { kind: "sqlite", folder: join(folder, "store") }, ...settings } });
    acme = clients(scene);
  };
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "runner-sessions-"));
    await open();
  });
  afterAll(async () => {
    await scene?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("goes on with what was said, kept by its worker, and anew on another server", async () => {
    const session = { id: "trip", allowMissing: true, title: "A trip" };
    const first = await all(acme.runner.streamChat({ prompt: "My name is Ada.", session }));
    expect(startedOf(first)).toMatchObject({ sessionId: "trip", conversationSource: ConversationSource.NEW });
    const second = await all(acme.runner.streamChat({ prompt: asked, session }));
    expect(startedOf(second).conversationSource).toBe(ConversationSource.KEPT);
    expect(textOf(second)).toContain("My name is Ada.");
    expect((await acme.sessions.getSession({ id: "trip" })).session).toMatchObject({
      state: SessionState.IDLE,
      turnCount: 2,
      title: "A trip",
    });

    await scene.close();
    await open();
    const third = await all(acme.runner.streamChat({ prompt: asked, session: { id: "trip" } }));
    expect(startedOf(third)).toMatchObject({
      conversationSource: ConversationSource.SEEDED,
      seededMessageCount: 4,
    });
    expect(textOf(third)).toContain("My name is Ada.");
    const { turns } = await acme.turns.listTurns({ sessionId: "trip", view: TurnView.FULL });
    expect(turns.map(({ prompt }) => prompt[0]?.text)).toEqual(["My name is Ada.", asked, asked]);
    expect(turns.every(({ inConversation }) => inConversation)).toBe(true);
  });

  it("goes on under its profile's new settings, and says so once", async () => {
    const noticesOf = (events: readonly StreamChatResponse[]) =>
      events.flatMap(({ event }) => (event.case === "notice" ? [event.value.kind] : []));
    const session = { id: "changed", allowMissing: true };
    expect(noticesOf(await all(acme.runner.streamChat({ prompt: "My name is Ada.", session })))).toEqual([]);
    await scene.close();
    await open({ profiles: { default: { systemPrompt: "You are terse." } } });
    const next = await all(acme.runner.streamChat({ prompt: asked, session }));
    expect(noticesOf(next)).toEqual(["profile_changed"]);
    expect(textOf(next)).toContain("My name is Ada.");
    expect(noticesOf(await all(acme.runner.streamChat({ prompt: asked, session })))).toEqual([]);
    await scene.close();
    await open();
  });

  it("takes two quick messages in order, when it is asked to queue", async () => {
    const session = { id: "quick", allowMissing: true };
    const one = all(acme.runner.streamChat({ prompt: slow("one two three"), session, busyPolicy: BusyPolicy.QUEUE }));
    const two = all(acme.runner.streamChat({ prompt: "second", session, busyPolicy: BusyPolicy.QUEUE }));
    const three = all(acme.runner.streamChat({ prompt: asked, session, busyPolicy: BusyPolicy.QUEUE }));
    const text = textOf((await Promise.all([one, two, three]))[2]!);
    expect(text.indexOf("one two three")).toBeLessThan(text.indexOf("second"));
    expect(text.indexOf("second")).toBeGreaterThan(0);
  });

  it("refuses another turn while one runs, and names it; ends it when it is told to", async () => {
    const session = { id: "busy", allowMissing: true };
    const running = acme.runner.streamChat({ prompt: slow("x".repeat(200)), session })[Symbol.asyncIterator]();
    const { value: started } = await running.next();
    const refused = await failureOf(acme.runner.streamChat({ prompt: "hi", session }));
    expect(refused.code).toBe(Code.FailedPrecondition);
    expect(refused.findDetails(ErrorInfoSchema)[0]).toMatchObject({
      reason: "SESSION_BUSY",
      metadata: { runningTurnId: started?.turnId },
    });
    const next = all(acme.runner.streamChat({ prompt: asked, session, busyPolicy: BusyPolicy.INTERRUPT }));
    const rest = { [Symbol.asyncIterator]: () => running };
    expect(await reasonOf(rest)).toBe("TURN_INTERRUPTED");
    // What did not complete is no part of the conversation.
    expect(textOf(await next)).not.toContain("xxx");
    const { turns } = await acme.turns.listTurns({ sessionId: "busy" });
    expect(turns.map(({ outcome, inConversation }) => [outcome, inConversation])).toEqual([
      [Outcome.INTERRUPTED, false],
      [Outcome.COMPLETED, true],
    ]);
  });

  it("is nobody else's, and gone when it is deleted", async () => {
    const umbrella = clients(scene, tenants.umbrella);
    await all(acme.runner.streamChat({ prompt: "a secret of acme", session: { id: "mine", allowMissing: true } }));
    expect(await reasonOf(umbrella.sessions.getSession({ id: "mine" }))).toBe("SESSION_NOT_FOUND");
    expect(await reasonOf(umbrella.runner.streamChat({ prompt: "hi", session: { id: "mine" } }))).toBe(
      "SESSION_NOT_FOUND",
    );
    expect((await umbrella.sessions.listSessions({})).sessions).toEqual([]);
    await acme.sessions.deleteSession({ id: "mine" });
    expect(await reasonOf(acme.sessions.getSession({ id: "mine" }))).toBe("SESSION_NOT_FOUND");
    expect(await reasonOf(acme.sessions.deleteSession({ id: "mine" }))).toBe("SESSION_NOT_FOUND");
  });

  it("can be forked before a turn, and neither changes the other", async () => {
    const session = { id: "tree", allowMissing: true };
    await all(acme.runner.streamChat({ prompt: "root", session }));
    const [second] = await all(acme.runner.streamChat({ prompt: "branch one", session }));
    const fork = await acme.sessions.forkSession({
      id: "tree",
      newId: "tree-2",
      until: { case: "beforeTurnId", value: second!.turnId },
    });
    expect(fork.session).toMatchObject({ turnCount: 1, forkedFrom: { sessionId: "tree" } });
    const text = textOf(await all(acme.runner.streamChat({ prompt: asked, session: { id: "tree-2" } })));
    expect(text).toContain("root");
    expect(text).not.toContain("branch one");
  });
});

describe("a turn that can be found again", () => {
  let scene: Scene;
  let acme: Clients;
  beforeAll(async () => {
    scene = await openScene({ settings: { store: { kind: "memory" } } });
    acme = clients(scene);
  });
  afterAll(() => scene?.close());
  afterEach(() => scene.standin.clear());

  it("runs once, however often it is asked for, and gives every caller the same stream", async () => {
    const request = { prompt: slow("the only answer", 20), requestId: "r-1" };
    const streams = await Promise.all([1, 2, 3].map(() => all(acme.runner.streamChat(request))));
    const withoutBeats = (events: StreamChatResponse[]) => events.filter(({ event }) => event.case !== "heartbeat");
    expect(withoutBeats(streams[1]!)).toEqual(withoutBeats(streams[0]!));
    expect(withoutBeats(streams[2]!)).toEqual(withoutBeats(streams[0]!));
    const again = await acme.runner.chat(request);
    expect(again.text).toBe("the only answer");
    expect(scene.standin.requests).toHaveLength(1);
    expect(await reasonOf(acme.runner.streamChat({ prompt: "another", requestId: "r-1" }))).toBe("REQUEST_ID_REUSED");
    const umbrella = clients(scene, tenants.umbrella);
    expect((await umbrella.runner.chat({ prompt: "mine", requestId: "r-1" })).turnId).not.toBe(again.turnId);
  });

  it("goes on without its caller, and is read again without a seam", async () => {
    const leave = new AbortController();
    const request = {
      prompt: slow("abcdefghijklmnopqrstuvwxyz", 30),
      requestId: "r-2",
      onDisconnect: OnDisconnect.CONTINUE,
    };
    const seen: StreamChatResponse[] = [];
    const broken = (async () => {
      for await (const event of acme.runner.streamChat(request, { signal: leave.signal })) {
        seen.push(event);
        if (textOf(seen).length >= 3) leave.abort();
      }
    })();
    await failureOf(broken);
    const last = seen.at(-1)!;
    const attached: StreamChatResponse[] = [];
    const kinds: string[] = [];
    for await (const { message } of acme.turns.attachTurn({
      turn: { case: "turnId", value: last.turnId },
      afterSequence: last.sequence,
    })) {
      if (message.case !== undefined) kinds.push(message.case);
      if (message.case === "event" && message.value.event.case !== "heartbeat") attached.push(message.value);
    }
    const events = [...seen.filter(({ event }) => event.case !== "heartbeat"), ...attached];
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, at) => at + 1));
    expect(textOf(events)).toBe("abcdefghijklmnopqrstuvwxyz");
    expect(events.at(-1)?.event.case).toBe("result");
    expect(kinds[0]).toBe("state");
    expect(kinds.filter((kind) => kind === "replayComplete")).toHaveLength(1);
  });

  it("tells what a cancelled turn cost and said, and that it is over", async () => {
    const leave = new AbortController();
    const header = Promise.withResolvers<string>();
    const stream = acme.runner.streamChat(
      { prompt: slow("never all of it".repeat(20)) },
      { signal: leave.signal, onHeader: (headers) => header.resolve(headers.get("claude-runner-turn-id") ?? "") },
    );
    const reading = (async () => {
      let chars = 0;
      for await (const { event } of stream) {
        if (event.case === "textDelta") chars += event.value.text.length;
        if (chars >= 8) leave.abort();
      }
    })();
    await failureOf(reading);
    const turnId = await header.promise;
    const events: StreamChatResponse[] = [];
    for await (const { message } of acme.turns.attachTurn({ turn: { case: "turnId", value: turnId } })) {
      if (message.case === "event") events.push(message.value);
    }
    expect(events.at(-1)?.event.value).toMatchObject({ outcome: Outcome.CANCELLED });
    const { turn } = await acme.turns.getTurn({ turn: { case: "turnId", value: turnId } });
    expect(turn).toMatchObject({ state: TurnState.ENDED, outcome: Outcome.CANCELLED });
    expect(textOf(events)).toMatch(/^never/);
  });

  it("is stopped by whoever may, and says so", async () => {
    const stream = acme.runner.streamChat({ prompt: slow("z".repeat(300)) })[Symbol.asyncIterator]();
    const { value: started } = await stream.next();
    const { interrupted, turn } = await acme.turns.interruptTurn({ turnId: started!.turnId });
    expect([interrupted, turn?.outcome]).toEqual([true, Outcome.INTERRUPTED]);
    expect(await reasonOf({ [Symbol.asyncIterator]: () => stream })).toBe("TURN_INTERRUPTED");
    expect((await acme.turns.interruptTurn({ turnId: started!.turnId })).interrupted).toBe(false);
    const umbrella = clients(scene, tenants.umbrella);
    expect(await reasonOf(umbrella.turns.interruptTurn({ turnId: started!.turnId }))).toBe("TURN_NOT_FOUND");
  });
});
