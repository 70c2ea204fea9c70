/**
 * What the end of a call means for its turn.
 */
import { isRunnerError } from "../runner-error.ts";
import type { EndCause } from "../turn-end.ts";

/** `reason` is why the turn's signal aborted; absent: its reader has gone without a word. */
export function endCauseOf(reason: unknown): EndCause {
  if (isRunnerError(reason, "DEADLINE_EXCEEDED")) return "deadlineExceeded";
  if (isRunnerError(reason, "DRAINED")) return "drained";
  if (isRunnerError(reason, "CLIENT_STALLED")) return "clientStalled";
  if (isRunnerError(reason, "TURN_INTERRUPTED")) return "interrupted";
  return "cancelled";
}
