/**
 * A pool that is as a test says, for those who only look at it: snapshots from a few words, and activity on demand.
 */
import { noClaims } from "../../../src/pool/claim-counts.ts";
import type { PoolSnapshot, ProfileSnapshot, WorkerSnapshot } from "../../../src/pool/snapshot.ts";
import type { ActivityListener } from "../../../src/pool/worker-pool.ts";
import type { WatchedPool } from "../../../src/service/pool/pool-service.ts";

export function workerSnapshot(changes: Partial<WorkerSnapshot> = {}): WorkerSnapshot {
  return {
    id: "w1",
    profile: "default",
    kind: "spare",
    sinceMs: 0,
    startedAtMs: 0,
    tenant: undefined,
    turnId: undefined,
    givenTurnCount: 0,
    memoryBytes: undefined,
    ...changes,
  };
}

export function profileSnapshot(changes: Partial<ProfileSnapshot> = {}): ProfileSnapshot {
  return {
    profile: "default",
    isReady: true,
    minSpares: 2,
    maxWorkers: 8,
    workers: { starting: 0, spare: 0, boundIdle: 0, checking: 0, claimed: 0, resetting: 0, stopping: 0 },
    waitingCount: (changes.waiting ?? []).reduce((sum, { count }) => sum + count, 0),
    waiting: [],
    claims: { all: noClaims, byTenant: new Map() },
    starts: "normal",
    ...changes,
  };
}

export function poolSnapshot(changes: Partial<PoolSnapshot> = {}): PoolSnapshot {
  return {
    isServing: true,
    isDraining: false,
    memoryBytes: 300,
    memoryLimitBytes: 1_000,
    maxWaitingCount: 64,
    profiles: [profileSnapshot()],
    workers: [],
    ...changes,
  };
}

export class ScriptedWatchedPool implements WatchedPool {
  readCount = 0;
  #now: PoolSnapshot;
  readonly #listeners = new Set<ActivityListener>();

  constructor(now: PoolSnapshot = poolSnapshot()) {
    this.#now = now;
  }

  get listenerCount(): number {
    return this.#listeners.size;
  }

  snapshot(): PoolSnapshot {
    this.readCount += 1;
    return this.#now;
  }

  onActivity(listener: ActivityListener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Changes something, and tells it as the tenant's, or as everybody's. */
  change(changes: Partial<PoolSnapshot>, tenant?: string): void {
    this.#now = { ...this.#now, ...changes };
    for (const listener of this.#listeners) listener(tenant);
  }
}
