/**
 * Why a worker ends: a closed list, for the log and for the label of the counter of ended workers.
 */
import { isRunnerError } from "../runner-error.ts";
import { type Label, label } from "../telemetry/label.ts";
import { type Outcome, outcomes } from "../turn-end.ts";
import { type ResetFailure, resetFailures } from "../worker-process.ts";

/** In the ordinary course of things. */
const ordinary = [
  "single_use",
  "max_turns",
  "max_age",
  "memory",
  "idle_cpu",
  "idle_timeout",
  "surplus",
  "evicted",
  "memory_limit",
  "outdated",
  // Of a session's own worker: it may not be parked, it was parked for long enough, too many were, its session goes on
  // with something else than it has, or was deleted. The last one also ends workers that kept a text conversation.
  "not_parked",
  "parked_too_long",
  "parked_surplus",
  "superseded",
  "session_deleted",
  "drained",
  "stopped",
] as const;

/** Its start, or its life, went wrong. */
const failures = ["start_failed", "died", "unresponsive"] as const;

/** A turn could not be prepared on it: it was bound only in part, it died, or it could not do what was asked. */
const unprepared = ["aborted_bind", "died_unprepared", "not_supported", "preparation_failed", "not_released"] as const;

/** Its last turn ended so that it is not fit for another. */
export type AfterTurn = `after_${Label<Outcome>}`;

export type StopReason =
  | (typeof ordinary)[number]
  | (typeof failures)[number]
  | (typeof unprepared)[number]
  | AfterTurn
  | ResetFailure;

export const stopReasons: readonly StopReason[] = [
  ...ordinary,
  ...failures,
  ...unprepared,
  ...outcomes.map(afterTurn),
  ...resetFailures,
];

/** Of a worker that its turn left unfit. */
export function afterTurn(outcome: Outcome): AfterTurn {
  return `after_${label(outcome)}`;
}

/** Of a worker on which preparing a turn failed in a way that no reset mends. */
export function afterPreparation(error: unknown, wasAborted: boolean): StopReason {
  if (isRunnerError(error, "WORKER_DIED")) return "died_unprepared";
  if (wasAborted) return "aborted_bind";
  return isRunnerError(error, "NOT_SUPPORTED_BY_CLI") ? "not_supported" : "preparation_failed";
}
