/**
 * RunnerError and the closed list of reasons why a call can fail.
 *
 * Knows no status codes: `service/errors.ts` alone translates a reason into a gRPC status and its details.
 */

/** Why a call failed. The same names as `ErrorReason` in error.proto, which says what each one means. */
export type RunnerReason =
  | "INVALID_REQUEST"
  | "UNAUTHENTICATED"
  | "NOT_ALLOWED"
  | "UNIMPLEMENTED"
  | "SERVICE_NOT_FOUND"
  | "QUOTA_EXCEEDED"
  | "QUEUE_FULL"
  | "QUEUE_TIMEOUT"
  | "POOL_DRAINING"
  | "WORKER_START_FAILED"
  | "CLI_UNAVAILABLE"
  | "NOT_SUPPORTED_BY_CLI"
  | "WORKER_DIED"
  | "DRAINED"
  | "CLIENT_STALLED"
  | "RESPONSE_TOO_LARGE"
  | "REQUEST_TOO_LARGE"
  | "CANCELLED"
  | "DEADLINE_EXCEEDED"
  | "INTERNAL"
  | KeptReason
  | UpstreamReason;

/** What is the matter with a session or a turn that is kept. */
export type KeptReason =
  | "SESSION_NOT_FOUND"
  | "SESSION_EXISTS"
  | "SESSION_BUSY"
  | "SESSION_MISMATCH"
  | "SESSION_SUSPENDED"
  | "CONTEXT_FULL"
  | "TURN_NOT_FOUND"
  | "REQUEST_ID_REUSED"
  | "INVALID_CURSOR"
  | "STORE_UNAVAILABLE"
  | "TURN_LOST"
  | "TURN_INTERRUPTED"
  | "READER_BEHIND"
  | "CONTENT_NOT_KEPT"
  | "CONTENT_NOT_FOUND"
  | "PROFILE_NOT_FOUND"
  | "TURN_NOT_IN_CONVERSATION";

/** How the model API failed. */
export type UpstreamReason =
  | "UPSTREAM_INVALID_REQUEST"
  | "UPSTREAM_CONTEXT_TOO_LONG"
  | "UPSTREAM_REQUEST_TOO_LARGE"
  | "UPSTREAM_BILLING"
  | "UPSTREAM_AUTH"
  | "UPSTREAM_MODEL_NOT_FOUND"
  | "UPSTREAM_RATE_LIMITED"
  | "UPSTREAM_USAGE_LIMIT"
  | "UPSTREAM_OVERLOADED"
  | "UPSTREAM_5XX"
  | "UPSTREAM_UNREACHABLE"
  | "UPSTREAM_TIMEOUT"
  | "UPSTREAM_CONFLICT"
  | "UPSTREAM_MALFORMED"
  | "UPSTREAM_UNKNOWN";

/** A rule that a request breaks. */
export interface Violation {
  /** The path of the field in the request's proto names, such as `history[3].text`; what JSON has wrong, as it was sent. */
  readonly field: string;
  /** What is wrong and what would be right, in words for the caller. */
  readonly description: string;
}

/** Of what lasts for moments only there may be room again so soon, in milliseconds. */
export const soonMs = 1_000;

export interface RunnerErrorOptions {
  /** Every number of the message, the unit in the key (`waitedMs`), for `ErrorInfo.metadata`. */
  readonly facts?: Readonly<Record<string, string | number | boolean>>;
  /** When a retry makes sense, in milliseconds from now. Absent: the reason's default, or none. */
  readonly retryAfterMs?: number;
  /** For INVALID_REQUEST: every rule that is broken. */
  readonly violations?: readonly Violation[];
  /** What only operators and the log may know beside the message, such as the model API's own words. */
  readonly operatorText?: string;
  /** For logs only; never shown to the caller. */
  readonly cause?: unknown;
}

/**
 * Makes an error that many callers a second may get and that leads nobody to a line of code: a stack would be most of
 * what it costs.
 */
export function withoutStack<E extends Error>(make: () => E): E {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return make();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/**
 * What a caller may be told about a failure. Anything else that is thrown reaches the caller as a bare INTERNAL.
 */
export class RunnerError extends Error {
  override readonly name = "RunnerError";
  readonly reason: RunnerReason;
  readonly facts: Readonly<Record<string, string | number | boolean>>;
  readonly retryAfterMs: number | undefined;
  readonly violations: readonly Violation[];
  readonly operatorText: string | undefined;

  constructor(reason: RunnerReason, message: string, options: RunnerErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.reason = reason;
    this.facts = options.facts ?? {};
    this.retryAfterMs = options.retryAfterMs;
    this.violations = options.violations ?? [];
    this.operatorText = options.operatorText;
  }

  /** The message as an operator or as anybody else may read it. */
  messageFor(isOperator: boolean): string {
    return isOperator && this.operatorText ? `${this.message}: ${this.operatorText}` : this.message;
  }
}

/** Whether an error is one of ours, of the given reason if one is given. */
export function isRunnerError(error: unknown, reason?: RunnerReason): error is RunnerError {
  return error instanceof RunnerError && (reason === undefined || error.reason === reason);
}
