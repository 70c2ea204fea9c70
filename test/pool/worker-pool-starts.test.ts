/** Starts that fail, and how the pool comes back by itself. */
import { describe, expect, test } from "vitest";
import { RunnerError } from "../../src/runner-error.ts";
import { PoolUnderTest } from "./pool-under-test.ts";

const noCli = new RunnerError("CLI_UNAVAILABLE", "install Claude Code: npm install -g @anthropic-ai/claude-code");
const failure = new RunnerError("WORKER_START_FAILED", "exit 1");
const noSpares = { profiles: { default: { minSpares: 0 } } };

test("starts no more workers at once than allowed, over all profiles", async () => {
  const t = new PoolUnderTest({
    profiles: { one: { minSpares: 4 }, two: { minSpares: 4 } },
    pool: { maxStartingWorkers: 3 },
  });
  t.pool.start();
  let most = 0;
  for (let i = 0; i < 40; i++) {
    await t.clock.advance(50);
    most = Math.max(most, t.counts("one").starting + t.counts("two").starting);
  }
  expect(most).toBe(3);
  expect([t.counts("one").spare, t.counts("two").spare]).toEqual([4, 4]);
});

test("starts for waiting turns before it starts spares of another profile", async () => {
  const t = new PoolUnderTest({
    profiles: { one: { minSpares: 8 }, two: { minSpares: 0 } },
    pool: { maxStartingWorkers: 1 },
  });
  t.pool.start();
  await t.clock.advance(100);
  const asked = t.ask({ profile: "two" });
  await t.clock.advance(900);
  expect(asked.claim?.queueWaitMs).toBe(900);
});

test("replaces an idle worker that died, at once", async () => {
  const t = await PoolUnderTest.warm();
  t.workers[0]?.die({ code: null, signal: "SIGKILL", detail: "" });
  await t.clock.settle();
  expect(t.counts()).toMatchObject({ spare: 1, starting: 1 });
  await t.clock.advance(500);
  expect(t.counts()).toMatchObject({ spare: 2, starting: 0 });
});

test("a failed first start does not poison anything", async () => {
  const t = new PoolUnderTest(noSpares);
  t.startError = failure;
  const asked = t.ask();
  await Promise.resolve();
  t.startError = undefined;
  await t.clock.advance(500);
  expect(asked.claim?.source).toBe("COLD_POOL_OFF");
  expect(t.startAttempts).toBe(2);
});

describe("when every start fails", () => {
  const limits = { startFailuresToBreak: 5, startRetryMs: 15_000 };

  test("waiting turns are told, with a time to come back", async () => {
    const t = new PoolUnderTest({ ...noSpares, pool: limits });
    t.startError = failure;
    const asked = t.ask();
    await t.clock.settle();
    expect(asked.error).toMatchObject({
      reason: "WORKER_START_FAILED",
      facts: { failureCount: 5 },
      retryAfterMs: 15_000,
    });
  });

  test("waiting turns wait for the starts that are under way", async () => {
    const t = new PoolUnderTest({ ...noSpares, pool: { ...limits, startFailuresToBreak: 1 } });
    t.startError = failure;
    const asked = [t.ask()];
    t.startError = undefined;
    asked.push(t.ask());
    await t.clock.settle();
    expect(t.profile()).toMatchObject({ starts: "failing", workers: { starting: 1 } });
    await t.clock.advance(1000);
    expect(asked.map(({ claim }) => claim?.queueWaitMs)).toEqual([500, 1000]);
  });

  test("there is one start per pause, whether anybody asks or not", async () => {
    const t = new PoolUnderTest({ ...noSpares, pool: limits });
    t.startError = failure;
    t.ask();
    await t.clock.settle();
    const before = t.startAttempts;
    for (let i = 0; i < 60; i++) {
      t.ask();
      await t.clock.advance(1000);
    }
    expect(t.startAttempts - before).toBe(4);
  });

  test("new turns are refused at once", async () => {
    const t = new PoolUnderTest({ pool: limits });
    t.startError = failure;
    t.pool.start();
    await t.clock.advance(1000);
    const asked = t.ask();
    await t.clock.settle();
    expect(asked).toMatchObject({ reason: "WORKER_START_FAILED", error: { retryAfterMs: 14_000 } });
  });

  test("it heals by itself", async () => {
    const t = new PoolUnderTest({ pool: limits });
    t.startError = failure;
    t.pool.start();
    await t.clock.advance(1000);
    t.startError = undefined;
    await t.clock.advance(14_500);
    expect(t.profile()).toMatchObject({ starts: "normal", workers: { spare: 1 } });
    await t.clock.advance(500);
    expect(t.counts().spare).toBe(2);
    expect((await t.claim()).source).toBe("SPARE");
  });

  test("turns that have a worker go on", async () => {
    const t = await PoolUnderTest.warm({ profiles: { default: { minSpares: 1 } }, pool: limits });
    t.startError = failure;
    const running = await t.claim();
    await t.clock.advance(90_000);
    expect(t.profile().starts).toBe("failing");
    const fits = t.ask();
    const other = t.ask({ tenant: "zeta" });
    await t.clock.settle();
    expect(other.reason).toBe("WORKER_START_FAILED");
    running.release({ kind: "finished" });
    await t.clock.advance(10);
    expect(fits.claim?.source).toBe("REUSED");
  });

  test("turns that end on older workers do not hide it", async () => {
    const t = await PoolUnderTest.warm({ profiles: { default: { minSpares: 1 } }, pool: limits });
    t.startError = failure;
    t.startErrorAfterMs = 30;
    const before = t.startAttempts;
    let claim = await t.claim();
    for (let turn = 0; turn < 50; turn++) {
      claim.release({ kind: "finished" });
      await t.clock.advance(10);
      claim = await t.claim();
    }
    expect(t.startAttempts - before).toBeLessThanOrEqual(5);
    expect(t.profile().starts).toBe("failing");
  });

  test("where they succeeded before, turns wait for the next ones", async () => {
    const t = await PoolUnderTest.warm({ profiles: { default: { minSpares: 1, maxWorkers: 1 } }, pool: limits });
    t.startError = failure;
    t.workers[0]?.die({ code: null, signal: "SIGKILL", detail: "" });
    await t.clock.settle();
    const asked = t.ask();
    await t.clock.advance(5000);
    expect(t.profile().starts).toBe("failing");
    expect(t.pool.isServing()).toBe(true);
    t.startError = undefined;
    await t.clock.advance(10_000);
    expect(asked.claim?.source).toBe("COLD_NO_SPARE");
  });

  test("a waiting turn whose last hope died is told then", async () => {
    const t = await PoolUnderTest.warm({ profiles: { default: { minSpares: 1 } }, pool: limits });
    t.startError = failure;
    const running = await t.claim();
    await t.clock.advance(80_000);
    const asked = t.ask();
    await t.clock.advance(100);
    expect(asked.isWaiting).toBe(true);
    running.release({ kind: "discard", why: "preparation_failed" });
    await t.clock.settle();
    expect(asked.reason).toBe("WORKER_START_FAILED");
  });
});

describe("workers that start well and die before anybody uses them", () => {
  test("are no failed starts: they are replaced one per pause after a few, and turns get theirs", async () => {
    const t = new PoolUnderTest({ profiles: { default: { minSpares: 1 } }, pool: { startFailuresToBreak: 3 } });
    t.pool.start();
    for (let i = 0; i < 20; i++) {
      await t.clock.advance(600);
      t.workers.at(-1)?.die();
    }
    await t.clock.settle();
    expect(t.workers).toHaveLength(3);
    expect(t.profile().starts).toBe("normal");
    const asked = t.ask();
    await t.clock.advance(500);
    expect(asked.claim?.source).toBe("COLD_NO_SPARE");
  });
});

test("workers that somebody kills while they start count as failed starts until one succeeds", async () => {
  const t = new PoolUnderTest({ profiles: { default: { minSpares: 1 } }, pool: { startFailuresToBreak: 3 } });
  t.pool.start();
  for (const starts of ["normal", "normal", "failing"]) {
    await t.clock.advance(300);
    t.workers.at(-1)?.die({ code: null, signal: "SIGKILL", detail: "" });
    await t.clock.settle();
    expect(t.profile().starts).toBe(starts);
  }
  expect(t.workers).toHaveLength(3);
  await t.clock.advance(15_500);
  expect(t.profile()).toMatchObject({ starts: "normal", workers: { spare: 1 } });
});

describe("without a program to start", () => {
  test("turns are told at once what to install", async () => {
    const t = new PoolUnderTest(noSpares);
    t.startError = noCli;
    const asked = t.ask();
    await t.clock.settle();
    expect(asked.error).toMatchObject({ reason: "CLI_UNAVAILABLE", message: noCli.message, retryAfterMs: 5000 });
    expect(t.startAttempts).toBe(1);
  });

  test("it is looked for again at its interval, and turns are served as soon as it is there", async () => {
    const t = new PoolUnderTest(noSpares);
    t.startError = noCli;
    t.ask();
    await t.clock.advance(20_000);
    expect(t.startAttempts).toBe(5);
    t.startError = undefined;
    await t.clock.advance(5_500);
    expect(t.profile()).toMatchObject({ starts: "normal", isReady: true });
    expect((await t.claim()).source).toBe("SPARE");
  });

  test("turns that have a worker wait for it", async () => {
    const t = await PoolUnderTest.warm({ profiles: { default: { minSpares: 1 } } });
    t.startError = noCli;
    const running = await t.claim();
    await t.clock.settle();
    const asked = t.ask();
    running.release({ kind: "finished" });
    await t.clock.advance(10);
    expect(asked.claim?.source).toBe("REUSED");
  });
});

describe("health", () => {
  test("is not serving before a worker is there, and tells when it is", async () => {
    const t = new PoolUnderTest();
    const seen: boolean[] = [];
    const unsubscribe = t.pool.onChange(() => seen.push(t.pool.isServing()));
    t.pool.start();
    expect(t.pool.isServing()).toBe(false);
    await t.clock.advance(500);
    expect(t.pool.isServing()).toBe(true);
    unsubscribe();
    void t.pool.drain();
    expect(t.pool.isServing()).toBe(false);
    expect(seen).toEqual([true]);
  });

  test("is not serving once starts fail for good and no worker is left", async () => {
    const t = await PoolUnderTest.warm();
    t.startError = failure;
    for (const worker of t.workers) worker.die();
    await t.clock.advance(20_000);
    expect(t.pool.isServing()).toBe(true); // A start succeeded a moment ago, and the next one may.
    await t.clock.advance(60_000);
    expect(t.pool.isServing()).toBe(false);
  });

  test("one broken profile does not make the server not serve", async () => {
    const t = new PoolUnderTest({ profiles: { good: {}, bad: { minSpares: 0 } } });
    t.pool.start();
    await t.clock.advance(1000);
    t.startError = failure;
    t.ask({ profile: "bad" });
    await t.clock.settle();
    expect(t.pool.isReady("bad")).toBe(false);
    expect(t.pool.isReady("good")).toBe(true);
    expect(t.pool.isServing()).toBe(true);
  });

  test("all workers being busy is serving", async () => {
    const t = await PoolUnderTest.warm({ profiles: { default: { minSpares: 1, maxWorkers: 1 } } });
    await t.claim();
    await t.clock.advance(300_000);
    expect(t.pool.isServing()).toBe(true);
  });
});
