/**
 * What one caller may see of the pool. Pure.
 *
 * A tenant sees what is its own or nobody's, in the profiles that it may use; an operator all of it. That another
 * tenant's name, worker, turn or count is in no view but an operator's is decided here and nowhere else. Moments are on
 * the clock's `now()`, so that two views are equal exactly when nothing but time has passed.
 */

import { type CountsBySource, noClaims } from "../../pool/claim-counts.ts";
import type { PoolSnapshot, ProfileSnapshot, WorkerSnapshot } from "../../pool/snapshot.ts";

/** Who looks. */
export interface Viewer {
  readonly tenant: string;
  readonly isOperator: boolean;
  /** The names of the profiles that it may use. */
  readonly profiles: readonly string[];
}

export interface ProfileView
  extends Pick<ProfileSnapshot, "profile" | "isReady" | "minSpares" | "maxWorkers" | "starts"> {
  readonly workerCounts: ReadonlyMap<WorkerSnapshot["kind"], number>;
  readonly waitingCount: number;
  /** Since when the turn waits that has waited longest; `undefined`: none waits. */
  readonly oldestSinceMs: number | undefined;
  readonly claims: CountsBySource;
}

export interface PoolView extends Pick<PoolSnapshot, "isServing" | "isDraining" | "maxWaitingCount"> {
  readonly coversAllTenants: boolean;
  /** 0 unless all tenants are covered. */
  readonly memoryBytes: number;
  /** 0 unless all tenants are covered. */
  readonly memoryBudgetBytes: number;
  /** By name. */
  readonly profiles: readonly ProfileView[];
  /** Oldest first, at most `maxWorkersTold`; the counts are of all. */
  readonly workers: readonly WorkerSnapshot[];
}

/** More workers than anybody reads: with them a state stays well below what clients take. */
export const maxWorkersTold = 500;

export function poolView(pool: PoolSnapshot, viewer: Viewer): PoolView {
  const { isOperator } = viewer;
  const profiles = pool.profiles.filter(({ profile }) => isOperator || viewer.profiles.includes(profile));
  const names = new Set(profiles.map(({ profile }) => profile));
  const workers = pool.workers.filter(({ profile, tenant }) => names.has(profile) && isVisible(tenant, viewer));
  return {
    isServing: pool.isServing,
    isDraining: pool.isDraining,
    coversAllTenants: isOperator,
    memoryBytes: isOperator ? pool.memoryBytes : 0,
    memoryBudgetBytes: isOperator ? pool.memoryLimitBytes : 0,
    maxWaitingCount: pool.maxWaitingCount,
    profiles: profiles
      .toSorted((one, other) => (one.profile < other.profile ? -1 : 1))
      .map((profile) => profileView(profile, workers, viewer)),
    workers: workers
      .slice(0, maxWorkersTold)
      .map((worker) => (worker.tenant === viewer.tenant ? worker : { ...worker, turnId: undefined })),
  };
}

function profileView(of: ProfileSnapshot, workers: readonly WorkerSnapshot[], viewer: Viewer): ProfileView {
  const { profile, isReady, minSpares, maxWorkers, starts } = of;
  const workerCounts = new Map<WorkerSnapshot["kind"], number>();
  for (const worker of workers) {
    if (worker.profile === profile) workerCounts.set(worker.kind, (workerCounts.get(worker.kind) ?? 0) + 1);
  }
  const waiting = of.waiting.filter(({ tenant }) => isVisible(tenant, viewer));
  return {
    profile,
    isReady,
    minSpares,
    maxWorkers,
    starts,
    workerCounts,
    waitingCount: waiting.reduce((sum, { count }) => sum + count, 0),
    oldestSinceMs: waiting.length === 0 ? undefined : Math.min(...waiting.map(({ oldestSinceMs }) => oldestSinceMs)),
    claims: viewer.isOperator ? of.claims.all : (of.claims.byTenant.get(viewer.tenant) ?? noClaims),
  };
}

/** Whether what belongs to a tenant, or to nobody, is for the viewer's eyes. */
export function isVisible(tenant: string | undefined, viewer: Pick<Viewer, "tenant" | "isOperator">): boolean {
  return tenant === undefined || viewer.isOperator || tenant === viewer.tenant;
}
