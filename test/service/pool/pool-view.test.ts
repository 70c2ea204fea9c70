/** Who sees what of the pool. */
import { create, toJsonString } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PoolStateSchema, WorkerState } from "../../../gen/claude/runner/v1/pool_pb.ts";
import type { CountsBySource } from "../../../src/pool/claim-counts.ts";
import type { PoolSnapshot, ProfileSnapshot, WorkerSnapshot } from "../../../src/pool/snapshot.ts";
import { toPoolState } from "../../../src/service/pool/pool-state.ts";
import { isVisible, maxWorkersTold, poolView, type Viewer } from "../../../src/service/pool/pool-view.ts";
import { poolSnapshot, profileSnapshot, workerSnapshot } from "./watched-pool.ts";

const tenants = ["tenant-a", "tenant-b", "tenant-c"] as const;
const profileNames = ["for-all", "for-some", "for-b"] as const;
const kinds = ["starting", "spare", "boundIdle", "claimed", "resetting", "checking", "stopping"] as const;
const at = { nowMs: 1_000_000, wallMs: 1_700_000_000_000, startedAtMs: 0 };

const counts: fc.Arbitrary<CountsBySource> = fc.record({
  REUSED: fc.nat(1000),
  SPARE: fc.nat(1000),
  COLD_NO_SPARE: fc.nat(1000),
  COLD_POOL_OFF: fc.nat(1000),
});
const tenant = fc.constantFrom(...tenants);

const worker: fc.Arbitrary<Omit<WorkerSnapshot, "id" | "turnId">> = fc.record({
  profile: fc.constantFrom(...profileNames),
  kind: fc.constantFrom(...kinds),
  sinceMs: fc.nat(1_000),
  startedAtMs: fc.nat(1_000),
  tenant: fc.option(tenant, { nil: undefined }),
  givenTurnCount: fc.nat(9),
  memoryBytes: fc.option(fc.nat(10_000), { nil: undefined }),
});

const profile = (name: string): fc.Arbitrary<ProfileSnapshot> =>
  fc
    .record({
      isReady: fc.boolean(),
      waiting: fc.uniqueArray(
        fc.record({ tenant, count: fc.integer({ min: 1, max: 9 }), oldestSinceMs: fc.nat(999) }),
        {
          selector: (of) => of.tenant,
        },
      ),
      all: counts,
      byTenant: fc.uniqueArray(fc.tuple(tenant, counts), { selector: ([of]) => of }),
      starts: fc.constantFrom("normal", "failing", "cliUnavailable"),
    })
    .map(({ all, byTenant, ...rest }) =>
      profileSnapshot({ ...rest, profile: name, claims: { all, byTenant: new Map(byTenant) } }),
    );

/** Any pool. Every worker and every turn has a name that tells whose it is. */
const pools: fc.Arbitrary<PoolSnapshot> = fc
  .record({
    isServing: fc.boolean(),
    isDraining: fc.boolean(),
    memoryBytes: fc.nat(),
    profiles: fc.tuple(...profileNames.map(profile)),
    workers: fc.array(worker, { maxLength: 20 }),
  })
  .map(({ workers, ...rest }) =>
    poolSnapshot({
      ...rest,
      workers: workers.map((of, index) => ({
        ...of,
        id: `worker-${index}-of-${of.tenant ?? "nobody"}`,
        turnId: of.kind === "claimed" ? `turn-${index}-of-${of.tenant ?? "nobody"}` : undefined,
      })),
    }),
  );

const viewers: fc.Arbitrary<Viewer> = fc.record({
  tenant,
  isOperator: fc.constant(false),
  profiles: fc.subarray([...profileNames]),
});

const told = (pool: PoolSnapshot, viewer: Viewer) =>
  toJsonString(PoolStateSchema, create(PoolStateSchema, toPoolState(poolView(pool, viewer), [], at)));

/** The pool without anything that is another tenant's than the viewer's. */
function withoutOthers(pool: PoolSnapshot, viewer: Viewer): PoolSnapshot {
  return {
    ...pool,
    memoryBytes: 0,
    profiles: pool.profiles.map((of) => ({
      ...of,
      waiting: of.waiting.filter((waiting) => waiting.tenant === viewer.tenant),
      waitingCount: 0,
      claims: {
        all: of.claims.byTenant.get(viewer.tenant) ?? { REUSED: 0, SPARE: 0, COLD_NO_SPARE: 0, COLD_POOL_OFF: 0 },
        byTenant: new Map([...of.claims.byTenant].filter(([name]) => name === viewer.tenant)),
      },
    })),
    workers: pool.workers.filter((of) => of.tenant === undefined || of.tenant === viewer.tenant),
  };
}

describe("a tenant", () => {
  test("is never told another tenant's name, worker or turn", () => {
    fc.assert(
      fc.property(pools, viewers, (pool, viewer) => {
        const text = told(pool, viewer);
        for (const other of tenants) if (other !== viewer.tenant) expect(text).not.toContain(other);
      }),
    );
  });

  test("is told the same whatever other tenants have and do", () => {
    fc.assert(
      fc.property(pools, viewers, (pool, viewer) => {
        expect(told(pool, viewer)).toBe(told(withoutOthers(pool, viewer), viewer));
      }),
    );
  });

  test("is told of no profile that it may not use", () => {
    fc.assert(
      fc.property(pools, viewers, (pool, viewer) => {
        const text = told(pool, viewer);
        for (const name of profileNames) expect(text.includes(`"${name}"`)).toBe(viewer.profiles.includes(name));
      }),
    );
  });

  test("is told of all its own workers and of those that are nobody's, each counted once", () => {
    fc.assert(
      fc.property(pools, viewers, (pool, viewer) => {
        const view = poolView(pool, viewer);
        const own = pool.workers.filter((of) => viewer.profiles.includes(of.profile) && isVisible(of.tenant, viewer));
        expect(view.workers.map(({ id }) => id)).toEqual(own.map(({ id }) => id));
        const counted = view.profiles.flatMap(({ workerCounts }) => [...workerCounts.values()]);
        expect(counted.reduce((sum, count) => sum + count, 0)).toBe(own.length);
      }),
    );
  });
});

describe("an operator", () => {
  const viewer: Viewer = { tenant: "tenant-a", isOperator: true, profiles: [] };

  test("is told of all workers, profiles and counts, and of its own tenant's turns only", () => {
    fc.assert(
      fc.property(pools, (pool) => {
        const view = poolView(pool, viewer);
        expect(view.workers.map(({ id }) => id)).toEqual(pool.workers.map(({ id }) => id));
        const known = new Map(pool.profiles.map((one) => [one.profile, one]));
        expect(view.profiles).toHaveLength(known.size);
        for (const { profile: name, claims, waitingCount } of view.profiles) {
          expect(claims).toEqual(known.get(name)?.claims.all);
          expect(waitingCount).toBe(known.get(name)?.waitingCount);
        }
        expect(view.memoryBytes).toBe(pool.memoryBytes);
        for (const { tenant: whose, turnId } of view.workers) {
          if (whose !== viewer.tenant) expect(turnId).toBeUndefined();
        }
        expect(told(pool, viewer)).not.toMatch(/turn-\d+-of-tenant-[bc]/);
      }),
    );
  });

  test("sees which worker runs its own turn", () => {
    const pool = poolSnapshot({
      workers: [workerSnapshot({ kind: "claimed", tenant: "tenant-a", turnId: "mine" })],
    });
    expect(poolView(pool, viewer).workers).toMatchObject([{ turnId: "mine" }]);
  });
});

test("profiles are told by name, and counts in the order of the states, without those that are 0", () => {
  const pool = poolSnapshot({
    profiles: [profileSnapshot({ profile: "zoo" }), profileSnapshot({ profile: "ant" })],
    workers: (["stopping", "spare", "starting", "spare"] as const).map((kind) =>
      workerSnapshot({ profile: "ant", kind }),
    ),
  });
  const viewer = { tenant: "tenant-a", isOperator: false, profiles: ["zoo", "ant"] };
  expect(toPoolState(poolView(pool, viewer), [], at).profiles).toMatchObject([
    {
      profile: "ant",
      workerCounts: [
        { state: WorkerState.STARTING, count: 1 },
        { state: WorkerState.SPARE, count: 2 },
        { state: WorkerState.STOPPING, count: 1 },
      ],
    },
    { profile: "zoo", workerCounts: [] },
  ]);
});

test("at most so many workers are told, the oldest, and all of them counted", () => {
  const workers = Array.from({ length: maxWorkersTold + 7 }, (_, n) => workerSnapshot({ id: `w${n}` }));
  const view = poolView(poolSnapshot({ workers }), { tenant: "tenant-a", isOperator: false, profiles: ["default"] });
  expect(view.workers).toHaveLength(maxWorkersTold);
  expect(view.workers[0]?.id).toBe("w0");
  expect(view.profiles[0]?.workerCounts.get("spare")).toBe(maxWorkersTold + 7);
});
