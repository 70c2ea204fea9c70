import { describe, expect, it } from "vitest";
import { PoolUnderTest } from "./pool-under-test.ts";

describe("workers that were started with what is not right any more", () => {
  it("are replaced at once when they are idle, spares and bound ones alike", async () => {
    const test = await PoolUnderTest.warm();
    await test.runTurn();
    await test.clock.advance(1000);
    const before = test.workers.filter(({ isStopped }) => !isStopped);
    expect(test.counts()).toMatchObject({ spare: 2, boundIdle: 1 });
    for (const worker of before) worker.outdated = true;
    test.pool.replaceOutdated();
    await test.clock.advance(1000);
    expect(before.every(({ isStopped }) => isStopped)).toBe(true);
    expect(test.recycleReasons).toEqual(["outdated", "outdated", "outdated"]);
    expect(test.counts()).toMatchObject({ spare: 2, boundIdle: 0 });
  });

  it("are given to no turn, also when nobody has said that they are outdated", async () => {
    const test = await PoolUnderTest.warm();
    for (const worker of test.workers) worker.outdated = true;
    const asked = test.ask();
    await test.clock.advance(1000);
    expect(asked.claim?.worker.id).toBe("w3");
  });

  it("finish their turn first", async () => {
    const test = await PoolUnderTest.warm();
    const claim = await test.claim();
    const [worker] = test.workers.filter(({ id }) => id === claim.worker.id);
    worker!.outdated = true;
    test.pool.replaceOutdated();
    await test.clock.advance(100);
    expect(worker!.isStopped).toBe(false);
    claim.release({ kind: "finished" });
    expect(test.recycleReasons).toEqual(["outdated"]);
    expect(worker!.resetCount).toBe(0);
  });

  it("are replaced as well when they were still starting", async () => {
    const test = new PoolUnderTest();
    test.pool.start();
    await test.clock.advance(100);
    for (const worker of test.workers) worker.outdated = true;
    await test.clock.advance(2000);
    expect(test.recycleReasons).toEqual(["outdated", "outdated"]);
    expect(test.counts()).toMatchObject({ spare: 2 });
  });
});
