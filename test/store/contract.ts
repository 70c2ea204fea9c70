/**
 * How every store behaves, whatever it is made of. A test has a tenant of its own, so that one store serves all.
 */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LeaseLost, type Store } from "../../src/store/store.ts";
import type { StoreLimits } from "../../src/store/store-limits.ts";
import { defaultStoreLimits } from "../../src/store/store-limits.ts";
import { FakeClock } from "../fake-clock.ts";
import {
  accept,
  answered,
  bytesOf,
  ending,
  eventRun,
  inSession,
  newSession,
  newTurn,
  say,
  sequencesIn,
  text,
  textOf,
} from "./samples.ts";

export interface ContractStore {
  readonly store: Store;
  readonly close: () => Promise<void>;
}

export type OpenForContract = (clock: FakeClock, limits: StoreLimits) => Promise<ContractStore>;

const { retention } = defaultStoreLimits;

export function storeContract(name: string, open: OpenForContract): void {
  describe(`a store: ${name}`, () => {
    const clock = new FakeClock();
    let opened: ContractStore;
    let store: Store;
    beforeAll(async () => {
      opened = await open(clock, {
        retention,
        caps: {
          maxBytes: 100_000_000,
          maxBytesPerTenant: 20_000,
          maxSessionsPerTenant: 12,
          maxRequestIdsPerTenant: 4,
          maxTurnsPerTenant: 30,
        },
      });
      store = opened.store;
    });
    afterAll(() => opened.close());
    let count = 0;
    const newTenant = () => `tenant-${count++}`;
    const digest = bytesOf("d".repeat(32));
    const request = (id: string) => ({ id, digest });
    /** Lets what has had its time go: slices follow one another by the clock. */
    const prune = async () => {
      for (let round = 0; round < 5; round += 1) {
        await clock.advance(10_000);
        await store.turn("nobody", randomUUID());
      }
    };

    describe("turns", () => {
      it("writes a turn down, starts it and ends it, and knows how far it has come", async () => {
        const tenant = newTenant();
        const turn = newTurn(tenant, { highestSequence: 64, onDisconnect: "continue", detail: "full" });
        const lease = await accept(store, turn);
        expect(await store.turn(tenant, turn.id)).toMatchObject({
          id: turn.id,
          tenant,
          profile: "default",
          model: "claude-test",
          detail: "full",
          onDisconnect: "continue",
          ownerId: store.ownerId,
          state: "waiting",
          outcome: undefined,
          sessionId: undefined,
          acceptedAtMs: clock.wallNow(),
          startedAtMs: undefined,
          highestSequence: 64,
          stored: undefined,
          hasContent: false,
        });
        await store.startTurn(lease);
        expect(await store.turn(tenant, turn.id)).toMatchObject({ state: "running", startedAtMs: clock.wallNow() });
        await store.raiseHighestSequence(lease, 128);
        expect(await store.turn(tenant, turn.id)).toMatchObject({ highestSequence: 128 });
        await store.endTurn(lease, ending({ lastSequence: 70 }));
        expect(await store.turn(tenant, turn.id)).toMatchObject({
          state: "ended",
          outcome: "completed",
          error: undefined,
          endedAtMs: clock.wallNow(),
          highestSequence: 70,
          costUsdMicros: 100,
          costIsEstimate: true,
          usage: { inputTokens: 10, outputTokens: 2 },
        });
      });

      it("ends a turn once, and lets nobody write for it afterwards or under another epoch", async () => {
        const lease = await accept(store, newTurn(newTenant()));
        const wrong = { ...lease, epoch: lease.epoch + 1 };
        await expect(store.startTurn(wrong)).rejects.toThrow(LeaseLost);
        await expect(store.endTurn(wrong, ending())).rejects.toThrow(LeaseLost);
        await store.endTurn(lease, ending());
        await expect(store.endTurn(lease, ending())).rejects.toThrow(LeaseLost);
        await expect(store.startTurn(lease)).rejects.toThrow(LeaseLost);
        await expect(store.raiseHighestSequence(lease, 1_000)).rejects.toThrow(LeaseLost);
        const late = expect(store.appendEvents(lease, eventRun(1, 2))).rejects.toThrow(LeaseLost);
        await clock.advance(50);
        await late;
      });

      it("never lowers the highest number of a running turn", async () => {
        const tenant = newTenant();
        const lease = await accept(store, newTurn(tenant, { highestSequence: 10 }));
        await store.raiseHighestSequence(lease, 5);
        expect(await store.turn(tenant, lease.turnId)).toMatchObject({ highestSequence: 10 });
      });

      it("keeps the error of a turn with its facts", async () => {
        const tenant = newTenant();
        const lease = await accept(store, newTurn(tenant));
        const error = { reason: "WORKER_DIED", message: "it died", facts: { exitCode: 3, isKilled: true } } as const;
        await store.endTurn(lease, ending({ outcome: "workerDied", error }));
        expect((await store.turn(tenant, lease.turnId))?.error).toEqual(error);
      });

      it("shows no turn to another tenant", async () => {
        const tenant = newTenant();
        const lease = await accept(store, newTurn(tenant, { request: request("mine") }));
        await store.endTurn(lease, ending({ result: bytesOf("secret") }));
        const other = newTenant();
        expect(await store.turn(other, lease.turnId)).toBeUndefined();
        expect(await store.turnByRequestId(other, "mine")).toBeUndefined();
        expect(await store.result(other, lease.turnId)).toBeUndefined();
        expect(await store.result(tenant, lease.turnId)).toEqual(bytesOf("secret"));
      });

      it("forgets a turn without a session a day after its end, and not while it runs", async () => {
        const tenant = newTenant();
        const running = await accept(store, newTurn(tenant));
        const ended = await accept(store, newTurn(tenant));
        await store.endTurn(ended, ending());
        await clock.advance(retention.turnRecordMs - 60_000);
        expect(await store.turn(tenant, ended.turnId)).toBeDefined();
        await clock.advance(60_000);
        await prune();
        expect(await store.turn(tenant, ended.turnId)).toBeUndefined();
        expect(await store.turn(tenant, running.turnId)).toBeDefined();
        await store.endTurn(running, ending());
      });
    });

    describe("lists of turns", () => {
      it("has the newest turn first, page by page, each once", async () => {
        const tenant = newTenant();
        const ids: string[] = [];
        for (let at = 0; at < 7; at += 1) {
          // Two share a moment.
          if (at % 2 === 0) await clock.advance(1);
          ids.push((await accept(store, newTurn(tenant))).turnId);
        }
        const found: string[] = [];
        for (let after: { atMs: number; id: string } | undefined; ; ) {
          const page = await store.turns({ tenant, profiles: undefined, limit: 2, ...(after && { after }) });
          found.push(...page.map(({ turn }) => turn.id));
          const last = page.at(-1)?.turn;
          if (page.length < 2 || last === undefined) break;
          after = { atMs: last.acceptedAtMs, id: last.id };
        }
        expect(found.toSorted()).toEqual(ids.toSorted());
        expect(found[0]).toBe(ids[6]);
      });

      it("leaves out what is not asked for: other profiles, states, tenants", async () => {
        const tenant = newTenant();
        const fast = await accept(store, newTurn(tenant, { profile: "fast" }));
        const slow = await accept(store, newTurn(tenant, { profile: "slow" }));
        await store.endTurn(slow, ending());
        const ids = async (more: object) =>
          (await store.turns({ tenant, profiles: undefined, limit: 10, ...more })).map(({ turn }) => turn.id);
        expect(await ids({ profiles: ["fast"] })).toEqual([fast.turnId]);
        expect(await ids({ profiles: [] })).toEqual([]);
        expect(await ids({ state: "ended" })).toEqual([slow.turnId]);
        expect(await ids({ tenant: newTenant() })).toEqual([]);
        expect((await ids({ tenant: undefined, limit: 1_000 })).filter((id) => id === fast.turnId)).toHaveLength(1);
      });

      it("lists a session from its first turn on, in order even when the clock was set back", async () => {
        const tenant = newTenant();
        const said: string[] = [];
        said.push(await say(store, tenant, "s", "one", "1"));
        said.push(await say(store, tenant, "s", "two", "2"));
        said.push(await say(store, tenant, "s", "three", "3"));
        const list = await store.turns({
          tenant,
          profiles: undefined,
          sessionId: "s",
          limit: 10,
          content: { maxTextBytes: 100 },
        });
        expect(list.map(({ turn }) => turn.id)).toEqual(said);
        expect(new Set(list.map(({ turn }) => turn.acceptedAtMs)).size).toBe(3);
        expect(list.map(({ prompt, answer }) => [prompt[0]?.text, answer[0]?.text])).toEqual([
          ["one", "1"],
          ["two", "2"],
          ["three", "3"],
        ]);
      });

      it("cuts texts between characters, and gives all of them in pieces", async () => {
        const tenant = newTenant();
        const words = "a€€€";
        const id = await say(store, tenant, "s", words, "x");
        const [listed] = await store.turns({
          tenant,
          profiles: undefined,
          sessionId: "s",
          limit: 1,
          content: { maxTextBytes: 6 },
        });
        const part = listed?.prompt[0];
        expect(part).toMatchObject({ text: "a€", isCut: true, sizeBytes: 10 });
        const whole = await store.content(tenant, id, part?.digest ?? "", { offsetBytes: 0, maxBytes: 100 });
        expect(whole).toMatchObject({ sizeBytes: 10, mediaType: "text/plain" });
        expect(textOf(whole?.data ?? bytesOf(""))).toBe(words);
        const piece = await store.content(tenant, id, part?.digest ?? "", { offsetBytes: 4, maxBytes: 3 });
        expect(textOf(piece?.data ?? bytesOf(""))).toBe("€");
        expect(await store.content(tenant, id, "0".repeat(64), { offsetBytes: 0, maxBytes: 3 })).toBeUndefined();
        expect(
          await store.content(newTenant(), id, part?.digest ?? "", { offsetBytes: 0, maxBytes: 3 }),
        ).toBeUndefined();
      });
    });

    describe("request ids", () => {
      it("answers the same request with its turn, running or ended", async () => {
        const tenant = newTenant();
        const lease = await accept(store, newTurn(tenant, { request: request("r") }));
        const again = () => store.acceptTurn(newTurn(tenant, { request: request("r") }));
        expect(await again()).toMatchObject({ kind: "duplicate", turn: { id: lease.turnId, state: "waiting" } });
        await store.endTurn(lease, ending({ outcome: "workerDied", result: bytesOf("done") }));
        expect(await again()).toMatchObject({ kind: "duplicate", turn: { id: lease.turnId, outcome: "workerDied" } });
        expect(await store.turnByRequestId(tenant, "r")).toMatchObject({ id: lease.turnId });
        expect(await store.result(tenant, lease.turnId)).toEqual(bytesOf("done"));
      });

      it("refuses another content under the same id, and takes it from another tenant", async () => {
        const tenant = newTenant();
        const lease = await accept(store, newTurn(tenant, { request: request("r") }));
        const other = { id: "r", digest: bytesOf("e".repeat(32)) };
        expect(await store.acceptTurn(newTurn(tenant, { request: other }))).toEqual({
          kind: "requestIdReused",
          turnId: lease.turnId,
        });
        expect(await store.acceptTurn(newTurn(newTenant(), { request: other }))).toMatchObject({ kind: "accepted" });
      });

      it("frees the id of a turn whose prompt was never written", async () => {
        const tenant = newTenant();
        const first = await accept(store, newTurn(tenant, { request: request("r") }));
        await store.endTurn(first, ending({ outcome: undefined, lastSequence: 0 }));
        expect(await store.turnByRequestId(tenant, "r")).toBeUndefined();
        expect(await store.acceptTurn(newTurn(tenant, { request: request("r") }))).toMatchObject({ kind: "accepted" });
      });

      it("forgets an id and its result a day after the end of its turn", async () => {
        const tenant = newTenant();
        const lease = await accept(store, newTurn(tenant, { request: request("r") }));
        await clock.advance(retention.requestResultMs);
        await prune();
        await store.endTurn(lease, ending({ result: bytesOf("done") }));
        await clock.advance(retention.requestResultMs - 60_000);
        expect(await store.result(tenant, lease.turnId)).toEqual(bytesOf("done"));
        await clock.advance(60_000);
        await prune();
        expect(await store.result(tenant, lease.turnId)).toBeUndefined();
        expect(await store.turnByRequestId(tenant, "r")).toBeUndefined();
      });

      it("gives up the id that ended first when there are too many, and never one that runs", async () => {
        const tenant = newTenant();
        const ended = await accept(store, newTurn(tenant, { request: request("ended") }));
        await store.endTurn(ended, ending());
        for (const id of ["a", "b", "c", "d"]) await accept(store, newTurn(tenant, { request: request(id) }));
        expect(await store.turnByRequestId(tenant, "ended")).toBeUndefined();
        expect(await store.acceptTurn(newTurn(tenant, { request: request("e") }))).toEqual({
          kind: "quotaExceeded",
          what: "requestIds",
          limit: 4,
          isGlobal: false,
        });
        expect(await store.turnByRequestId(tenant, "a")).toBeDefined();
      });
    });

    describe("events", () => {
      it("gives stored events after a number, in order, a bounded piece at a time", async () => {
        const tenant = newTenant();
        const lease = await accept(store, newTurn(tenant, { onDisconnect: "continue" }));
        const writes = [eventRun(1, 3), eventRun(4, 9), eventRun(12, 15)].map((run) => store.appendEvents(lease, run));
        await clock.advance(50);
        await Promise.all(writes);
        expect(await store.turn(tenant, lease.turnId)).toMatchObject({
          stored: { firstSequence: 1, lastSequence: 15 },
          highestSequence: 15,
        });
        const numbersAfter = async (sequence: number, maxBytes = 1_000) =>
          sequencesIn(await store.events(lease.turnId, sequence, maxBytes));
        expect(await numbersAfter(0)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15]);
        expect(await numbersAfter(5)).toEqual([6, 7, 8, 9, 12, 13, 14, 15]);
        expect(await numbersAfter(0, 1)).toEqual([1, 2, 3]);
        expect(await numbersAfter(10)).toEqual([12, 13, 14, 15]);
        expect(await numbersAfter(15)).toEqual([]);
        const [run] = await store.events(lease.turnId, 5, 1);
        expect(run).toMatchObject({ firstSequence: 6, lastSequence: 9 });
      });

      it("does not change what its caller goes on using", async () => {
        const lease = await accept(store, newTurn(newTenant(), { onDisconnect: "continue" }));
        const slab = new Uint8Array(1_000);
        const { packed } = eventRun(1, 2);
        slab.set(packed);
        const write = store.appendEvents(lease, {
          firstSequence: 1,
          lastSequence: 2,
          packed: slab.subarray(0, packed.length),
        });
        await clock.advance(50);
        await write;
        expect(slab.byteLength).toBe(1_000);
        expect(sequencesIn(await store.events(lease.turnId, 0, 1_000))).toEqual([1, 2]);
      });

      it("drops them ten minutes after the end of their turn, and keeps the turn", async () => {
        const tenant = newTenant();
        const lease = await accept(store, newTurn(tenant, { onDisconnect: "continue" }));
        await Promise.all([store.appendEvents(lease, eventRun(1, 2)), store.endTurn(lease, ending())]);
        await clock.advance(retention.turnEventsMs - 60_000);
        expect(await store.events(lease.turnId, 0, 100)).toHaveLength(1);
        await clock.advance(60_000);
        await prune();
        expect(await store.events(lease.turnId, 0, 100)).toEqual([]);
        expect(await store.turn(tenant, lease.turnId)).toMatchObject({ state: "ended", stored: undefined });
      });
    });

    describe("sessions", () => {
      it("creates a session once, with what it was given", async () => {
        const tenant = newTenant();
        const session = newSession(tenant, "s", { title: "Plans", labels: { a: "1" }, binding: { systemPrompt: "p" } });
        expect(await store.createSession(session)).toMatchObject({
          id: "s",
          tenant,
          title: "Plans",
          labels: { a: "1" },
          binding: { systemPrompt: "p" },
          runningTurnId: undefined,
          turnCount: 0,
          createdAtMs: clock.wallNow(),
          expiresAtMs: clock.wallNow() + 3_600_000,
        });
        expect(await store.createSession(session)).toEqual({ kind: "sessionExists" });
        expect(await store.createSession({ ...session, tenant: newTenant() })).toMatchObject({ id: "s" });
      });

      it("creates a missing session with its first turn, if the turn may", async () => {
        const tenant = newTenant();
        const strict = newTurn(tenant, { session: inSession("s", { ifMissing: undefined }) });
        expect(await store.acceptTurn(strict)).toEqual({ kind: "sessionNotFound" });
        const lease = await accept(
          store,
          newTurn(tenant, { session: inSession("s", { binding: { systemPrompt: "p" }, kind: "tools" }) }),
        );
        expect(lease.session).toMatchObject({
          id: "s",
          kind: "tools",
          binding: { systemPrompt: "p" },
          runningTurnId: lease.turnId,
          epoch: lease.epoch,
        });
      });

      it("gives a session to one turn at a time, and names it to the others", async () => {
        const tenant = newTenant();
        const first = await accept(store, newTurn(tenant, { session: inSession("s") }));
        const other = newTurn(tenant, { session: inSession("s") });
        expect(await store.acceptTurn(other)).toEqual({ kind: "sessionBusy", runningTurnId: first.turnId });
        expect(await store.turn(tenant, other.id)).toBeUndefined();
        await store.endTurn(first, answered("x"));
        expect(await store.acceptTurn(other)).toMatchObject({ kind: "accepted" });
      });

      it("lets a turn wait for its session and take it when it is free", async () => {
        const tenant = newTenant();
        const first = await accept(store, newTurn(tenant, { session: inSession("s") }));
        const later = await accept(store, newTurn(tenant, { session: inSession("s", { take: "later" }) }));
        expect(await store.takeSession(later.turnId)).toEqual({
          kind: "sessionBusy",
          runningTurnId: first.turnId,
          isOwn: true,
        });
        await store.endTurn(first, answered("x"));
        const taken = await store.takeSession(later.turnId);
        expect(taken).toMatchObject({ kind: "taken", session: { runningTurnId: later.turnId } });
        if (taken.kind !== "taken") return;
        expect(taken.epoch).toBeGreaterThan(first.epoch);
        await expect(store.startTurn(later)).rejects.toThrow(LeaseLost);
        await store.startTurn({ turnId: later.turnId, epoch: taken.epoch });
        await store.endTurn({ turnId: later.turnId, epoch: taken.epoch }, answered("y"));
        expect(await store.session(tenant, "s")).toMatchObject({ runningTurnId: undefined, turnCount: 2 });
      });

      it("ends a turn that waited for its session in vain without touching the session", async () => {
        const tenant = newTenant();
        const first = await accept(store, newTurn(tenant, { session: inSession("s") }));
        const later = await accept(
          store,
          newTurn(tenant, { session: inSession("s", { take: "later" }), content: [text("prompt", "never said")] }),
        );
        await store.endTurn(later, ending({ outcome: undefined, lastSequence: 0 }));
        expect(await store.session(tenant, "s")).toMatchObject({ runningTurnId: first.turnId, turnCount: 0 });
        expect(await store.turn(tenant, later.turnId)).toMatchObject({ state: "ended", hasContent: false });
        await store.endTurn(first, answered("x"));
      });

      it("fixes profile, system prompt and schema with the first turn; what is left open is the session's", async () => {
        const tenant = newTenant();
        const binding = { systemPrompt: "p", outputSchemaJson: "{}" };
        const turn = (more: object) => newTurn(tenant, { session: inSession("s", { binding, ...more }) });
        await store.endTurn(await accept(store, turn({})), answered("x"));
        await store.endTurn(await accept(store, turn({ binding: {} })), answered("x"));
        expect(await store.acceptTurn(turn({ binding: { systemPrompt: "q", outputSchemaJson: "[]" } }))).toEqual({
          kind: "sessionMismatch",
          differing: ["systemPrompt", "outputSchemaJson"],
        });
        expect(await store.acceptTurn({ ...turn({}), profile: "fast" })).toEqual({
          kind: "sessionMismatch",
          differing: ["profile"],
        });
      });

      it("adds up what its turns cost, and counts those that it goes through", async () => {
        const tenant = newTenant();
        const first = await say(store, tenant, "s", "one", "1");
        const failed = await accept(store, newTurn(tenant, { session: inSession("s") }));
        await store.endTurn(failed, answered("2", { isInConversation: false, contextTokens: 99 }));
        expect(await store.session(tenant, "s")).toMatchObject({
          turnCount: 1,
          lastTurnId: first,
          usage: { inputTokens: 20, outputTokens: 4 },
          costUsdMicros: 200,
          contextTokens: 99,
          contextWindowTokens: 200_000,
        });
      });

      it("gives the conversation in order, without the turns that it went back from", async () => {
        const tenant = newTenant();
        const first = await say(store, tenant, "s", "one", "1");
        const failed = await accept(
          store,
          newTurn(tenant, { session: inSession("s"), content: [text("prompt", "two")] }),
        );
        await store.endTurn(failed, answered("half", { isInConversation: false }));
        const third = await say(store, tenant, "s", "three", "3");
        const turns = await store.conversation(tenant, "s");
        expect(
          turns.map(({ turnId, prompt, answer }) => [
            turnId,
            prompt.map(({ data }) => textOf(data)),
            answer.map(({ data }) => textOf(data)),
          ]),
        ).toEqual([
          [first, ["one"], ["1"]],
          [third, ["three"], ["3"]],
        ]);
        const list = await store.turns({
          tenant,
          profiles: undefined,
          sessionId: "s",
          limit: 9,
          content: { maxTextBytes: 9 },
        });
        expect(list.map(({ turn, answer }) => [turn.isInConversation, answer[0]?.text])).toEqual([
          [true, "1"],
          [false, "half"],
          [true, "3"],
        ]);
        expect(await store.conversation(newTenant(), "s")).toEqual([]);
      });

      it("keeps parts of a prompt as they are: pictures, documents, titles, empty ones", async () => {
        const tenant = newTenant();
        const content = [
          text("prompt", ""),
          { side: "prompt", mediaType: "image/png", isDocument: false, title: "", data: new Uint8Array([0, 255, 10]) },
          { side: "prompt", mediaType: "text/plain", isDocument: true, title: "Notes", data: bytesOf("n") },
        ] as const;
        const lease = await accept(store, newTurn(tenant, { session: inSession("s"), content }));
        await store.endTurn(lease, answered("seen"));
        const [turn] = await store.conversation(tenant, "s");
        expect(turn?.prompt).toEqual(content);
        const [listed] = await store.turns({
          tenant,
          profiles: undefined,
          sessionId: "s",
          limit: 1,
          content: { maxTextBytes: 9 },
        });
        expect(listed?.prompt.map(({ text: words, sizeBytes }) => [words, sizeBytes])).toEqual([
          ["", 0],
          ["", 3],
          ["n", 1],
        ]);
      });

      it("suspends a session with its reason until a turn ends well", async () => {
        const tenant = newTenant();
        const suspension = { reason: "WORKER_START_FAILED", message: "no luck" } as const;
        const first = await accept(store, newTurn(tenant, { session: inSession("s") }));
        await store.endTurn(first, answered("x", { isInConversation: false, suspension }));
        expect(await store.session(tenant, "s")).toMatchObject({
          suspension: { ...suspension, sinceMs: clock.wallNow() },
        });
        await say(store, tenant, "s", "again", "y");
        expect((await store.session(tenant, "s"))?.suspension).toBeUndefined();
      });

      it("lists sessions, the one that changed last first, by title, label, state and profile", async () => {
        const tenant = newTenant();
        const add = async (id: string, more: object) => {
          await clock.advance(1);
          await store.createSession(newSession(tenant, id, more));
        };
        await add("a", { title: "Große Pläne", labels: { team: "x" } });
        await add("b", { profile: "fast" });
        await add("c", { title: "100%" });
        await clock.advance(1);
        const running = await accept(store, newTurn(tenant, { session: inSession("b", {}), profile: "fast" }));
        const ids = async (more: object = {}) =>
          (await store.sessions({ tenant, profiles: undefined, limit: 10, ...more })).map(({ id }) => id);
        expect(await ids()).toEqual(["b", "c", "a"]);
        expect(await ids({ titleContains: "PLÄNE" })).toEqual(["a"]);
        expect(await ids({ titleContains: "%" })).toEqual(["c"]);
        expect(await ids({ labels: { team: "x" } })).toEqual(["a"]);
        expect(await ids({ labels: { team: "y" } })).toEqual([]);
        expect(await ids({ state: "running" })).toEqual(["b"]);
        expect(await ids({ state: "idle" })).toEqual(["c", "a"]);
        expect(await ids({ state: "suspended" })).toEqual([]);
        expect(await ids({ profiles: ["default"] })).toEqual(["c", "a"]);
        const [first] = await store.sessions({ tenant, profiles: undefined, limit: 1 });
        expect(await ids({ after: { atMs: first?.updatedAtMs, id: first?.id } })).toEqual(["c", "a"]);
        await store.endTurn(running, answered("x"));
      });

      it("changes title, labels and expiry, each by itself", async () => {
        const tenant = newTenant();
        await store.createSession(newSession(tenant, "s", { title: "old", labels: { a: "1" } }));
        await clock.advance(5);
        expect(await store.updateSession(tenant, "s", { title: "" })).toMatchObject({ title: "", labels: { a: "1" } });
        expect(await store.updateSession(tenant, "s", { labels: {} })).toMatchObject({ title: "", labels: {} });
        expect(await store.updateSession(tenant, "s", { idleExpiryMs: 60_000 })).toMatchObject({
          idleExpiryMs: 60_000,
          expiresAtMs: clock.wallNow() + 60_000,
          updatedAtMs: clock.wallNow(),
        });
        expect(await store.updateSession(tenant, "missing", { title: "x" })).toBeUndefined();
        expect(await store.updateSession(newTenant(), "s", { title: "x" })).toBeUndefined();
      });

      it("lets a session expire when nothing has happened in it, and never while a turn has it", async () => {
        const tenant = newTenant();
        await store.createSession(newSession(tenant, "idle", { idleExpiryMs: 60_000 }));
        await store.createSession(newSession(tenant, "busy", { idleExpiryMs: 60_000 }));
        const lease = await accept(store, newTurn(tenant, { session: inSession("busy") }));
        await clock.advance(60_000);
        expect(await store.session(tenant, "idle")).toBeUndefined();
        expect(await store.sessions({ tenant, profiles: undefined, limit: 9 })).toMatchObject([{ id: "busy" }]);
        expect(await store.createSession(newSession(tenant, "idle", { title: "new" }))).toMatchObject({ title: "new" });
        await store.endTurn(lease, answered("x"));
        expect(await store.session(tenant, "busy")).toMatchObject({ expiresAtMs: clock.wallNow() + 60_000 });
        await clock.advance(60_000);
        await prune();
        expect(await store.turn(tenant, lease.turnId)).toBeUndefined();
      });

      it("deletes a session with its turns, results and request ids, unless a turn has it", async () => {
        const tenant = newTenant();
        const lease = await accept(
          store,
          newTurn(tenant, { session: inSession("s"), request: request("r"), content: [text("prompt", "words")] }),
        );
        expect(await store.deleteSession(tenant, "s")).toEqual({ kind: "sessionBusy", runningTurnId: lease.turnId });
        await store.endTurn(lease, answered("more words"));
        expect(await store.deleteSession(newTenant(), "s")).toEqual({ kind: "sessionNotFound" });
        expect(await store.deleteSession(tenant, "s")).toEqual({ kind: "deleted", turnIds: [lease.turnId] });
        expect(await store.deleteSession(tenant, "s")).toEqual({ kind: "sessionNotFound" });
        expect(await store.turn(tenant, lease.turnId)).toBeUndefined();
        expect(await store.result(tenant, lease.turnId)).toBeUndefined();
        expect(await store.turnByRequestId(tenant, "r")).toBeUndefined();
      });

      it("keeps the end of a turn whose session was deleted while it waited", async () => {
        const tenant = newTenant();
        await store.createSession(newSession(tenant, "s"));
        const later = await accept(
          store,
          newTurn(tenant, { session: inSession("s", { take: "later" }), content: [text("prompt", "words")] }),
        );
        expect(await store.deleteSession(tenant, "s")).toEqual({ kind: "deleted", turnIds: [] });
        expect(await store.takeSession(later.turnId)).toEqual({ kind: "sessionNotFound" });
        await store.endTurn(later, ending({ outcome: undefined, lastSequence: 0 }));
        expect(await store.turn(tenant, later.turnId)).toMatchObject({ state: "ended", hasContent: false });
      });
    });

    describe("forks", () => {
      it("copies a conversation up to a turn, and shares nothing with it", async () => {
        const tenant = newTenant();
        const first = await say(store, tenant, "s", "one", "1");
        const second = await say(store, tenant, "s", "two", "2");
        const fork = (newId: string, until: object, more: object = {}) =>
          store.forkSession({
            tenant,
            sessionId: "s",
            newId,
            until: until as { kind: "all" },
            title: undefined,
            newCliSessionId: randomUUID(),
            ...more,
          });
        expect(await fork("all", { kind: "all" })).toMatchObject({
          kind: "forked",
          session: { id: "all", turnCount: 2, costUsdMicros: 0, forkedFrom: { sessionId: "s", turnId: second } },
        });
        expect(await fork("after", { kind: "after", turnId: first }, { title: "Other" })).toMatchObject({
          session: { turnCount: 1, title: "Other", forkedFrom: { turnId: first } },
        });
        expect(await fork("before", { kind: "before", turnId: first })).toMatchObject({
          session: { turnCount: 0, lastTurnId: undefined, forkedFrom: { sessionId: "s" } },
        });
        expect(await fork("x", { kind: "after", turnId: randomUUID() })).toEqual({ kind: "turnNotInConversation" });
        expect(await fork("after", { kind: "all" })).toEqual({ kind: "sessionExists" });
        expect(await fork("y", { kind: "all" }, { tenant: newTenant() })).toEqual({ kind: "sessionNotFound" });
        await store.deleteSession(tenant, "s");
        const words = async (id: string) =>
          (await store.conversation(tenant, id)).flatMap(({ prompt, answer }) =>
            [...prompt, ...answer].map(({ data }) => textOf(data)),
          );
        expect(await words("all")).toEqual(["one", "1", "two", "2"]);
        const added = await say(store, tenant, "after", "three", "3");
        expect(await words("after")).toEqual(["one", "1", "three", "3"]);
        expect(await store.session(tenant, "after")).toMatchObject({ turnCount: 2, lastTurnId: added });
      });

      it("leaves a running turn out, and does not fork at one that failed", async () => {
        const tenant = newTenant();
        await say(store, tenant, "s", "one", "1");
        const failed = await accept(store, newTurn(tenant, { session: inSession("s") }));
        await store.endTurn(failed, answered("x", { isInConversation: false }));
        const running = await accept(store, newTurn(tenant, { session: inSession("s") }));
        const fork = { tenant, sessionId: "s", title: undefined, newCliSessionId: randomUUID() };
        for (const { turnId } of [failed, running]) {
          expect(await store.forkSession({ ...fork, newId: "no", until: { kind: "after", turnId } })).toEqual({
            kind: "turnNotInConversation",
          });
        }
        expect(await store.forkSession({ ...fork, newId: "f", until: { kind: "all" } })).toMatchObject({
          session: { turnCount: 1, runningTurnId: undefined },
        });
        await store.endTurn(running, answered("x"));
      });
    });

    describe("transcripts", () => {
      const transcript = (sizeBytes: number, cliSessionId: string) => ({
        cliSessionId,
        cliVersion: "2.1.332",
        sizeBytes,
        digest: "d".repeat(64),
      });

      it("grow at their end only, are cut, and are read in pieces", async () => {
        const tenant = newTenant();
        const cliSessionId = randomUUID();
        const lease = await accept(store, newTurn(tenant, { session: inSession("s", { kind: "tools" }) }));
        const append = (offsetBytes: number, words: string) =>
          store.appendTranscript(lease, { cliSessionId, offsetBytes, data: bytesOf(words) });
        await append(0, "first\n");
        await append(6, "second\n");
        await expect(append(6, "again")).rejects.toThrow("ends at 13");
        const read = async (offset: number, maxBytes: number) =>
          textOf(await store.readTranscript(tenant, "s", offset, maxBytes));
        expect(await read(0, 100)).toBe("first\nsecond\n");
        expect(await read(4, 5)).toBe("t\nsec");
        expect(await read(13, 5)).toBe("");
        await store.cutTranscript(lease, 8);
        expect(await read(0, 100)).toBe("first\nse");
        await append(8, "!");
        expect(await read(0, 100)).toBe("first\nse!");
        await store.endTurn(lease, answered("x", { transcript: transcript(9, cliSessionId) }));
        expect(await store.session(tenant, "s")).toMatchObject({ transcript: transcript(9, cliSessionId) });
        await expect(append(9, "late")).rejects.toThrow(LeaseLost);
        expect(await store.readTranscript(newTenant(), "s", 0, 100)).toHaveLength(0);
      });

      it("begin anew with another session of Claude Code", async () => {
        const tenant = newTenant();
        const lease = await accept(store, newTurn(tenant, { session: inSession("s", { kind: "tools" }) }));
        await store.appendTranscript(lease, { cliSessionId: "one", offsetBytes: 0, data: bytesOf("old") });
        await expect(
          store.appendTranscript(lease, { cliSessionId: "two", offsetBytes: 3, data: bytesOf("new") }),
        ).rejects.toThrow("cannot go on");
        await store.appendTranscript(lease, { cliSessionId: "two", offsetBytes: 0, data: bytesOf("new") });
        expect(textOf(await store.readTranscript(tenant, "s", 0, 100))).toBe("new");
        await store.endTurn(lease, answered("x"));
      });

      it("have files beside them, each replaced by the next of its name", async () => {
        const tenant = newTenant();
        const lease = await accept(store, newTurn(tenant, { session: inSession("s", { kind: "tools" }) }));
        await store.putSessionFile(lease, "b.txt", bytesOf("old"));
        await store.putSessionFile(lease, "a.txt", bytesOf("a"));
        await store.putSessionFile(lease, "b.txt", bytesOf("new"));
        expect((await store.sessionFiles(tenant, "s")).map(({ name: file, data }) => [file, textOf(data)])).toEqual([
          ["a.txt", "a"],
          ["b.txt", "new"],
        ]);
        await store.endTurn(lease, answered("x"));
        await expect(store.putSessionFile(lease, "c.txt", bytesOf("late"))).rejects.toThrow(LeaseLost);
      });

      it("are copied by a fork as far as the conversation goes", async () => {
        const tenant = newTenant();
        const cliSessionId = randomUUID();
        const turn = async (offsetBytes: number, words: string) => {
          const lease = await accept(store, newTurn(tenant, { session: inSession("s", { kind: "tools" }) }));
          await store.appendTranscript(lease, { cliSessionId, offsetBytes, data: bytesOf(words) });
          await store.putSessionFile(lease, "f", bytesOf("file"));
          const sizeBytes = offsetBytes + words.length;
          await store.endTurn(lease, answered("x", { transcript: transcript(sizeBytes, cliSessionId) }));
          return lease.turnId;
        };
        const first = await turn(0, "one\n");
        await turn(4, "two\n");
        const newCliSessionId = randomUUID();
        const until = { kind: "after", turnId: first } as const;
        const fork = { tenant, sessionId: "s", newId: "f", until, title: undefined, newCliSessionId };
        expect(await store.forkSession(fork)).toMatchObject({
          session: { transcript: { cliSessionId: newCliSessionId, sizeBytes: 4 } },
        });
        await store.deleteSession(tenant, "s");
        expect(textOf(await store.readTranscript(tenant, "f", 0, 100))).toBe("one\n");
        expect(await store.sessionFiles(tenant, "f")).toHaveLength(1);
      });
    });

    describe("caps", () => {
      it("drops the turns that ended first when a tenant has too many, and refuses more when all run", async () => {
        const tenant = newTenant();
        const first = await accept(store, newTurn(tenant));
        await store.endTurn(first, ending());
        for (let at = 0; at < 30; at += 1) await accept(store, newTurn(tenant));
        expect(await store.turn(tenant, first.turnId)).toBeUndefined();
        expect(await store.acceptTurn(newTurn(tenant))).toEqual({
          kind: "quotaExceeded",
          what: "turns",
          limit: 30,
          isGlobal: false,
        });
        expect(await store.acceptTurn(newTurn(newTenant()))).toMatchObject({ kind: "accepted" });
      });

      it("refuses a session more than a tenant may have, and drops expired ones before", async () => {
        const tenant = newTenant();
        for (let at = 0; at < 12; at += 1) {
          await store.createSession(newSession(tenant, `s${at}`, { idleExpiryMs: at === 3 ? 60_000 : 3_600_000 }));
        }
        const full = { kind: "quotaExceeded", what: "sessions", limit: 12, isGlobal: false };
        expect(await store.createSession(newSession(tenant, "more"))).toEqual(full);
        expect(await store.acceptTurn(newTurn(tenant, { session: inSession("more") }))).toEqual(full);
        await clock.advance(60_000);
        expect(await store.createSession(newSession(tenant, "more"))).toMatchObject({ id: "more" });
        expect(await store.session(tenant, "s4")).toBeDefined();
      });

      it("drops the events of ended turns for new words, and then refuses them", async () => {
        const tenant = newTenant();
        const old = await accept(store, newTurn(tenant, { onDisconnect: "continue" }));
        const packed = new Uint8Array(15_000);
        await Promise.all([
          store.appendEvents(old, { firstSequence: 1, lastSequence: 1, packed }),
          store.endTurn(old, ending()),
        ]);
        const content = [text("prompt", "x".repeat(10_000))];
        const lease = await accept(store, newTurn(tenant, { session: inSession("s"), content }));
        expect(await store.turn(tenant, old.turnId)).toMatchObject({ stored: undefined });
        const more = newTurn(tenant, { session: inSession("t"), content });
        expect(await store.acceptTurn(more)).toEqual({
          kind: "quotaExceeded",
          what: "bytes",
          limit: 20_000,
          isGlobal: false,
        });
        expect(await store.acceptTurn(newTurn(tenant))).toMatchObject({ kind: "accepted" });
        // What was accepted comes to its end, whatever it takes.
        await store.endTurn(lease, answered("y".repeat(15_000)));
        await store.deleteSession(tenant, "s");
        expect(await store.acceptTurn(more)).toMatchObject({ kind: "accepted" });
      });

      it("says so when the events of a running turn have no room", async () => {
        const lease = await accept(store, newTurn(newTenant(), { onDisconnect: "continue" }));
        const append = store.appendEvents(lease, {
          firstSequence: 1,
          lastSequence: 1,
          packed: new Uint8Array(30_000),
        });
        const refused = expect(append).rejects.toMatchObject({ reason: "QUOTA_EXCEEDED" });
        await clock.advance(50);
        await refused;
        await store.endTurn(lease, ending());
      });
    });

    it("does many things at once, and lets one that fails spoil none of the others", async () => {
      const tenant = newTenant();
      const ended = await accept(store, newTurn(tenant));
      await store.endTurn(ended, ending());
      const leases = await Promise.all(Array.from({ length: 8 }, () => accept(store, newTurn(tenant))));
      const settled = await Promise.allSettled(
        leases.flatMap((lease) => [store.startTurn(lease), store.startTurn(ended), store.endTurn(lease, ending())]),
      );
      expect(settled.map(({ status }) => status)).toEqual(leases.flatMap(() => ["fulfilled", "rejected", "fulfilled"]));
    });

    it("is well, and says how much it holds", () => {
      expect(store.health()).toMatchObject({ problem: undefined, takesTurns: true });
      expect(store.health().usedBytes).toBeGreaterThan(0);
    });
  });
}
