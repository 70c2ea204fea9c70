/** What the pool tells those who look at it: snapshots, and that something has changed. */
import { expect, test } from "vitest";
import { ClaimCounts, maxCountedTenants } from "../../src/pool/claim-counts.ts";
import { RunnerError } from "../../src/runner-error.ts";
import { PoolUnderTest } from "./pool-under-test.ts";

/** Whom the pool tells of activity: the tenants, or `everybody`. */
function listen({ pool }: PoolUnderTest) {
  const told = new Set<string>();
  const end = pool.onActivity((tenant) => told.add(tenant ?? "everybody"));
  return {
    end,
    /** Since it was asked last. */
    told: () => {
      const names = [...told].toSorted();
      told.clear();
      return names;
    },
  };
}

test("a snapshot tells every worker: whose it is, what it does since when, which turn, how many, how large", async () => {
  const t = await PoolUnderTest.warm({ pool: { sampleIntervalMs: 2_000 } });
  await t.runTurn({ tenant: "acme" });
  await t.clock.advance(1_000);
  await t.claim({ tenant: "acme", turnId: "again" });
  await t.clock.advance(500);
  expect(t.pool.snapshot().workers).toEqual([
    expect.objectContaining({ id: "w1", kind: "spare", tenant: undefined, turnId: undefined, givenTurnCount: 0 }),
    {
      id: "w2",
      profile: "default",
      kind: "claimed",
      sinceMs: 2_010,
      startedAtMs: 0,
      tenant: "acme",
      turnId: "again",
      givenTurnCount: 2,
      memoryBytes: 100 * 1024 * 1024,
    },
    expect.objectContaining({ id: "w3", kind: "spare", startedAtMs: 1_000 }),
  ]);
});

test("a worker that is gone is in no snapshot, and one without a process is named by the order of starts only", async () => {
  const t = new PoolUnderTest({ profiles: { default: { minSpares: 1 } } });
  t.pool.start();
  // Turns of others, which must not show in the name.
  for (let i = 0; i < 5; i++) t.ask({ tenant: "zeta" });
  expect(t.pool.snapshot().workers.map(({ id, kind }) => [id, kind])).toEqual(
    [1, 2, 3, 4].map((number) => [`starting-${number}`, "starting"]),
  );
  const stopped = t.pool.stop();
  await t.clock.advance(1_000);
  await stopped;
  expect(t.pool.snapshot().workers).toEqual([]);
});

test("a snapshot tells who waits, how many and since when, for each tenant", async () => {
  const t = await PoolUnderTest.warm({ profiles: { default: { minSpares: 0, maxWorkers: 1 } } });
  t.ask({ tenant: "acme" });
  await t.clock.advance(1_000);
  t.ask({ tenant: "acme" });
  await t.clock.advance(100);
  t.ask({ tenant: "zeta" });
  t.ask({ tenant: "acme" });
  expect(t.profile()).toMatchObject({
    waitingCount: 3,
    waiting: [
      { tenant: "acme", count: 2, oldestSinceMs: 2_000 },
      { tenant: "zeta", count: 1, oldestSinceMs: 2_100 },
    ],
  });
});

test("a snapshot counts how turns got their workers, in all and for each tenant, and does not change afterwards", async () => {
  const t = await PoolUnderTest.warm();
  await t.runTurn({ tenant: "acme" });
  await t.runTurn({ tenant: "acme" });
  const { claims } = t.profile();
  await t.runTurn({ tenant: "zeta" });
  expect(claims.all).toEqual({ REUSED: 1, SPARE: 1, COLD_NO_SPARE: 0, COLD_POOL_OFF: 0 });
  expect([...claims.byTenant]).toEqual([["acme", claims.all]]);
  expect(t.profile().claims.all.SPARE).toBe(2);
  expect(t.profile().claims.byTenant.get("zeta")).toMatchObject({ SPARE: 1, REUSED: 0 });
});

test("counts are kept for a bounded number of tenants, and those served last stay", () => {
  const counts = new ClaimCounts();
  counts.claimed("first", "SPARE");
  counts.claimed("second", "SPARE");
  counts.claimed("first", "REUSED");
  for (let i = 2; i <= maxCountedTenants; i++) counts.claimed(`t${i}`, "SPARE");
  const { all, byTenant } = counts.snapshot();
  expect(byTenant.size).toBe(maxCountedTenants);
  expect(byTenant.has("second")).toBe(false);
  expect(byTenant.get("first")).toMatchObject({ SPARE: 1, REUSED: 1 });
  expect(all).toMatchObject({ SPARE: maxCountedTenants + 1, REUSED: 1 });
});

test("what is one tenant's is told as that tenant's; what is or was nobody's as everybody's", async () => {
  const t = await PoolUnderTest.warm({ profiles: { default: { minSpares: 1, maxWorkers: 1 } } });
  const { told, end } = listen(t);
  const claim = await t.claim({ tenant: "acme" });
  expect(told()).toEqual(["acme", "everybody"]); // a spare less
  t.ask({ tenant: "zeta" });
  expect(told()).toEqual(["zeta"]);
  claim.finishing();
  expect(told()).toEqual(["acme"]);
  claim.release({ kind: "finished" });
  expect(told()).toEqual(["acme"]);
  end();
  await t.clock.advance(10_000);
  expect(told()).toEqual([]);
});

test("the beginning of a drain is told to everybody", async () => {
  const t = await PoolUnderTest.warm();
  const { told } = listen(t);
  void t.pool.drain();
  expect(told()).toEqual(["everybody"]);
});

test("whoever looks as soon as something is told has seen the newest in the end", async () => {
  const t = new PoolUnderTest();
  t.startError = new RunnerError("CLI_UNAVAILABLE", "made up");
  let seen = t.pool.snapshot();
  t.pool.onActivity(() => {
    queueMicrotask(() => {
      seen = t.pool.snapshot();
    });
  });
  t.pool.start();
  await t.clock.settle();
  expect(t.profile().starts).toBe("cliUnavailable");
  expect(seen).toEqual(t.pool.snapshot());
  t.startError = undefined;
  await t.clock.advance(30_000);
  expect(t.profile().starts).toBe("normal");
  expect(seen).toEqual(t.pool.snapshot());
});
