/** Workers that keep the conversation of their turn, and when they forget it. */
import { expect, test } from "vitest";
import type { ClaimRequest } from "../../src/pool/claim.ts";
import type { PoolProfile } from "../../src/pool/pool-options.ts";
import type { InMemoryWorker } from "./in-memory-worker.ts";
import { PoolUnderTest } from "./pool-under-test.ts";

const keepConversationMs = 30_000;

async function pool(profile: Partial<PoolProfile> = {}): Promise<PoolUnderTest> {
  return PoolUnderTest.warm({ profiles: { default: { minSpares: 1, keepConversationMs, ...profile } } });
}

/** Has a turn run whose worker may keep `conversation`. */
async function runTurn(t: PoolUnderTest, conversation: string, request: Partial<ClaimRequest> = {}) {
  const asked = t.ask(request);
  await t.clock.advance(1_000);
  const claim = asked.claim!;
  claim.release({ kind: "finished", conversation });
  await t.clock.advance(1_000);
  return workerOf(t, claim.worker.id);
}

function workerOf(t: PoolUnderTest, id: string): InMemoryWorker {
  return t.workers.find((worker) => worker.id === id)!;
}

test("a turn that goes on with a conversation gets the worker that has it, at once and without a reset", async () => {
  const t = await pool();
  const worker = await runTurn(t, "c1");
  const other = await runTurn(t, "c2", { bindingKey: "other" });
  const asked = t.ask({ conversation: "c1" });
  await t.clock.settle();
  expect(asked.claim).toMatchObject({ source: "REUSED", turnCount: 1, queueWaitMs: 0 });
  expect(asked.claim?.worker.id).toBe(worker.id);
  expect(asked.claim?.holds).toEqual({ kind: "conversation", id: "c1" });
  expect([worker.resetCount, other.resetCount]).toEqual([0, 0]);
});

test("a worker can go on turn after turn, and is asked for by the name that its last turn gave it", async () => {
  const t = await pool();
  const worker = await runTurn(t, "c1");
  await runTurn(t, "c1 and more", { conversation: "c1" });
  const asked = t.ask({ conversation: "c1 and more" });
  await t.clock.settle();
  expect(asked.claim).toMatchObject({ holds: { kind: "conversation", id: "c1 and more" }, turnCount: 2 });
  expect(worker.resetCount).toBe(0);
});

test.each([
  ["another conversation", { conversation: "c2" }],
  ["none", {}],
])("a turn of the same binding that asks for %s gets the worker after a reset", async (_, request) => {
  const t = await pool();
  const worker = await runTurn(t, "c1");
  const asked = t.ask(request);
  await t.clock.advance(9);
  expect([asked.claim, worker.resetCount]).toEqual([undefined, 1]);
  await t.clock.advance(1);
  expect(asked.claim).toMatchObject({ source: "REUSED", holds: { kind: "binding" }, queueWaitMs: 10 });
  expect(asked.claim?.worker.id).toBe(worker.id);
});

test("a worker whose late reset fails ends, and the turn gets another", async () => {
  const t = await pool();
  const worker = await runTurn(t, "c1");
  worker.resetOutcome = { clean: false, why: "foreign_turn" };
  const asked = t.ask();
  await t.clock.advance(1_000);
  expect(asked.claim?.source).toBe("SPARE");
  expect(t.recycleReasons).toEqual(["foreign_turn"]);
});

test("another tenant never gets it, whatever conversation it asks for and however few workers there are", async () => {
  const t = await pool({ minSpares: 0, maxWorkers: 1 });
  const worker = await runTurn(t, "c1", { tenant: "acme" });
  const asked = t.ask({ tenant: "zeta", conversation: "c1" });
  await t.clock.advance(60_000);
  expect(asked.claim).toMatchObject({ holds: { kind: "nothing" } });
  expect(asked.claim?.worker.id).not.toBe(worker.id);
  expect([t.recycleReasons, worker.resetCount]).toEqual([["evicted"], 0]);
});

test("a turn of another binding does not get it either", async () => {
  const t = await pool();
  const worker = await runTurn(t, "c1");
  const asked = t.ask({ bindingKey: "other", conversation: "c1" });
  await t.clock.settle();
  expect(asked.claim).toMatchObject({ source: "SPARE", holds: { kind: "nothing" } });
  expect(asked.claim?.worker.id).not.toBe(worker.id);
});

test("nobody asks for it: it is reset when its time is up, and counts as idle since its turn", async () => {
  const t = await pool();
  const worker = await runTurn(t, "c1");
  const { sinceMs } = t.pool.snapshot().workers.find(({ id }) => id === worker.id)!;
  await t.clock.advance(keepConversationMs - 1_000);
  expect(worker.resetCount).toBe(0);
  await t.clock.advance(11_000); // the workers are looked at every ten seconds
  expect(worker.resetCount).toBe(1);
  expect(t.pool.snapshot().workers.find(({ id }) => id === worker.id)).toMatchObject({ kind: "boundIdle", sinceMs });
  const late = t.ask({ conversation: "c1" });
  await t.clock.settle();
  expect(late.claim).toMatchObject({ holds: { kind: "binding" }, queueWaitMs: 0 });
  expect(worker.resetCount).toBe(1);
});

test("a turn that comes while the worker is still finishing waits for its conversation", async () => {
  const t = await pool();
  const claim = await t.claim();
  claim.finishing();
  const next = t.ask({ conversation: "c1" });
  await t.clock.advance(20);
  expect(next.isWaiting).toBe(true);
  claim.release({ kind: "finished", conversation: "c1" });
  await t.clock.settle();
  expect(next.claim?.holds).toEqual({ kind: "conversation", id: "c1" });
});

test("a worker of the default profile is reset when its turn ends, whatever conversation it has", async () => {
  const t = await pool({ keepConversationMs: 0 });
  const claim = await t.claim();
  claim.release({ kind: "finished", conversation: "c1" });
  expect(workerOf(t, claim.worker.id).resetCount).toBe(1);
  await t.clock.advance(10);
  expect((await t.claim({ conversation: "c1" })).holds).toEqual({ kind: "binding" });
});

test("a worker that has done its share, or serves one turn only, keeps nothing", async () => {
  const worn = await PoolUnderTest.warm({
    profiles: { default: { keepConversationMs } },
    pool: { maxTurnsPerWorker: 1 },
  });
  await runTurn(worn, "c1");
  expect(worn.recycleReasons).toEqual(["max_turns"]);
  const singleUse = await pool({ reuse: false });
  await runTurn(singleUse, "c1");
  expect(singleUse.recycleReasons).toEqual(["single_use"]);
});

test("draining ends it with its conversation", async () => {
  const t = await pool();
  await runTurn(t, "c1");
  void t.pool.drain();
  await t.clock.advance(1_000);
  expect(t.recycleReasons.toSorted()).toEqual(["drained", "drained"]);
});
