/**
 * What the two adapters make of an error: the status that leaves, and what is logged.
 *
 * Handlers throw ConnectError. What the RPC libraries find by themselves (a message that is too large or no message at
 * all, a deadline) gets the same `ErrorInfo` here that our own refusals have, so that a caller looks in one place.
 * `service/errors.ts` knows codes and details; this file only chooses the reason.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { isRunnerError, RunnerError, type RunnerReason } from "../../runner-error.ts";
import { toConnectError } from "../../service/errors.ts";
import type { Log } from "../../telemetry/log.ts";
import { maxResponseBytes } from "../limits.ts";

/** Where the servers log to. */
export type ServerLog = Pick<Log, "info" | "warn" | "error">;

/** The status of whatever a handler threw. What was not meant for the caller is logged and becomes a bare INTERNAL. */
export function statusOf(thrown: unknown, path: string, log: ServerLog, signal?: AbortSignal): ConnectError {
  // Node's own waits throw an AbortError where the signal's reason is meant.
  const error = signal?.aborted && thrown instanceof Error && thrown.name === "AbortError" ? signal.reason : thrown;
  if (error instanceof ConnectError || error instanceof RunnerError) return toConnectError(error);
  log.error({ path, err: error }, "a handler failed in a way that it should not");
  return toConnectError(error);
}

/**
 * Throws when there is nobody left to speak to. A drain ends a turn, not the talk with its caller: what the handler says
 * then, the turn's result and how far it had come, is still sent.
 */
export function throwIfOver(signal: AbortSignal): void {
  if (!signal.aborted) return;
  const { reason } = signal;
  if (reason instanceof ConnectError && isRunnerError(reason.cause, "DRAINED")) return;
  throw reason;
}

export const cancelledByCaller = (): ConnectError =>
  toConnectError(new RunnerError("CANCELLED", "cancelled by the caller"));

export const deadlinePassed = (): ConnectError =>
  toConnectError(new RunnerError("DEADLINE_EXCEEDED", "the call's deadline passed"));

export interface LibraryErrorFacts {
  /** Whether the request had been read, so that the failure is about the answer. */
  readonly hasRequest: boolean;
  readonly maxRequestBytes: number;
}

/**
 * What a status means that an RPC library made by itself; `undefined` where our list has no reason for it. A library's INTERNAL before the handler ran is a request that it could not read.
 */
export function libraryError(code: Code, message: string, facts: LibraryErrorFacts): ConnectError | undefined {
  const { hasRequest, maxRequestBytes } = facts;
  switch (code) {
    case Code.ResourceExhausted:
      return hasRequest
        ? tooLarge("RESPONSE_TOO_LARGE", "a response message", maxResponseBytes)
        : tooLarge("REQUEST_TOO_LARGE", "the request", maxRequestBytes);
    case Code.DeadlineExceeded:
      return deadlinePassed();
    case Code.Canceled:
      return cancelledByCaller();
    case Code.InvalidArgument:
      return toConnectError(new RunnerError("INVALID_REQUEST", message));
    case Code.Unimplemented:
      return toConnectError(new RunnerError("UNIMPLEMENTED", message));
    case Code.Internal:
      return toConnectError(
        hasRequest ? new RunnerError("INTERNAL", "internal error") : new RunnerError("INVALID_REQUEST", message),
      );
    default:
      return undefined;
  }
}

function tooLarge(reason: RunnerReason, what: string, limitBytes: number): ConnectError {
  return toConnectError(
    new RunnerError(reason, `${what} is larger than ${limitBytes} bytes`, { facts: { limitBytes } }),
  );
}
