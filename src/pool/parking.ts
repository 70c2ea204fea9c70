/**
 * How long workers of sessions are parked between turns, and how many of them. Pure.
 */
import type { Dedication } from "./dedicated.ts";
import type { WorkerState } from "./worker-state.ts";

export interface ParkingLimits {
  /** For how long a session's worker waits for the session's next turn, in milliseconds. 0: it ends with its turn. */
  readonly parkedIdleMs: number;
  /** How many of a profile's workers may be parked at once. */
  readonly maxParkedWorkers: number;
}

interface MaybeParked {
  readonly state: WorkerState;
  readonly dedication: Dedication | undefined;
}

/** Whether a session's worker may be parked when its turn gives it back with this conversation. */
export function isParked(conversation: string | undefined, limits: ParkingLimits): conversation is string {
  return conversation !== undefined && limits.parkedIdleMs > 0 && limits.maxParkedWorkers > 0;
}

/** Whether a parked worker has waited for long enough. */
export function hasParkedTooLong(
  { state, dedication }: MaybeParked,
  { parkedIdleMs }: Pick<ParkingLimits, "parkedIdleMs">,
  nowMs: number,
): boolean {
  return dedication !== undefined && state.kind === "boundIdle" && nowMs - state.sinceMs >= parkedIdleMs;
}

/** Those that are too many, the longest parked first. */
export function parkedTooMany<W extends MaybeParked>(
  workers: Iterable<W>,
  { maxParkedWorkers }: Pick<ParkingLimits, "maxParkedWorkers">,
): readonly W[] {
  const parked = [...workers].flatMap((worker) => {
    const idle = worker.state.kind === "checking" ? worker.state.idle : worker.state;
    return worker.dedication !== undefined && idle.kind === "boundIdle" ? [{ worker, order: idle.order }] : [];
  });
  return parked
    .sort((one, other) => one.order - other.order)
    .slice(0, Math.max(0, parked.length - maxParkedWorkers))
    .map(({ worker }) => worker);
}
