/**
 * Who sees and stops what: tokens with fewer profiles than their tenant, operators' tokens, tokens that are taken away.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ErrorReason } from "../../../gen/claude/runner/v1/error_pb.ts";
import { Outcome } from "../../../gen/claude/runner/v1/result_pb.ts";
import { BusyPolicy, type StreamChatResponse } from "../../../gen/claude/runner/v1/runner_pb.ts";
import { SessionService } from "../../../gen/claude/runner/v1/session_pb.ts";
import { type AttachTurnResponse, TurnService, TurnView } from "../../../gen/claude/runner/v1/turn_pb.ts";
import type { Caller } from "../../../src/policy/auth.ts";
import { all, type KeptScene, keptScene, reasonOf, saidBy, textOf } from "./kept-scene.ts";

const { createSession, getSession, listSessions, updateSession, deleteSession, forkSession } = SessionService.method;
const { getTurn, listTurns, getTurnContent, interruptTurn } = TurnService.method;

let scene: KeptScene;
let acme: Caller;
let narrow: Caller;
let operator: Caller;
beforeAll(async () => {
  scene = await keptScene({ profiles: { default: {}, secret: {} } });
});
beforeEach(() => {
  ({ acme } = scene.newTenants());
  narrow = { ...acme, profiles: ["default"] };
  operator = { tenant: `ops-${acme.tenant}`, profiles: ["*"], isOperator: true };
});
afterAll(() => scene.close());

const byId = (value: string) => ({ case: "turnId" as const, value });
const secret = (prompt: string, more: object = {}) => ({
  prompt,
  profile: "secret",
  session: { id: "hidden", allowMissing: true },
  ...more,
});

describe("a token that names fewer profiles than its tenant has", () => {
  it("finds no session and no turn of the others, and cannot tell them from what never was", async () => {
    const [first] = await scene.chat(secret("canary", { requestId: "r" }));
    const calls = (id: string, turnId: string, requestId: string): Promise<unknown>[] => [
      scene.ask(getSession, { id }, narrow),
      scene.ask(updateSession, { id, updateMask: { paths: ["title"] } }, narrow),
      scene.ask(deleteSession, { id, force: true }, narrow),
      scene.ask(forkSession, { id }, narrow),
      scene.ask(listTurns, { sessionId: id }, narrow),
      scene.chat({ prompt: "x", session: { id } }, narrow),
      scene.chat({ prompt: "x", session: { id }, busyPolicy: BusyPolicy.INTERRUPT }, narrow),
      scene.chat({ prompt: "", session: { id } }, narrow),
      scene.ask(getTurn, { turn: byId(turnId), view: TurnView.FULL }, narrow),
      scene.ask(getTurn, { turn: { case: "requestId", value: requestId } }, narrow),
      scene.ask(interruptTurn, { turnId }, narrow),
      scene.attach({ turn: byId(turnId) }, narrow).events.next(),
      all(scene.stream(getTurnContent, { turnId, digest: "0".repeat(64) }, narrow).events),
    ];
    const said = async (id: string, turnId: string, requestId: string) =>
      (await Promise.all(calls(id, turnId, requestId).map(saidBy))).map((words) =>
        words.replaceAll(id, "ID").replaceAll(turnId, "TURN").replaceAll(`\\"${requestId}\\"`, "REQUEST"),
      );
    const missing = await said("never", "00000000-0000-4000-8000-000000000000", "q");
    expect(await said("hidden", first!.turnId, "r")).toEqual(missing);
    const running = await scene.hold(secret("hold"));
    expect(await said("hidden", running.turnId, "r")).toEqual(missing);
    running.end();
    await running.rest;
  });

  it("lists none of theirs", async () => {
    await scene.chat(secret("x"));
    await scene.chat({ prompt: "x", profile: "secret" });
    await scene.chat({ prompt: "x", session: { id: "seen", allowMissing: true } });
    const seen = await scene.ask(listSessions, {}, narrow);
    expect(seen.sessions.map(({ id }) => id)).toEqual(["seen"]);
    expect((await scene.ask(listSessions, { profile: "secret" }, narrow)).sessions).toEqual([]);
    expect((await scene.ask(listTurns, {}, narrow)).turns.map(({ profile }) => profile)).toEqual(["default"]);
  });

  it("is told that an id is in use where it would create a session of that id, and nothing else of it", async () => {
    await scene.chat(secret("x", { systemPrompt: "Be secret." }));
    const running = await scene.hold(secret("hold"));
    const taken = await saidBy(scene.ask(createSession, { id: "hidden" }, narrow));
    expect(taken).toContain("SESSION_EXISTS");
    for (const busyPolicy of [BusyPolicy.REJECT, BusyPolicy.QUEUE, BusyPolicy.INTERRUPT]) {
      const request = { prompt: "x", session: { id: "hidden", allowMissing: true }, busyPolicy };
      expect(await saidBy(scene.chat(request, narrow))).toBe(taken);
    }
    running.end();
    expect(await running.rest).not.toBeInstanceOf(Error);
  });

  it("is not given the turn of a request with the same words under a profile that it may not use", async () => {
    const request = { prompt: "same", session: { id: "hidden" }, requestId: "r" };
    await scene.ask(createSession, { id: "hidden", profile: "secret" });
    await scene.chat(request);
    expect(await reasonOf(scene.chat(request, narrow))).toBe("SESSION_NOT_FOUND");
  });
});

describe("an operator's token", () => {
  it("lists the turns of all tenants without a word of them, and other tokens do not", async () => {
    await scene.chat({ prompt: "canary", session: { id: "s", allowMissing: true } });
    const { turns } = await scene.ask(listTurns, { allTenants: true, pageSize: 1_000 }, operator);
    const theirs = turns.filter(({ tenant }) => tenant === acme.tenant);
    expect(theirs).toMatchObject([{ sessionId: "s", outcome: Outcome.COMPLETED, prompt: [], answer: [] }]);
    const words = JSON.stringify(theirs, (_, value) => (typeof value === "bigint" ? Number(value) : value));
    expect(words).not.toContain("canary");
    const refused = (request: object, caller: Caller) =>
      reasonOf(scene.ask(listTurns, { allTenants: true, ...request }, caller));
    expect(await refused({ view: TurnView.FULL }, operator)).toBe("NOT_ALLOWED");
    expect(await refused({}, acme)).toBe("NOT_ALLOWED");
    expect(await refused({ view: TurnView.FULL }, acme)).toBe("NOT_ALLOWED");
  });

  it("stops any tenant's turn, and finds one that has ended; what it failed with is named, not quoted", async () => {
    const turn = await scene.hold({ session: { id: "s", allowMissing: true } });
    const { interrupted, turn: stopped } = await scene.ask(interruptTurn, { turnId: turn.turnId }, operator);
    expect(interrupted).toBe(true);
    expect(stopped).toMatchObject({
      tenant: acme.tenant,
      outcome: Outcome.INTERRUPTED,
      error: { reason: ErrorReason.TURN_INTERRUPTED, message: "" },
    });
    await turn.rest;
    await scene.clock.advance(600_000);
    expect(await scene.ask(interruptTurn, { turnId: turn.turnId }, operator)).toMatchObject({
      interrupted: false,
      turn: { id: turn.turnId, error: { message: "" } },
    });
    const never = scene.ask(interruptTurn, { turnId: "00000000-0000-4000-8000-000000000000" }, operator);
    expect(await reasonOf(never)).toBe("TURN_NOT_FOUND");
  });

  it("cannot read, attach to, fork or delete what is another tenant's", async () => {
    const [first] = await scene.chat({ prompt: "canary", session: { id: "s", allowMissing: true }, requestId: "r" });
    const { turnId } = first!;
    for (const [call, reason] of [
      [scene.ask(getTurn, { turn: byId(turnId) }, operator), "TURN_NOT_FOUND"],
      [scene.ask(getTurn, { turn: { case: "requestId", value: "r" } }, operator), "TURN_NOT_FOUND"],
      [scene.attach({ turn: byId(turnId) }, operator).events.next(), "TURN_NOT_FOUND"],
      [all(scene.stream(getTurnContent, { turnId, digest: "0".repeat(64) }, operator).events), "TURN_NOT_FOUND"],
      [scene.ask(getSession, { id: "s" }, operator), "SESSION_NOT_FOUND"],
      [scene.ask(forkSession, { id: "s" }, operator), "SESSION_NOT_FOUND"],
      [scene.ask(deleteSession, { id: "s", force: true }, operator), "SESSION_NOT_FOUND"],
      [scene.ask(listTurns, { sessionId: "s", view: TurnView.FULL }, operator), "SESSION_NOT_FOUND"],
    ] as const) {
      expect(await reasonOf(call)).toBe(reason);
    }
    expect((await scene.ask(listSessions, {}, operator)).sessions).toEqual([]);
  });
});

describe("a token that is taken away", () => {
  const attach = async (caller: Caller) => {
    const turn = await scene.hold({ requestId: "r" });
    const { events } = scene.attach({ turn: byId(turn.turnId) }, caller);
    for (let at = 0; at < 3; at += 1) await events.next();
    return { turn, events };
  };

  it("ends the reading of a silent turn at the next beat, and of a busy one within moments; the turn goes on", async () => {
    const { turn, events } = await attach(acme);
    const silent = reasonOf(events.next());
    const busy = scene.attach({ turn: byId(turn.turnId) }).events;
    for (let at = 0; at < 3; at += 1) await busy.next();
    scene.tokens.delete(JSON.stringify(acme));
    await scene.clock.advance(1_000);
    expect(await silent).toBe("UNAUTHENTICATED");
    turn.say("one");
    turn.say("two");
    const rest = async () => {
      const seen: AttachTurnResponse[] = [];
      for await (const message of busy) seen.push(message);
      return seen;
    };
    expect(await reasonOf(rest())).toBe("UNAUTHENTICATED");
    turn.end();
    expect(await turn.rest).not.toBeInstanceOf(Error);
  });

  it("ends the reading by a repeated request in the same way; the call that began the turn has it to its end", async () => {
    const turn = await scene.hold({ requestId: "r" });
    const again = scene.streamChat({ prompt: "hold", requestId: "r" });
    expect((await again.events.next()).value?.turnId).toBe(turn.turnId);
    const silent = reasonOf(all(again.events));
    const busy = scene.streamChat({ prompt: "hold", requestId: "r" });
    await busy.events.next();
    scene.tokens.delete(JSON.stringify(acme));
    await scene.clock.advance(1_000);
    expect(await silent).toBe("UNAUTHENTICATED");
    turn.say("one");
    turn.say("two");
    expect(await reasonOf(all(busy.events))).toBe("UNAUTHENTICATED");
    turn.end();
    const events = (await turn.rest) as StreamChatResponse[];
    expect(textOf(events)).toBe("onetwo");
    expect(events.at(-1)?.event.case).toBe("result");
  });

  it("ends it as well when it does not name the turn's profile any more, or is another tenant's now", async () => {
    for (const now of [
      { ...acme, profiles: ["secret"] },
      { ...acme, tenant: "another" },
    ]) {
      ({ acme } = scene.newTenants());
      const { turn, events } = await attach(acme);
      scene.tokens.set(JSON.stringify(acme), { ...now, tenant: now.tenant === "another" ? "another" : acme.tenant });
      const reading = reasonOf(events.next());
      await scene.clock.advance(1_000);
      expect(await reading).toBe("TURN_NOT_FOUND");
      turn.end();
      await turn.rest;
    }
  });
});
