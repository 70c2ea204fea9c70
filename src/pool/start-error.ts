/**
 * Why a worker did not start, as far as it matters to those who may try again: whether its process was there.
 *
 * What fails before that, such as a credential that is missing, is the server's own trouble and hits every worker alike.
 * What a process comes to may be due to what it was given, such as the session that it resumes.
 */
import { isRunnerError, RunnerError } from "../runner-error.ts";

/** A process was started, and did not come to answer. */
export class ProcessStartError extends RunnerError {
  constructor({ message, facts, cause }: Pick<RunnerError, "message" | "facts" | "cause">) {
    super("WORKER_START_FAILED", message, { facts, cause });
  }
}

/** What a start failed with, as others see it. `hadProcess`: whether its process was there. */
export function startErrorOf(error: unknown, hadProcess: boolean): RunnerError {
  const known =
    isRunnerError(error) && error.reason !== "WORKER_DIED"
      ? error
      : new RunnerError("WORKER_START_FAILED", "a worker did not start", { cause: error });
  return hadProcess && known.reason === "WORKER_START_FAILED" ? new ProcessStartError(known) : known;
}
