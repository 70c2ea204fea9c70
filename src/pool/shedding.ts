/**
 * Whether a turn that has just come may wait for a worker, and if not, why: a pure rule.
 *
 * A turn is refused at once only for what is known: that the queue has no place for it, that workers do not start, or that
 * it would wait longer than it may. While there is hope, and where nothing is known, it waits.
 */
import type { ShedReason } from "./shed-reason.ts";

/** Why a turn is refused when it has just come. */
export type RefusedAtOnce = Extract<ShedReason, "queue_full" | "start_failed" | "cli_unavailable" | "wait_too_long">;

/** What the turn may hope for. What costs a look at workers or queue is asked for only when it decides. */
export interface Prospects {
  /** Whether the queue has a place for it. */
  readonly hasPlace: boolean;
  /** Whether a worker that is there may yet serve it, or one may begin to start now. */
  readonly hasHope: () => boolean;
  /** Why starts are known to fail; `undefined`: they are not. */
  readonly startsFail: () => Extract<RefusedAtOnce, "start_failed" | "cli_unavailable"> | undefined;
  /** Whether it has to wait until some other turn ends. */
  readonly isCrowded: boolean;
  /** How long it would wait; `undefined`: nobody knows. */
  readonly waitMs: () => number | undefined;
  /** How long it may wait. */
  readonly leftMs: number;
}

export function shedding(turn: Prospects): RefusedAtOnce | undefined {
  if (!turn.hasPlace) return "queue_full";
  const startsFail = turn.hasHope() ? undefined : turn.startsFail();
  if (startsFail !== undefined) return startsFail;
  const waitMs = turn.isCrowded ? turn.waitMs() : undefined;
  return waitMs !== undefined && waitMs > turn.leftMs ? "wait_too_long" : undefined;
}
