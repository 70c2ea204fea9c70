/**
 * What careless and ill-meaning callers ask of turns: cursors, names of requests, readers without number.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Outcome } from "../../../gen/claude/runner/v1/result_pb.ts";
import {
  BusyPolicy,
  ClaudeRunner,
  OnDisconnect,
  type StreamChatResponse,
} from "../../../gen/claude/runner/v1/runner_pb.ts";
import { SessionService } from "../../../gen/claude/runner/v1/session_pb.ts";
import { type AttachTurnResponse, TurnService, TurnState, TurnView } from "../../../gen/claude/runner/v1/turn_pb.ts";
import type { Caller } from "../../../src/policy/auth.ts";
import { RunnerError } from "../../../src/runner-error.ts";
import { maxPageBytes } from "../../../src/service/page-token.ts";
import { until } from "../../until.ts";
import { all, type KeptScene, keptScene, reasonOf, saidBy, textOf } from "./kept-scene.ts";

const { getTurn, listTurns, getTurnContent, interruptTurn } = TurnService.method;

let scene: KeptScene;
let umbrella: Caller;
beforeAll(async () => {
  scene = await keptScene({ maxInFlight: 3, maxReaders: 80, calls: { heartbeatMs: 1_000, stalledReaderMs: 20_000 } });
});
beforeEach(() => {
  ({ umbrella } = scene.newTenants());
});
afterAll(() => scene.close());

const byId = (value: string) => ({ case: "turnId" as const, value });
const byRequest = (value: string) => ({ case: "requestId" as const, value });
const cases = (messages: readonly AttachTurnResponse[]) =>
  messages.map(({ message }) => (message.case === "event" ? message.value.event?.case : message.case));
/** What an attach gives until it waits, and the stream that waits. */
async function attached(request: Parameters<KeptScene["attach"]>[0], count: number, caller?: Caller) {
  const { events, ended } = scene.attach(request, caller);
  const seen: AttachTurnResponse[] = [];
  while (seen.length < count) seen.push((await events.next()).value as AttachTurnResponse);
  return { seen, events, ended };
}

describe("the id of a turn", () => {
  it("that is nobody's, another tenant's, or written otherwise is not found, everywhere alike", async () => {
    const theirs = await scene.chat({ prompt: "x", session: { id: "s", allowMissing: true } }, umbrella);
    const calls = (turnId: string): Promise<unknown>[] => [
      scene.ask(getTurn, { turn: byId(turnId) }),
      scene.ask(interruptTurn, { turnId }),
      scene.attach({ turn: byId(turnId) }).events.next(),
      all(scene.stream(getTurnContent, { turnId, digest: "0".repeat(64) }).events),
    ];
    const said = async (turnId: string) =>
      (await Promise.all(calls(turnId).map(saidBy))).map((words) => words.replaceAll(turnId, "ID"));
    const missing = await said("00000000-0000-4000-8000-000000000000");
    expect(missing.every((words) => words.includes("TURN_NOT_FOUND"))).toBe(true);
    expect(await said(theirs[0]!.turnId)).toEqual(missing);
    const [mine] = await scene.chat({ prompt: "x" });
    expect(await said(mine!.turnId.toUpperCase())).toEqual(missing);
  });

  it.each(["", "1", "not-a-uuid", "00000000-0000-4000-8000-00000000000", `${"0".repeat(36)}`, "../../etc/passwd"])(
    "is refused when it is none: %j",
    async (turnId) => {
      expect(await reasonOf(scene.ask(getTurn, { turn: byId(turnId) }))).toBe("INVALID_REQUEST");
      expect(await reasonOf(scene.ask(interruptTurn, { turnId }))).toBe("INVALID_REQUEST");
      expect(await reasonOf(scene.attach({ turn: byId(turnId) }).events.next())).toBe("INVALID_REQUEST");
    },
  );

  it("must be there, or a request's", async () => {
    expect(await reasonOf(scene.ask(getTurn, {}))).toBe("INVALID_REQUEST");
    expect(await reasonOf(scene.attach({}).events.next())).toBe("INVALID_REQUEST");
    expect(await reasonOf(scene.ask(getTurn, { turn: byRequest("a b") }))).toBe("INVALID_REQUEST");
    expect(await reasonOf(scene.ask(getTurn, { turn: byRequest("never") }))).toBe("TURN_NOT_FOUND");
  });
});

describe("a cursor", () => {
  it("beyond the last event is refused while the turn runs and after its end; one at the end gives nothing anew", async () => {
    const turn = await scene.hold({ requestId: "r" });
    const refused = (afterSequence: number) =>
      reasonOf(all(scene.attach({ turn: byId(turn.turnId), afterSequence }).events));
    expect(await refused(2)).toBe("INVALID_CURSOR");
    expect(await refused(-1)).toBe("INVALID_REQUEST");
    expect(await refused(-(2 ** 31))).toBe("INVALID_REQUEST");
    const { seen, events } = await attached({ turn: byId(turn.turnId), afterSequence: 1 }, 2);
    expect(cases(seen)).toEqual(["state", "replayComplete"]);
    turn.end();
    expect(cases(await all(events))).toEqual(["result"]);
    await turn.rest;
    expect(await refused(3)).toBe("INVALID_CURSOR");
    expect(await refused(2 ** 31 - 1)).toBe("INVALID_CURSOR");
    const last = await all(scene.attach({ turn: byRequest("r"), afterSequence: 2 }).events);
    expect(cases(last)).toEqual(["state", "replayComplete"]);
  });

  it("of a turn whose events are gone leads to a gap with its range, and to the result", async () => {
    await scene.chat({ prompt: "words", requestId: "r" });
    await scene.clock.advance(600_000);
    for (const afterSequence of [0, 1]) {
      const messages = await all(scene.attach({ turn: byRequest("r"), afterSequence }).events);
      expect(cases(messages)).toEqual(["state", "gap", "result", "replayComplete"]);
      expect(messages[1]!.message.value).toMatchObject({ firstSequence: afterSequence + 1, lastSequence: 2 });
    }
    expect(await reasonOf(all(scene.attach({ turn: byRequest("r"), afterSequence: 4 }).events))).toBe("INVALID_CURSOR");
    // A caller that asks again gets its start and its end, and a gap between.
    const again = await scene.chat({ prompt: "words", requestId: "r" });
    expect(again.map(({ event }) => event?.case)).toEqual(["started", "gap", "result"]);
    expect(again.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
  });
});

describe("a turn that waits", () => {
  it("can be attached to at once: state, then heartbeats, then why it never began", async () => {
    const session = { id: "s", allowMissing: true };
    const first = await scene.hold({ session });
    const waiting = reasonOf(scene.chat({ prompt: "next", session, busyPolicy: BusyPolicy.QUEUE, requestId: "r" }));
    await until(async () => (await scene.ask(listTurns, { state: TurnState.WAITING })).turns.length === 1);
    const { seen, events } = await attached({ turn: byRequest("r") }, 2);
    expect(cases(seen)).toEqual(["state", "replayComplete"]);
    expect(seen[0]!.message.value).toMatchObject({ state: TurnState.WAITING, lastSequence: 0 });
    const beat = events.next();
    await scene.clock.advance(1_000);
    expect(cases([(await beat).value as AttachTurnResponse])).toEqual(["heartbeat"]);
    const rest = reasonOf(all(events));
    await scene.clock.advance(30_000);
    expect(await rest).toBe("SESSION_BUSY");
    expect(await waiting).toBe("SESSION_BUSY");
    first.end();
    await first.rest;
    // It had no prompt, so its request is free again.
    expect(textOf(await scene.chat({ prompt: "other", session, requestId: "r" }))).toBe("other");
  });
});

describe("the name of a request", () => {
  it("is its tenant's own", async () => {
    const [mine] = await scene.chat({ prompt: "mine", requestId: "r" });
    const theirs = await scene.chat({ prompt: "theirs", requestId: "r" }, umbrella);
    expect(textOf(theirs)).toBe("theirs");
    expect((await scene.ask(getTurn, { turn: byRequest("r") })).turn?.id).toBe(mine!.turnId);
  });

  it("finds its turn again while that runs in a session, whatever the session would say to another", async () => {
    const request = { prompt: "hold", session: { id: "s", allowMissing: true }, requestId: "r" };
    const turn = await scene.hold(request);
    const again = scene.chat(request);
    const other = saidBy(scene.chat({ ...request, prompt: "hold it" }));
    const busy = reasonOf(scene.chat({ ...request, requestId: "r2" }));
    expect(await other).toContain("REQUEST_ID_REUSED");
    expect(await busy).toBe("SESSION_BUSY");
    turn.end();
    const events = await again;
    expect(events.map(({ turnId }) => turnId)).toEqual(events.map(() => turn.turnId));
    expect(events.at(-1)?.event?.case).toBe("result");
    await turn.rest;
  });

  it("finds its turn again although the tenant may begin no other", async () => {
    const running = [await scene.hold({ requestId: "r1" }), await scene.hold({ requestId: "r2" })];
    running.push(await scene.hold({ requestId: "r3" }));
    expect(await reasonOf(scene.chat({ prompt: "hold", requestId: "r4" }))).toBe("QUOTA_EXCEEDED");
    expect(await reasonOf(scene.chat({ prompt: "else", requestId: "r1" }))).toBe("REQUEST_ID_REUSED");
    const again = scene.chat({ prompt: "hold", requestId: "r1" });
    await until(async () => (await scene.ask(getTurn, { turn: byRequest("r1") })).turn?.readerCount === 2);
    for (const turn of running) turn.end();
    expect((await again).map(({ turnId }) => turnId)).toContain(running[0]!.turnId);
    for (const turn of running) await turn.rest;
  });

  it("is shared by StreamChat and Chat, and does not depend on how the request says what it says", async () => {
    const labels = { b: "2", a: "1" };
    const [streamed] = await scene.chat({
      requestId: "r",
      prompt: "hello",
      session: { labels, allowMissing: true, id: "s" },
    });
    const chat = await scene.ask(ClaudeRunner.method.chat, {
      session: { id: "s", allowMissing: true, labels: { a: "1", b: "2" } },
      prompt: "hello",
      requestId: "r",
      labels: { other: "label" },
      onDisconnect: OnDisconnect.CONTINUE,
    });
    expect([chat.turnId, chat.text]).toEqual([streamed!.turnId, "hello"]);
  });

  it("of a turn that was interrupted gives that end again, and runs nothing", async () => {
    const turn = await scene.hold({ requestId: "r" });
    await scene.ask(interruptTurn, { turnId: turn.turnId });
    await turn.rest;
    const claims = scene.pool.requests.length;
    expect(await reasonOf(scene.chat({ prompt: "hold", requestId: "r" }))).toBe("TURN_INTERRUPTED");
    expect(scene.pool.requests).toHaveLength(claims);
  });
});

describe("readers", () => {
  it("are 64 of one turn at most, by AttachTurn and by the request's name, and the turn goes on", async () => {
    const turn = await scene.hold({ requestId: "r" });
    const aborts: AbortController[] = [];
    const follow = () => {
      aborts.push(new AbortController());
      return scene.attach({ turn: byId(turn.turnId) }, undefined, aborts.at(-1)).events;
    };
    const readers = Array.from({ length: 63 }, follow);
    await Promise.all(readers.map((events) => events.next()));
    expect((await scene.ask(getTurn, { turn: byId(turn.turnId) })).turn?.readerCount).toBe(64);
    expect(await reasonOf(follow().next())).toBe("QUOTA_EXCEEDED");
    expect(await reasonOf(scene.chat({ prompt: "hold", requestId: "r" }))).toBe("QUOTA_EXCEEDED");
    await readers[0]!.return();
    expect((await follow().next()).value).toMatchObject({ message: { case: "state" } });
    turn.say("words");
    turn.end();
    expect(textOf((await turn.rest) as StreamChatResponse[])).toBe("words");
    for (const abort of aborts) abort.abort();
    await Promise.all(readers.map((events) => events.return()));
  });

  it("of a tenant are bounded, also when they read turns that ended, and leave no place behind", async () => {
    await scene.chat({ prompt: "x", requestId: "r1" });
    await scene.chat({ prompt: "x", requestId: "r2" });
    const readers = Array.from({ length: 80 }, (_, at) =>
      at % 2 === 0
        ? scene.attach({ turn: byRequest("r1") }).events
        : scene.streamChat({ prompt: "x", requestId: "r2" }).events,
    );
    await Promise.all(readers.map((events) => events.next()));
    const refused = () => reasonOf(scene.attach({ turn: byRequest("r1") }).events.next());
    expect(await refused()).toBe("QUOTA_EXCEEDED");
    expect(await reasonOf(scene.chat({ prompt: "x", requestId: "r2" }))).toBe("QUOTA_EXCEEDED");
    await Promise.all(readers.map((events) => events.return()));
    for (let again = 0; again < 2; again += 1) {
      expect(cases(await all(scene.attach({ turn: byRequest("r1") }).events)).at(-1)).toBe("replayComplete");
      expect(textOf(await scene.chat({ prompt: "x", requestId: "r2" }))).toBe("x");
    }
  });

  it("that read nothing are ended with where to go on, and neither the turn nor the others are held up", async () => {
    const turn = await scene.hold({ requestId: "r" });
    const idle = await attached({ turn: byId(turn.turnId) }, 2);
    for (let at = 0; at < 10; at += 1) turn.say(String(at));
    const busy = scene.attach({ turn: byId(turn.turnId) }).events;
    await scene.clock.advance(26_000);
    expect(idle.ended.map((status) => status.message).join()).toContain("attach to the turn again after event 1");
    turn.end();
    expect(cases(await all(busy)).at(-1)).toBe("result");
    expect(textOf((await turn.rest) as StreamChatResponse[])).toBe("0123456789");
    await idle.events.return();
  });

  it("of stored words and of ended turns are ended as well when they read nothing", async () => {
    const words = "x".repeat(600_000);
    const [first] = await scene.chat({ prompt: words, session: { id: "s", allowMissing: true } });
    const { turn } = await scene.ask(getTurn, { turn: byId(first!.turnId), view: TurnView.FULL });
    const content = scene.stream(getTurnContent, { turnId: first!.turnId, digest: turn!.prompt[0]!.digest });
    await content.events.next();
    await scene.clock.advance(600_000);
    expect(content.ended.map(({ message }) => message).join()).toContain("read nothing");
    const attach = scene.attach({ turn: byId(first!.turnId) });
    await attach.events.next();
    await scene.clock.advance(30_000);
    expect(attach.ended.map(({ message }) => message).join()).toContain("attach to the turn again after event 0");
    await content.events.return();
    await attach.events.return();
  });
});

describe("words in lists", () => {
  it("are bounded for each page, whatever the page's size", async () => {
    const block = { block: { case: "text" as const, value: "w".repeat(60_000) } };
    const session = { id: "s", allowMissing: true };
    for (let at = 0; at < 6; at += 1) await scene.chat({ content: Array.from({ length: 7 }, () => block), session });
    const seen: string[] = [];
    let pageToken = "";
    do {
      const page = await scene.ask(listTurns, { sessionId: "s", view: TurnView.FULL, pageSize: 1_000, pageToken });
      const bytes = page.turns.flatMap(({ prompt, answer }) => [...prompt, ...answer]).map((part) => part.text.length);
      expect(bytes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(maxPageBytes);
      seen.push(...page.turns.map(({ id }) => id));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(seen).toHaveLength(6);
    expect(new Set(seen).size).toBe(6);
  });

  it("have no part that is not theirs, and no offset that leads elsewhere", async () => {
    const [mine] = await scene.chat({ prompt: "mine", session: { id: "s", allowMissing: true } });
    const [other] = await scene.chat({ prompt: "other", session: { id: "s2", allowMissing: true } });
    const digest = (await scene.ask(getTurn, { turn: byId(other!.turnId), view: TurnView.FULL })).turn!.prompt[0]!
      .digest;
    const read = (turnId: string, of: string, offsetBytes = 0n) =>
      all(scene.stream<{ data: Uint8Array }>(getTurnContent, { turnId, digest: of, offsetBytes }).events);
    expect(await reasonOf(read(mine!.turnId, digest))).toBe("CONTENT_NOT_FOUND");
    expect(await reasonOf(read(mine!.turnId, digest.toUpperCase()))).toBe("INVALID_REQUEST");
    expect(await reasonOf(read(other!.turnId, digest, -1n))).toBe("INVALID_REQUEST");
    const at = async (offset: bigint) =>
      Buffer.concat((await read(other!.turnId, digest, offset)).map((of) => of.data));
    expect((await at(1n)).toString()).toBe("ther");
    for (const beyond of [5n, 6n, 2n ** 53n + 1n, 2n ** 63n - 1n]) expect(await at(beyond)).toHaveLength(0);
  });
});

describe("a turn that goes on without its caller", () => {
  it("is not shown as having run for less than no time when the clock is set back", async () => {
    const turn = await scene.hold({ requestId: "r" });
    scene.clock.setBy(-3_600_000);
    const { events } = await attached({ turn: byId(turn.turnId) }, 3);
    const beat = events.next();
    await scene.clock.advance(1_000);
    const { message } = (await beat).value as AttachTurnResponse;
    expect(message.value).toMatchObject({ event: { case: "heartbeat", value: { elapsed: { seconds: 1n } } } });
    turn.end();
    await turn.rest;
    await all(events);
    scene.clock.setBy(3_600_000);
    const { turn: ended } = await scene.ask(getTurn, { turn: byId(turn.turnId) });
    expect(ended?.outcome).toBe(Outcome.COMPLETED);
  });
});

describe("a store that takes nothing", () => {
  it("has new turns refused by name, and lets those that run finish from memory", async () => {
    let isBroken = false;
    const broken = async () => {
      throw new RunnerError("STORE_UNAVAILABLE", "the disk is full");
    };
    const spoiled = await keptScene({
      through: (store) =>
        new Proxy(store, {
          get(target, name) {
            const value = Reflect.get(target, name) as unknown;
            if (typeof value !== "function" || typeof name !== "string") return value;
            return isBroken ? broken : value.bind(target);
          },
        }),
    });
    try {
      const turn = await spoiled.hold({ session: { id: "s", allowMissing: true } });
      isBroken = true;
      for (const call of [
        spoiled.chat({ prompt: "x", requestId: "r" }),
        spoiled.chat({ prompt: "x", session: { id: "t", allowMissing: true } }),
        spoiled.chat({ prompt: "x" }),
        spoiled.ask(SessionService.method.listSessions, {}),
        spoiled.ask(listTurns, {}),
      ]) {
        expect(await reasonOf(call)).toBe("STORE_UNAVAILABLE");
      }
      turn.say("to its end");
      turn.end();
      expect(textOf((await turn.rest) as StreamChatResponse[])).toBe("to its end");
    } finally {
      await spoiled.close();
    }
  });
});
