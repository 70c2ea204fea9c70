/**
 * What becomes of a turn's worker: whether it may be reset and used again, or has to end, and why. Pure.
 */
import type { Release } from "../pool/claim.ts";
import { afterPreparation, afterTurn } from "../pool/stop-reason.ts";
import { isRunnerError } from "../runner-error.ts";
import type { TurnEnd } from "../turn-end.ts";

/** A preparation that did not come to its end. */
export interface FailedPreparation {
  /** Whether the worker is known to have the turn's binding. */
  readonly isBound: boolean;
  /** Whether the turn was ended from outside. */
  readonly wasAborted: boolean;
  readonly error: unknown;
}

/**
 * After an aborted seeding a reset undoes what came so far. An aborted bind leaves it open which binding the worker has, and
 * what fails by itself is not understood.
 */
export function afterFailedPreparation({ isBound, wasAborted, error }: FailedPreparation): Release {
  if (isBound && wasAborted && !isRunnerError(error, "WORKER_DIED")) return { kind: "finished" };
  return { kind: "discard", why: afterPreparation(error, wasAborted) };
}

export function afterEndedTurn({ workerReusable, outcome }: Pick<TurnEnd, "workerReusable" | "outcome">): Release {
  return workerReusable ? { kind: "finished" } : { kind: "discard", why: afterTurn(outcome) };
}
