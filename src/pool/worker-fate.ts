/**
 * What becomes of a worker whose turn is over and that is fit for another: it is reset, keeps its conversation, or ends.
 * And which workers have a conversation that is to be forgotten. Pure.
 */
import { type Dedication, heldConversation } from "./dedicated.ts";
import { isParked, type ParkingLimits } from "./parking.ts";
import { type AgingWorker, type RecyclingLimits, wornOut } from "./recycling.ts";
import { type KeepingLimits, keptConversation } from "./reset-timing.ts";
import type { StopReason } from "./stop-reason.ts";
import type { WorkerState } from "./worker-state.ts";

export type WorkerFate =
  | { readonly kind: "reset" }
  | { readonly kind: "kept"; readonly conversation: string }
  | { readonly kind: "ended"; readonly why: StopReason };

export interface FateRules {
  /** Whether the pool takes new turns. */
  readonly isOpen: boolean;
  readonly isOutdated: boolean;
  readonly profile: KeepingLimits & ParkingLimits & { readonly reuse: boolean };
  readonly limits: RecyclingLimits;
  readonly nowMs: number;
}

/** `conversation`: what the worker has now, as the next turn would ask for it. */
export function fateOf(worker: AgingWorker, conversation: string | undefined, rules: FateRules): WorkerFate {
  const { isOpen, isOutdated, profile, limits, nowMs } = rules;
  const isOwn = worker.dedication !== undefined;
  const ended = (why: StopReason): WorkerFate => ({ kind: "ended", why });
  if (!isOpen) return ended("drained");
  // A session's own worker serves its session again whatever is to be of others: nothing crosses over.
  if (!isOwn && !profile.reuse) return ended("single_use");
  if (isOutdated) return ended("outdated");
  const why = wornOut(worker, limits, nowMs);
  if (why !== undefined) return ended(why);
  if (isOwn) return isParked(conversation, profile) ? { kind: "kept", conversation } : ended("not_parked");
  const kept = keptConversation(conversation, profile);
  return kept === undefined ? { kind: "reset" } : { kind: "kept", conversation: kept };
}

interface Holder {
  readonly state: WorkerState;
  readonly dedication: Dedication | undefined;
}

/**
 * The workers that have one of some conversations and run no turn of it: those that can be reset, and those that have to end. One that
 * is being checked may be given out right after.
 */
export function holdersOf<W extends Holder>(
  workers: Iterable<W>,
  isWanted: (conversation: string) => boolean,
): { readonly reset: readonly W[]; readonly end: readonly W[] } {
  const reset: W[] = [];
  const end: W[] = [];
  for (const worker of workers) {
    const { state, dedication } = worker;
    const conversation = state.kind === "starting" ? dedication?.conversation : heldConversation(state);
    if (conversation === undefined || !isWanted(conversation)) continue;
    (dedication === undefined && state.kind === "boundIdle" ? reset : end).push(worker);
  }
  return { reset, end };
}
