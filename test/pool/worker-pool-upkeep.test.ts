/** What happens to workers that nobody uses. */
import { describe, expect, test } from "vitest";
import { PoolUnderTest } from "./pool-under-test.ts";

const mebibytes = 1024 * 1024;

describe("a silent worker", () => {
  test("is found while it is idle, ended and replaced", async () => {
    const t = await PoolUnderTest.warm();
    t.workers[0]!.isSilent = true;
    await t.clock.advance(31_000);
    expect(t.recycleReasons).toEqual(["unresponsive"]);
    await t.clock.advance(1000);
    expect(t.counts().spare).toBe(2);
  });

  test("is not given out when it was idle for too long without a sign of life", async () => {
    const t = await PoolUnderTest.warm({ pool: { checkIdleAfterMs: 30_000, checkTimeoutMs: 1_000 } });
    // The looking after was held up as well: the event loop was blocked.
    t.clock.jump(40_000);
    for (const worker of t.workers) worker.isSilent = true;
    const asked = t.ask();
    expect(t.workers.map(({ pingCount }) => pingCount)).toContain(1);
    await t.clock.advance(3_000);
    expect(asked.claim?.source).toBe("COLD_NO_SPARE");
    expect(t.recycleReasons).toEqual(["unresponsive", "unresponsive"]);
  });

  test("costs a turn no more than the check when others answer", async () => {
    const t = await PoolUnderTest.warm();
    t.clock.jump(40_000);
    const asked = t.ask();
    await t.clock.advance(1);
    expect(asked.claim).toMatchObject({ source: "SPARE", queueWaitMs: 1 });
  });
});

test("claims of workers that were idle for hours wait for no check", async () => {
  const t = await PoolUnderTest.warm();
  for (let minutes = 0; minutes < 60; minutes++) {
    await t.clock.advance(60_000 + minutes * 37);
    const claim = await t.claim();
    expect(claim.queueWaitMs).toBe(0);
    claim.release({ kind: "finished" });
  }
});

describe("recycling", () => {
  test("ends a worker after its turns", async () => {
    const t = await PoolUnderTest.warm({ pool: { maxTurnsPerWorker: 3 } });
    for (let turn = 0; turn < 3; turn++) await t.runTurn();
    expect(t.recycleReasons).toEqual(["max_turns"]);
    expect((await t.claim()).source).toBe("SPARE");
  });

  test("ends workers at their age, some earlier and some later", async () => {
    const randoms = [0, 1];
    const t = await PoolUnderTest.warm({ pool: { maxWorkerAgeMs: 1_000_000 }, random: () => randoms.shift() ?? 0.5 });
    await t.clock.advance(880_000);
    expect(t.recycleReasons).toEqual([]);
    await t.clock.advance(30_000);
    expect(t.recycleReasons).toEqual(["max_age"]);
    await t.clock.advance(200_000);
    expect(t.recycleReasons).toEqual(["max_age", "max_age"]);
    expect(t.counts().spare).toBe(2);
  });

  test("never ends a worker in mid-turn, but after it", async () => {
    const t = await PoolUnderTest.warm({ pool: { maxWorkerAgeMs: 100_000, maxWorkerMemoryBytes: 600 * mebibytes } });
    const claim = await t.claim();
    t.workers.find(({ id }) => id === claim.worker.id)!.processUsage = { privateBytes: 700 * mebibytes, cpuMs: 0 };
    await t.clock.advance(80_000);
    expect(t.counts().claimed).toBe(1);
    claim.release({ kind: "finished" });
    expect(t.recycleReasons).toEqual(["memory"]);
  });

  test("ends an idle worker that has grown", async () => {
    const t = await PoolUnderTest.warm({ pool: { maxWorkerMemoryBytes: 600 * mebibytes } });
    t.workers[0]!.processUsage = { privateBytes: 601 * mebibytes, cpuMs: 0 };
    await t.clock.advance(10_000);
    expect(t.recycleReasons).toEqual(["memory"]);
  });

  test("ends an idle worker that burns CPU", async () => {
    const t = await PoolUnderTest.warm();
    for (let second = 0; second < 31; second++) {
      t.workers[0]!.processUsage = { privateBytes: undefined, cpuMs: second * 500 };
      await t.clock.advance(1000);
    }
    expect(t.recycleReasons).toEqual(["idle_cpu"]);
  });

  test("ends bound workers that nobody has used for long, and surplus spares", async () => {
    const t = await PoolUnderTest.warm({
      profiles: { default: { minSpares: 0 } },
      pool: { boundIdleTimeoutMs: 60_000 },
    });
    const abort = new AbortController();
    const asked = [t.ask(), t.ask({ signal: abort.signal })];
    abort.abort();
    await t.clock.advance(500);
    asked[0]?.claim?.release({ kind: "finished" });
    await t.clock.advance(500);
    expect(t.counts()).toMatchObject({ boundIdle: 1, spare: 1 });
    await t.clock.advance(75_000);
    expect(t.recycleReasons.toSorted()).toEqual(["idle_timeout", "surplus"]);
    expect(t.workers.every(({ exit }) => exit !== undefined)).toBe(true);
  });

  test("long unused bound workers give their places to missing spares, recently used ones do not", async () => {
    const t = await PoolUnderTest.warm({ profiles: { default: { minSpares: 2, maxWorkers: 4 } } });
    const claims = [];
    for (const tenant of ["a", "b", "c", "d"]) {
      const asked = t.ask({ tenant });
      await t.clock.advance(1000);
      claims.push(asked.claim);
    }
    for (const claim of claims) claim?.release({ kind: "finished" });
    await t.clock.advance(50_000);
    expect(t.counts()).toMatchObject({ boundIdle: 4, spare: 0 });
    await t.clock.advance(21_000);
    expect(t.counts()).toMatchObject({ boundIdle: 2, spare: 2 });
  });
});

describe("the memory budget", () => {
  const usage = { privateBytes: 200 * mebibytes, cpuMs: 0 };

  test("refuses starts that would not fit", async () => {
    const t = await PoolUnderTest.warm({
      profiles: { default: { minSpares: 8 } },
      pool: { memoryBudgetBytes: 500 * mebibytes },
    });
    expect(t.workers).toHaveLength(3);
    await t.clock.advance(60_000);
    // Measured, the three take 300 MiB, which leaves room for one more.
    expect(t.workers).toHaveLength(4);
    await t.clock.advance(60_000);
    expect(t.workers).toHaveLength(4);
  });

  test("always allows one worker", async () => {
    const t = await PoolUnderTest.warm({ pool: { memoryBudgetBytes: 1 } });
    expect(t.workers).toHaveLength(1);
    expect((await t.claim()).source).toBe("SPARE");
  });

  test("ends the least recently used bound workers when the workers have grown beyond it", async () => {
    const t = await PoolUnderTest.warm({
      profiles: { default: { minSpares: 1 } },
      pool: { memoryBudgetBytes: 800 * mebibytes },
    });
    for (const tenant of ["a", "b", "c"]) {
      await t.runTurn({ tenant });
      await t.clock.advance(1000);
    }
    expect(t.counts()).toMatchObject({ boundIdle: 3, spare: 1 });
    for (const worker of t.workers) worker.processUsage = { privateBytes: 250 * mebibytes, cpuMs: 0 };
    await t.clock.advance(10_000);
    expect(t.recycleReasons).toEqual(["memory_limit"]);
    expect(t.counts()).toMatchObject({ boundIdle: 2, spare: 1 });
    expect((await t.claim({ tenant: "b" })).source).toBe("REUSED");
  });

  test("makes room for a waiting turn at the cost of another profile's idle workers", async () => {
    const t = await PoolUnderTest.warm({
      profiles: { one: { minSpares: 4 }, two: { minSpares: 0 } },
      pool: { memoryBudgetBytes: 800 * mebibytes },
      worker: { usage },
    });
    await t.clock.advance(10_000);
    expect(t.counts("one").spare).toBe(4);
    const asked = t.ask({ profile: "two" });
    await t.clock.advance(520);
    expect(asked.claim?.source).toBe("COLD_POOL_OFF");
    expect(t.recycleReasons).toEqual(["evicted"]);
    await t.clock.advance(60_000);
    expect(t.counts("one").spare).toBe(3);
  });

  test("makes it at the cost of the bound worker of any profile that was used longest ago", async () => {
    const t = await PoolUnderTest.warm({
      profiles: { one: { minSpares: 0 }, two: { minSpares: 0 } },
      pool: { memoryBudgetBytes: 450 * mebibytes },
      worker: { usage },
    });
    for (const profile of ["one", "two"]) {
      const asked = t.ask({ profile });
      await t.clock.advance(10_000);
      asked.claim?.release({ kind: "finished" });
      await t.clock.advance(10);
    }
    const asked = t.ask({ profile: "two", tenant: "b" });
    await t.clock.advance(520);
    expect(asked.claim?.source).toBe("COLD_POOL_OFF");
    expect([t.counts("one").boundIdle, t.counts("two").boundIdle]).toEqual([0, 1]);
  });

  test("keeps counting a worker until its process is gone", async () => {
    const t = await PoolUnderTest.warm({
      profiles: { default: { minSpares: 0 } },
      pool: { memoryBudgetBytes: 300 * mebibytes },
      worker: { usage, stopMs: 5_000 },
    });
    const first = t.ask({ tenant: "a" });
    await t.clock.advance(10_000);
    first.claim?.release({ kind: "finished" });
    await t.clock.advance(10);
    const asked = t.ask({ tenant: "b" });
    await t.clock.advance(4_990);
    expect(t.workers).toHaveLength(1);
    await t.clock.advance(510);
    expect(asked.claim?.source).toBe("COLD_POOL_OFF");
  });
});

test("says one line for every change of a worker and one for its end", async () => {
  const t = await PoolUnderTest.warm({ profiles: { default: { minSpares: 1 } } });
  await t.runTurn();
  t.workers[0]?.die({ code: 1, signal: null, detail: "exit 1" });
  await t.clock.settle();
  const lines = t.logLines.filter(({ fields }) => fields.workerId === "w1");
  expect(lines.map(({ level, fields }) => [level, fields.to ?? fields.why])).toEqual([
    ["debug", "spare"],
    ["debug", "claimed"],
    ["debug", "resetting"],
    ["debug", "bound_idle"],
    ["debug", "exited"],
    ["info", "died"],
  ]);
  expect(lines.at(-1)?.fields).toMatchObject({ profile: "default", turnCount: 1, exit: { detail: "exit 1" } });
});
