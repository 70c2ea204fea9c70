/**
 * What careless and ill-meaning callers make of the names of requests and of lists of turns; and a clock that is set back
 * meanwhile.
 */
import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ErrorReason } from "../../../gen/claude/runner/v1/error_pb.ts";
import { Outcome } from "../../../gen/claude/runner/v1/result_pb.ts";
import { ClaudeRunner, StreamChatRequestSchema } from "../../../gen/claude/runner/v1/runner_pb.ts";
import { SessionService } from "../../../gen/claude/runner/v1/session_pb.ts";
import { type AttachTurnResponse, TurnService, TurnState } from "../../../gen/claude/runner/v1/turn_pb.ts";
import type { Caller } from "../../../src/policy/auth.ts";
import { requestDigest } from "../../../src/service/in/request-digest.ts";
import { noUsage } from "../../../src/usage.ts";
import { newTurn } from "../../store/samples.ts";
import { until } from "../../until.ts";
import { all, type KeptScene, keptScene, reasonOf, textOf } from "./kept-scene.ts";

const { getTurn, listTurns } = TurnService.method;
const { createSession, updateSession, listSessions } = SessionService.method;

let scene: KeptScene;
let acme: Caller;
let umbrella: Caller;
beforeAll(async () => {
  scene = await keptScene({ calls: { heartbeatMs: 1_000 } });
});
beforeEach(() => {
  ({ acme, umbrella } = scene.newTenants());
});
afterAll(() => scene.close());

const byRequest = (value: string) => ({ turn: { case: "requestId" as const, value } });

describe("the name of a request", () => {
  it.each([
    ["too long", "x".repeat(129)],
    ["with a space", "a b"],
    ["with a line's end", "a\n"],
    ["with a NUL", "a\0b"],
    ["a path", "../a"],
    ["with a letter that looks like another", "\u0430bc"],
    ["wide", "\uff41"],
  ])("is refused when it is %s", async (_, requestId) => {
    const before = scene.pool.requests.length;
    expect(await reasonOf(scene.chat({ prompt: "x", requestId }))).toBe("INVALID_REQUEST");
    expect(await reasonOf(scene.ask(getTurn, byRequest(requestId)))).toBe("INVALID_REQUEST");
    expect(await reasonOf(scene.attach(byRequest(requestId)).events.next())).toBe("INVALID_REQUEST");
    expect(scene.pool.requests).toHaveLength(before);
  });

  it("may be as long as it may be, and tells upper and lower case apart", async () => {
    const long = `${"aZ09._:-".repeat(16)}`;
    const [first] = await scene.chat({ prompt: "x", requestId: long });
    const [other] = await scene.chat({ prompt: "y", requestId: long.toLowerCase() });
    expect(other?.turnId).not.toBe(first?.turnId);
    expect((await scene.ask(getTurn, byRequest(long))).turn?.id).toBe(first?.turnId);
  });

  it("finds its turn while that waits for a worker: readers at once, the same stream for all, one turn", async () => {
    const free = Promise.withResolvers<void>();
    scene.pool.onClaim = () => free.promise;
    const before = scene.pool.requests.length;
    const request = { prompt: "words", requestId: "r" };
    const first = scene.chat(request);
    await until(() => scene.pool.requests.length === before + 1);
    const again = scene.chat(request);
    const { events } = scene.attach(byRequest("r"));
    const kinds: unknown[] = [];
    for (let at = 0; at < 2; at += 1) kinds.push(((await events.next()).value as AttachTurnResponse).message.case);
    expect(kinds).toEqual(["state", "replayComplete"]);
    const beat = events.next();
    await scene.clock.advance(1_000);
    expect(((await beat).value as AttachTurnResponse).message).toMatchObject({
      case: "event",
      value: { event: { case: "heartbeat" } },
    });
    // Another content is another request, also while nothing has happened yet.
    expect(await reasonOf(scene.chat({ ...request, prompt: "other" }))).toBe("REQUEST_ID_REUSED");
    scene.pool.onClaim = async () => {};
    free.resolve();
    expect(await again).toEqual(await first);
    expect(textOf(await first)).toBe("words");
    await all(events);
    expect(scene.pool.requests).toHaveLength(before + 1);
  });

  it("of a turn that was lost with its server gives that end again, by both methods, and runs nothing", async () => {
    const request = { prompt: "words", requestId: "r" };
    const digest = await requestDigest(create(StreamChatRequestSchema, request));
    const turn = newTurn(acme.tenant, { request: { id: "r", digest }, highestSequence: 64 });
    const accepted = await scene.store.acceptTurn(turn);
    if (accepted.kind !== "accepted") throw new Error(accepted.kind);
    const { id } = turn;
    // As the server does it that finds it (store/sqlite/lost-turns.ts).
    await scene.store.endTurn(
      { turnId: id, epoch: accepted.epoch },
      {
        durability: "processSafe",
        outcome: "lost",
        error: { reason: "TURN_LOST", message: "the server that had the turn has died", facts: { turnId: id } },
        usage: noUsage,
        costUsdMicros: 0,
        costIsEstimate: false,
        lastSequence: 65,
      },
    );
    const before = scene.pool.requests.length;
    expect(await reasonOf(scene.chat(request))).toBe("TURN_LOST");
    expect(await reasonOf(scene.ask(ClaudeRunner.method.chat, request))).toBe("TURN_LOST");
    const { turn: found } = await scene.ask(getTurn, byRequest("r"));
    expect(found).toMatchObject({ id, outcome: Outcome.LOST, error: { reason: ErrorReason.TURN_LOST } });
    expect(await reasonOf(scene.chat({ ...request, prompt: "other" }))).toBe("REQUEST_ID_REUSED");
    expect(scene.pool.requests).toHaveLength(before);
  });

  it("of a session is the same whether the session was there before, and however it was to begin", async () => {
    const before = scene.pool.requests.length;
    const request = { prompt: "words", requestId: "r" };
    const session = { id: "s", allowMissing: true, title: "A title", labels: { app: "one" } };
    const first = await scene.chat({ ...request, session });
    expect(await scene.chat({ ...request, session: { id: "s" } })).toEqual(first);
    expect(await reasonOf(scene.chat({ ...request, session: { id: "other", allowMissing: true } }))).toBe(
      "REQUEST_ID_REUSED",
    );
    expect(scene.pool.requests).toHaveLength(before + 1);
  });

  it("holds when the clock is set back an hour", async () => {
    const request = { prompt: "words", requestId: "r" };
    const first = await scene.chat(request);
    scene.clock.setBy(-3_600_000);
    const [second] = await scene.chat({ prompt: "later", requestId: "s" });
    await scene.clock.advance(20_000); // what has expired goes
    const before = scene.pool.requests.length;
    expect((await scene.chat(request)).map(({ turnId }) => turnId)).toContain(first[0]?.turnId);
    scene.clock.setBy(3_600_000);
    await scene.clock.advance(20_000);
    expect((await scene.chat({ prompt: "later", requestId: "s" }))[0]?.turnId).toBe(second?.turnId);
    expect(scene.pool.requests).toHaveLength(before);
  });
});

describe("a list of turns", () => {
  it("goes on where its page token says, and takes no other list's token, nor a made-up one", async () => {
    const session = { id: "s", allowMissing: true };
    for (const prompt of ["one", "two", "three"]) await scene.chat({ prompt, session });
    const { turns, nextPageToken: pageToken } = await scene.ask(listTurns, { sessionId: "s", pageSize: 2 });
    const rest = await scene.ask(listTurns, { sessionId: "s", pageToken });
    expect(new Set([...turns, ...rest.turns].map(({ id }) => id)).size).toBe(3);
    expect(rest.nextPageToken).toBe("");
    const refused = (request: object, caller?: Caller) =>
      reasonOf(scene.ask(listTurns, { sessionId: "s", pageToken, ...request }, caller));
    for (const call of [
      refused({}, umbrella),
      refused({}, { ...acme, profiles: ["default"] }),
      refused({ sessionId: "t" }),
      refused({ sessionId: "" }),
      refused({ state: TurnState.ENDED }),
      refused({ allTenants: true, sessionId: "" }, { ...acme, isOperator: true }),
      refused({ pageToken: "nonsense" }),
      refused({ pageToken: "x".repeat(1_025) }),
      refused({ pageSize: -1 }),
      refused({ pageSize: 1_001 }),
    ]) {
      expect(await call).toBe("INVALID_REQUEST");
    }
  });

  it("names each turn that was there exactly once, although the clock is set back and new ones come", async () => {
    const old = new Set<string>();
    for (let at = 0; at < 12; at += 1) {
      const [started] = await scene.chat({ prompt: "x" });
      old.add(started!.turnId);
      await scene.clock.advance(1);
    }
    const seen: string[] = [];
    let pageToken = "";
    do {
      const page = await scene.ask(listTurns, { pageSize: 5, pageToken });
      seen.push(...page.turns.map(({ id }) => id).filter((id) => old.has(id)));
      if (pageToken === "") scene.clock.setBy(-3_600_000);
      await scene.chat({ prompt: "new" });
      pageToken = page.nextPageToken;
    } while (pageToken !== "" && seen.length < 40);
    expect(seen.toSorted()).toEqual([...old].toSorted());
    scene.clock.setBy(3_600_000);
  });
});

describe("a list of sessions", () => {
  it("names each session that rests exactly once, although the clock is set back and others change", async () => {
    const still = Array.from({ length: 12 }, (_, at) => `still-${at}`);
    for (const id of [...still, "restless"]) await scene.ask(createSession, { id });
    const seen: string[] = [];
    let pageToken = "";
    do {
      const page = await scene.ask(listSessions, { pageSize: 5, pageToken });
      seen.push(...page.sessions.map(({ id }) => id));
      if (pageToken === "") scene.clock.setBy(-3_600_000);
      await scene.ask(createSession, { id: `new-${seen.length}` });
      await scene.ask(updateSession, { id: "restless", updateMask: { paths: ["title"] }, title: `${seen.length}` });
      pageToken = page.nextPageToken;
    } while (pageToken !== "" && seen.length < 60);
    expect(still.map((id) => seen.filter((one) => one === id).length)).toEqual(still.map(() => 1));
    scene.clock.setBy(3_600_000);
  });
});
