/** How the pool ends. */
import { expect, test } from "vitest";
import { RunnerError } from "../../src/runner-error.ts";
import { PoolUnderTest } from "./pool-under-test.ts";

test("a draining pool refuses new and waiting turns and lets running ones finish", async () => {
  const t = await PoolUnderTest.warm({ profiles: { default: { minSpares: 1, maxWorkers: 1 } } });
  const running = await t.claim();
  const waiting = t.ask();
  let isDrained = false;
  void t.pool.drain().then(() => {
    isDrained = true;
  });
  const late = t.ask();
  await t.clock.advance(60_000);
  expect(waiting).toMatchObject({ reason: "POOL_DRAINING", error: { retryAfterMs: 1000 } });
  expect(late).toMatchObject({ reason: "POOL_DRAINING", error: { retryAfterMs: 1000 } });
  expect(t.workers[0]?.isStopped).toBe(false);
  expect(isDrained).toBe(false);

  running.release({ kind: "finished" });
  await t.clock.advance(20);
  expect(isDrained).toBe(true);
  expect(t.workers[0]?.exit).toBeDefined();
  expect(t.workers[0]?.resetCount).toBe(0);
});

test("a draining pool ends the workers that nobody uses and starts no more", async () => {
  const t = await PoolUnderTest.warm();
  await t.claim();
  void t.pool.drain();
  await t.clock.advance(60_000);
  expect(t.counts()).toEqual({
    starting: 0,
    spare: 0,
    boundIdle: 0,
    checking: 0,
    claimed: 1,
    resetting: 0,
    stopping: 0,
  });
  expect(t.pool.snapshot()).toMatchObject({ isDraining: true, isServing: false });
});

test("draining an idle pool takes no time, and twice is fine", async () => {
  const t = await PoolUnderTest.warm();
  await t.pool.drain();
  await t.pool.drain();
  expect(t.clock.now()).toBe(1000);
});

test("stopping ends everything: idle, starting, claimed and resetting workers, and every timer", async () => {
  const t = await PoolUnderTest.warm({
    worker: { resetMs: 1000 },
    profiles: { default: { minSpares: 2, maxWorkers: 3 } },
  });
  const [claimed, resetting] = await Promise.all([t.claim(), t.claim()]);
  resetting.release({ kind: "finished" });
  const waiting = [t.ask({ tenant: "z" }), t.ask({ tenant: "z" })];
  await t.clock.advance(100);
  expect(t.counts()).toMatchObject({ starting: 1, claimed: 1, resetting: 1 });

  const stopped = t.pool.stop();
  await t.clock.advance(20);
  await stopped;
  await t.pool.stop();
  claimed.release({ kind: "finished" });
  await t.clock.settle();
  expect(waiting.map(({ reason }) => reason)).toEqual(["POOL_DRAINING", "POOL_DRAINING"]);
  expect(t.workers.every(({ exit }) => exit !== undefined)).toBe(true);
  expect(t.counts()).toEqual({
    starting: 0,
    spare: 0,
    boundIdle: 0,
    checking: 0,
    claimed: 0,
    resetting: 0,
    stopping: 0,
  });
  expect(t.clock.pendingTimerCount).toBe(0);
});

test("stopping a pool that was never started, or whose starts fail, leaves no timer", async () => {
  const fresh = new PoolUnderTest();
  await fresh.pool.stop();
  expect(fresh.clock.pendingTimerCount).toBe(0);

  const broken = new PoolUnderTest();
  broken.startError = new RunnerError("CLI_UNAVAILABLE", "none");
  broken.pool.start();
  await broken.clock.advance(1000);
  await broken.pool.stop();
  expect(broken.clock.pendingTimerCount).toBe(0);
});

test("a pool that winds down serves the turns that wait and come, and keeps no worker for later ones", async () => {
  const t = await PoolUnderTest.warm({ profiles: { default: { minSpares: 1, maxWorkers: 1 } } });
  const running = await t.claim();
  const waiting = t.ask();
  t.pool.windDown();
  running.release({ kind: "finished" });
  await t.clock.advance(60_000);
  expect(waiting.claim).toBeDefined();

  waiting.claim?.release({ kind: "finished" });
  await t.clock.advance(60_000);
  expect(t.counts()).toMatchObject({ starting: 0, spare: 0, boundIdle: 0, claimed: 0 });
  expect(t.pool.snapshot().isDraining).toBe(false);

  const late = t.ask();
  await t.clock.advance(60_000);
  expect(late.claim).toBeDefined();
});
