/**
 * Why a worker is to be ended though nothing is wrong with its last turn. Pure; never asked about a worker in mid-turn.
 */
import type { Dedication } from "./dedicated.ts";
import { hasParkedTooLong, type ParkingLimits } from "./parking.ts";
import type { StopReason } from "./stop-reason.ts";
import type { WorkerState } from "./worker-state.ts";

export interface RecyclingLimits {
  readonly maxTurnsPerWorker: number;
  readonly maxWorkerMemoryBytes: number;
  readonly maxIdleCpuPercent: number;
  readonly boundIdleTimeoutMs: number;
}

export interface AgingWorker {
  readonly state: WorkerState;
  readonly dedication: Dedication | undefined;
  readonly finishedTurnCount: number;
  readonly startedAtMs: number;
  readonly ageLimitMs: number;
  readonly memoryBytes: number | undefined;
  readonly idleCpuPercent: number | undefined;
}

/** Those of the reasons of `stop-reason.ts` that are found here. */
export type RecycleReason = Extract<
  StopReason,
  "max_turns" | "max_age" | "memory" | "idle_cpu" | "idle_timeout" | "parked_too_long" | "surplus"
>;

/** Whether the worker has done its share, whatever it is doing now. */
export function wornOut(worker: AgingWorker, limits: RecyclingLimits, nowMs: number): RecycleReason | undefined {
  if (worker.finishedTurnCount >= limits.maxTurnsPerWorker) return "max_turns";
  if (nowMs - worker.startedAtMs >= worker.ageLimitMs) return "max_age";
  if ((worker.memoryBytes ?? 0) > limits.maxWorkerMemoryBytes) return "memory";
  return undefined;
}

/** The same for a worker that is idle, where idleness is a reason too. `isSurplus`: a spare beyond the minimum. */
export function idleTooLong(
  worker: AgingWorker,
  limits: RecyclingLimits & Pick<ParkingLimits, "parkedIdleMs">,
  nowMs: number,
  isSurplus: boolean,
): RecycleReason | undefined {
  const { state } = worker;
  if (state.kind !== "spare" && state.kind !== "boundIdle") return undefined;
  if ((worker.idleCpuPercent ?? 0) > limits.maxIdleCpuPercent) return "idle_cpu";
  if (worker.dedication !== undefined) return hasParkedTooLong(worker, limits, nowMs) ? "parked_too_long" : undefined;
  if (nowMs - state.sinceMs < limits.boundIdleTimeoutMs) return undefined;
  if (state.kind === "boundIdle") return "idle_timeout";
  return isSurplus ? "surplus" : undefined;
}

/** The age at which a worker ends: the limit give or take 10 %, so that workers of one hour do not end in one minute. */
export function ageLimitMs(maxWorkerAgeMs: number, random: () => number): number {
  return maxWorkerAgeMs * (0.9 + 0.2 * random());
}
