/**
 * The pool at one moment, as plain data: what gauges, health and the view of the pool are made from.
 *
 * Has everything of every tenant; who may see what of it is decided in `service/pool/pool-view.ts`.
 */
import type { StartsState } from "./breaker.ts";
import type { CountsBySource } from "./claim-counts.ts";
import type { WorkerKind } from "./worker-state.ts";

/** Workers that are not gone, by state. */
export type StateCounts = Readonly<Record<Exclude<WorkerKind, "exited">, number>>;

/** One worker. Moments are on the clock's `now()`. */
export interface WorkerSnapshot {
  readonly id: string;
  readonly profile: string;
  readonly kind: Exclude<WorkerKind, "exited">;
  readonly sinceMs: number;
  readonly startedAtMs: number;
  /** `undefined`: nobody's yet. */
  readonly tenant: string | undefined;
  /** The turn that it runs. */
  readonly turnId: string | undefined;
  /** Turns that it was given, those included that it did not finish: `PoolWorker.turn_count`. */
  readonly givenTurnCount: number;
  /** At the last sample; `undefined` while there was none. */
  readonly memoryBytes: number | undefined;
}

/** The turns of one tenant that wait for a worker of one profile. */
export interface WaitingSnapshot {
  readonly tenant: string;
  readonly count: number;
  /** When the first of them came, on the clock's `now()`. */
  readonly oldestSinceMs: number;
}

/** How turns of one profile got their workers since the server started. */
export interface ClaimsSnapshot {
  readonly all: CountsBySource;
  /** Of the tenants that were served last, as many as are kept. */
  readonly byTenant: ReadonlyMap<string, CountsBySource>;
}

export interface ProfileSnapshot {
  readonly profile: string;
  readonly isReady: boolean;
  readonly minSpares: number;
  readonly maxWorkers: number;
  readonly workers: StateCounts;
  readonly waitingCount: number;
  readonly waiting: readonly WaitingSnapshot[];
  readonly claims: ClaimsSnapshot;
  readonly starts: StartsState;
}

export interface PoolSnapshot {
  readonly isServing: boolean;
  readonly isDraining: boolean;
  /** Measured where a worker was measured, else estimated. */
  readonly memoryBytes: number;
  readonly memoryLimitBytes: number;
  /** The most turns that may wait in one profile. */
  readonly maxWaitingCount: number;
  readonly profiles: readonly ProfileSnapshot[];
  /** Those that are not gone, oldest first. */
  readonly workers: readonly WorkerSnapshot[];
}
