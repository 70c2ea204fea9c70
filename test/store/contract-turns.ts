/**
 * Turns: their life, lists of them, and the ids of their requests. Part of `contract.ts`.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { LeaseLost, type Store } from "../../src/store/store.ts";
import { defaultStoreLimits } from "../../src/store/store-limits.ts";
import type { Subject } from "./contract.ts";
import { accept, bytesOf, ending, eventRun, newTurn, say, textOf } from "./samples.ts";

const { retention } = defaultStoreLimits;

export function turnsContract(subject: Subject): void {
  const { clock, newTenant, prune, request } = subject;
  let store: Store;
  beforeAll(() => {
    store = subject.store;
  });

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

    it("lists a session from its first turn on, in order even when the clock is set back", async () => {
      const tenant = newTenant();
      const said: string[] = [];
      said.push(await say(store, tenant, "s", "one", "1"));
      clock.setBy(-3_600_000);
      said.push(await say(store, tenant, "s", "two", "2"));
      said.push(await say(store, tenant, "s", "three", "3"));
      clock.setBy(3_600_000);
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
      expect(await store.content(newTenant(), id, part?.digest ?? "", { offsetBytes: 0, maxBytes: 3 })).toBeUndefined();
    });
  });

  describe("words in lists", () => {
    it("stop where a turn has enough, and the list with the turn that goes beyond it, though never with its first", async () => {
      const tenant = newTenant();
      for (const words of ["aaaa", "bbbb", "cccc"]) await say(store, tenant, "s", words, words);
      const listed = async (maxTurnBytes: number, maxListBytes: number) => {
        const content = { maxTextBytes: 100, maxTurnBytes, maxListBytes };
        const turns = await store.turns({ tenant, profiles: undefined, sessionId: "s", limit: 10, content });
        return turns.map(({ prompt, answer }) => [...prompt, ...answer].map(({ text: of }) => of).join("+"));
      };
      expect(await listed(6, 100)).toEqual(["aaaa+aa", "bbbb+bb", "cccc+cc"]);
      expect(await listed(100, 8)).toEqual(["aaaa+aaaa", "bbbb+bbbb"]);
      expect(await listed(100, 1)).toEqual(["aaaa+aaaa", "bbbb+bbbb"]);
      const content = { maxTextBytes: 100, maxTurnBytes: 2 };
      const [first] = await store.turns({ tenant, profiles: undefined, sessionId: "s", limit: 1, content });
      expect(first?.answer[0]).toMatchObject({ text: "", isCut: true, sizeBytes: 4 });
    });
  });

  describe("request ids", () => {
    it("says what an acceptance would say because of one, and writes nothing", async () => {
      const tenant = newTenant();
      expect(await store.knownRequest(tenant, request("r"))).toBeUndefined();
      const lease = await accept(store, newTurn(tenant, { request: request("r") }));
      expect(await store.knownRequest(tenant, request("r"))).toMatchObject({
        kind: "duplicate",
        turn: { id: lease.turnId },
      });
      const other = { id: "r", digest: bytesOf("e".repeat(32)) };
      expect(await store.knownRequest(tenant, other)).toEqual({ kind: "requestIdReused", turnId: lease.turnId });
      expect(await store.knownRequest(newTenant(), request("r"))).toBeUndefined();
    });

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
}
