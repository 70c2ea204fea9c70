/** Which worker a turn gets, and what becomes of the worker. */
import { expect, test } from "vitest";
import { PoolUnderTest } from "./pool-under-test.ts";

test("keeps the spares of a profile ready", async () => {
  const t = await PoolUnderTest.warm();
  expect(t.counts()).toMatchObject({ spare: 2, starting: 0 });
});

test("gives a new binding a spare, and starts another one at once", async () => {
  const t = await PoolUnderTest.warm();
  const claim = await t.claim();
  expect(claim).toMatchObject({
    source: "SPARE",
    holds: { kind: "nothing" },
    turnCount: 0,
    queueWaitMs: 0,
    queueLengthSeen: 0,
  });
  expect(t.counts()).toMatchObject({ spare: 1, starting: 1, claimed: 1 });
});

test("gives a turn the worker of its tenant and binding that was used before", async () => {
  const t = await PoolUnderTest.warm();
  const first = await t.runTurn();
  const second = await t.claim();
  expect(second).toMatchObject({ source: "REUSED", holds: { kind: "binding" }, turnCount: 1 });
  expect(second.worker.id).toBe(first.worker.id);
});

test("a claim of an idle worker waits for nothing but a few microtasks", async () => {
  const t = await PoolUnderTest.warm();
  await t.runTurn();
  const asked = t.ask();
  for (let i = 0; i < 5; i++) await Promise.resolve();
  expect(asked.claim?.source).toBe("REUSED");
});

test("prefers the most recently used of several fitting workers", async () => {
  const t = await PoolUnderTest.warm();
  const [one, other] = await Promise.all([t.claim(), t.claim()]);
  other.release({ kind: "finished" });
  await t.clock.advance(20);
  one.release({ kind: "finished" });
  await t.clock.advance(20);
  expect((await t.claim()).worker.id).toBe(one.worker.id);
});

test("gives the youngest spare", async () => {
  const t = await PoolUnderTest.warm({ pool: { maxStartingWorkers: 1 } });
  expect(t.workers.map(({ id }) => id)).toEqual(["w1", "w2"]);
  expect((await t.claim()).worker.id).toBe("w2");
});

test.each([
  ["another tenant", { tenant: "zeta" }],
  ["another binding of the same tenant", { bindingKey: "c" }],
])("never gives a bound worker to %s", async (_, changes) => {
  const t = await PoolUnderTest.warm();
  const first = await t.runTurn();
  const second = await t.claim(changes);
  expect(second.source).toBe("SPARE");
  expect(second.worker.id).not.toBe(first.worker.id);
});

test("lets a turn wait a moment for its worker that is being reset, and keeps the spares for others", async () => {
  const t = await PoolUnderTest.warm({ worker: { resetMs: 100 } });
  const claim = await t.claim();
  claim.release({ kind: "finished" });
  const asked = t.ask();
  await t.clock.advance(99);
  expect(asked.isWaiting).toBe(true);
  await t.clock.advance(1);
  expect(asked.claim).toMatchObject({ source: "REUSED", queueWaitMs: 100 });
});

test("lets a turn wait already while its worker is finishing the turn before", async () => {
  const t = await PoolUnderTest.warm({ worker: { resetMs: 10 } });
  const claim = await t.claim();
  claim.finishing();
  const asked = t.ask();
  await t.clock.advance(5);
  expect(asked.isWaiting).toBe(true);
  claim.release({ kind: "finished" });
  await t.clock.advance(10);
  expect(asked.claim).toMatchObject({ source: "REUSED", queueWaitMs: 15 });
});

test("gives a turn a spare when its worker only says that it is finishing", async () => {
  const t = await PoolUnderTest.warm({ pool: { resetWaitMs: 250 } });
  const claim = await t.claim();
  claim.finishing();
  const asked = t.ask();
  await t.clock.advance(250);
  expect(asked.claim?.source).toBe("SPARE");
});

test("keeps no turn waiting for a worker that serves one turn only", async () => {
  const t = await PoolUnderTest.warm({ profiles: { default: { minSpares: 2, reuse: false } } });
  const claim = await t.claim();
  claim.finishing();
  await t.clock.advance(1_000);
  expect((await t.claim()).source).toBe("SPARE");
});

test("gives a turn a spare when the reset of its worker takes too long", async () => {
  const t = await PoolUnderTest.warm({ worker: { resetMs: 1000 }, pool: { resetWaitMs: 250 } });
  const claim = await t.claim();
  claim.release({ kind: "finished" });
  const asked = t.ask();
  await t.clock.advance(249);
  expect(asked.isWaiting).toBe(true);
  await t.clock.advance(1);
  expect(asked.claim?.source).toBe("SPARE");
});

test("lets only one turn wait for one reset", async () => {
  const t = await PoolUnderTest.warm({ worker: { resetMs: 100 } });
  const claim = await t.claim();
  claim.release({ kind: "finished" });
  const [waits, served] = [t.ask(), t.ask()];
  await t.clock.settle();
  expect(waits.isWaiting).toBe(true);
  expect(served.claim?.source).toBe("SPARE");
});

test("says COLD_NO_SPARE of a worker whose start began after the turn had come", async () => {
  const t = new PoolUnderTest({ profiles: { default: { minSpares: 1 } } });
  const asked = t.ask();
  await t.clock.advance(500);
  expect(asked.claim).toMatchObject({ source: "COLD_NO_SPARE", queueWaitMs: 500 });
});

test("says SPARE of a worker whose start had begun before the turn came", async () => {
  const t = new PoolUnderTest();
  t.pool.start();
  await t.clock.advance(300);
  const asked = t.ask();
  await t.clock.advance(200);
  expect(asked.claim).toMatchObject({ source: "SPARE", queueWaitMs: 200 });
});

test("says COLD_POOL_OFF in a profile without spares, and uses the worker again", async () => {
  const t = await PoolUnderTest.warm({ profiles: { default: { minSpares: 0 } } });
  expect(t.workers).toHaveLength(0);
  const asked = t.ask();
  await t.clock.advance(500);
  expect(asked.claim?.source).toBe("COLD_POOL_OFF");
  asked.claim?.release({ kind: "finished" });
  await t.clock.advance(10);
  expect(t.counts()).toMatchObject({ boundIdle: 1, spare: 0, starting: 0 });
  expect((await t.claim()).source).toBe("REUSED");
});

test("waits for whichever worker is ready first, not for the one that was started for the turn", async () => {
  const t = await PoolUnderTest.warm({ profiles: { default: { minSpares: 0 } } });
  const running = t.ask();
  await t.clock.advance(500);
  const asked = t.ask();
  await t.clock.advance(100);
  running.claim?.release({ kind: "finished" });
  await t.clock.advance(10);
  expect(asked.claim).toMatchObject({ source: "REUSED", queueWaitMs: 110 });
});

test("a single-use profile ends a worker after its turn and starts a new one", async () => {
  const t = await PoolUnderTest.warm({ profiles: { default: { reuse: false } } });
  const claim = await t.claim();
  await t.clock.advance(1000);
  claim.release({ kind: "finished" });
  expect(t.counts()).toMatchObject({ spare: 2, stopping: 1, boundIdle: 0 });
  expect(t.recycleReasons).toEqual(["single_use"]);
  await t.clock.advance(100);
  expect((await t.claim()).source).toBe("SPARE");
});

test("ends a worker that could not be reset, and says why", async () => {
  const t = await PoolUnderTest.warm();
  const claim = await t.claim();
  t.workers.find(({ id }) => id === claim.worker.id)!.resetOutcome = { clean: false, why: "rewind_refused" };
  claim.release({ kind: "finished" });
  await t.clock.advance(10);
  expect(t.counts()).toMatchObject({ boundIdle: 0, stopping: 1 });
  expect(t.recycleReasons).toEqual(["rewind_refused"]);
});

test("ends a worker whose reset does not come to an end", async () => {
  const t = await PoolUnderTest.warm({ worker: { resetMs: 3_600_000 }, pool: { controlTimeoutMs: 1_000 } });
  (await t.claim()).release({ kind: "finished" });
  await t.clock.advance(2_000);
  expect(t.counts()).toMatchObject({ resetting: 0 });
  expect(t.recycleReasons).toEqual(["reset_failed"]);
});

test("disposing of an unreleased claim ends the worker", async () => {
  const t = await PoolUnderTest.warm();
  {
    using claim = await t.claim();
    expect(claim.holds).toEqual({ kind: "nothing" });
  }
  expect(t.recycleReasons).toEqual(["not_released"]);
});

test("only the first release of a claim counts", async () => {
  const t = await PoolUnderTest.warm();
  const claim = await t.claim();
  claim.release({ kind: "finished" });
  claim.release({ kind: "discard", why: "stopped" });
  claim[Symbol.dispose]();
  await t.clock.advance(10);
  expect(t.counts()).toMatchObject({ boundIdle: 1 });
  expect(t.recycleReasons).toEqual([]);
});

test("a worker that died under its turn is replaced, and its release changes nothing", async () => {
  const t = await PoolUnderTest.warm();
  const claim = await t.claim();
  t.workers.find(({ id }) => id === claim.worker.id)!.die();
  await t.clock.advance(1000);
  claim.release({ kind: "discard", why: "died" });
  expect(t.counts()).toMatchObject({ claimed: 0, spare: 2 });
  expect(t.recycleReasons).toEqual(["died"]);
});

test("warns of callers who bring a new binding nearly every time, once in ten minutes", async () => {
  const t = await PoolUnderTest.warm();
  const warnings = () => t.logLines.filter(({ level }) => level === "warn");
  for (let turn = 0; turn < 99; turn++) {
    (await t.claim({ bindingKey: `on day ${turn}` })).release({ kind: "discard", why: "preparation_failed" });
    await t.clock.advance(1000);
  }
  expect(warnings()).toHaveLength(0);
  for (let turn = 0; turn < 100; turn++) {
    (await t.claim({ bindingKey: `at hour ${turn}` })).release({ kind: "discard", why: "preparation_failed" });
    await t.clock.advance(1000);
  }
  expect(warnings()).toMatchObject([{ fields: { tenant: "acme", profile: "default", newBindingCount: 100 } }]);
});
