/**
 * RunnerError to gRPC: the code, the `google.rpc` details and the push-back of each reason, in one table.
 *
 * The only place where a reason becomes a code. How the details are made, and kept small, is in `status-details.ts`.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import type { TurnResult } from "../../gen/claude/runner/v1/result_pb.ts";
import { isRunnerError, RunnerError, type RunnerReason, withoutStack } from "../runner-error.ts";
import { clipUtf8 } from "../utf8.ts";
import { errorDetails, type SpecialDetail } from "./status-details.ts";

/** The header that tells a client's retry policy when to retry; negative: do not. */
export const pushbackHeader = "grpc-retry-pushback-ms";

const maxMessageBytes = 1024;

/** How far a call had come, as far as its code depends on it. */
interface Codes {
  /** Nothing has happened yet: the call is refused. */
  readonly refused: Code;
  /** The prompt was written. */
  readonly written: Code;
  /** Text or a tool use was streamed. */
  readonly streamed: Code;
  /** Instead of `refused` where the call's own deadline has passed. Absent: it makes no difference. */
  readonly pastDeadline?: Code;
}

/**
 * When the same call may get through: that many milliseconds after its refusal, unless whoever refused it knew better; at
 * a time that is only sometimes known (`ifKnown`); or not, however often it is sent unchanged (`never`). Once the prompt
 * was written no client repeats a call by itself, whatever its reason.
 */
type Retry = number | "ifKnown" | "never";

/** What a reason answers for. */
interface AboutReason {
  readonly codes: Codes;
  readonly retry: Retry;
  /** Beside `ErrorInfo`, which each status has, `RetryInfo` where there is a time, and the result of a turn that began. */
  readonly details: readonly SpecialDetail[];
}

/** The same code at any time. */
const always = (code: Code): Codes => ({ refused: code, written: code, streamed: code });
/** ABORTED once the caller has content: what is repeated would come twice. */
const untilContent = (code: Code): Codes => ({ refused: code, written: code, streamed: Code.Aborted });

/** What each reason comes with. A new one must answer everything. */
const about = {
  INVALID_REQUEST: { codes: always(Code.InvalidArgument), retry: "never", details: ["violations"] },
  UNAUTHENTICATED: { codes: always(Code.Unauthenticated), retry: "never", details: [] },
  NOT_ALLOWED: { codes: always(Code.PermissionDenied), retry: "never", details: [] },
  UNIMPLEMENTED: { codes: always(Code.Unimplemented), retry: "never", details: [] },
  SERVICE_NOT_FOUND: { codes: always(Code.NotFound), retry: "never", details: [] },
  QUOTA_EXCEEDED: { codes: always(Code.ResourceExhausted), retry: "ifKnown", details: ["quota"] },
  QUEUE_FULL: { codes: always(Code.Unavailable), retry: 1_000, details: [] },
  QUEUE_TIMEOUT: {
    codes: { ...always(Code.Unavailable), pastDeadline: Code.DeadlineExceeded },
    retry: 1_000,
    details: [],
  },
  POOL_DRAINING: { codes: always(Code.Unavailable), retry: 2_000, details: [] },
  WORKER_START_FAILED: { codes: always(Code.Unavailable), retry: 15_000, details: [] },
  CLI_UNAVAILABLE: { codes: always(Code.Unavailable), retry: 5_000, details: [] },
  NOT_SUPPORTED_BY_CLI: { codes: always(Code.FailedPrecondition), retry: "never", details: [] },
  WORKER_DIED: {
    codes: { refused: Code.Unavailable, written: Code.Aborted, streamed: Code.Aborted },
    retry: 250,
    details: [],
  },
  DRAINED: { codes: always(Code.Aborted), retry: "ifKnown", details: [] },
  CLIENT_STALLED: { codes: always(Code.Aborted), retry: "never", details: [] },
  RESPONSE_TOO_LARGE: { codes: always(Code.ResourceExhausted), retry: "never", details: [] },
  REQUEST_TOO_LARGE: { codes: always(Code.ResourceExhausted), retry: "never", details: [] },
  CANCELLED: { codes: always(Code.Canceled), retry: "never", details: [] },
  DEADLINE_EXCEEDED: { codes: always(Code.DeadlineExceeded), retry: "never", details: [] },
  INTERNAL: { codes: always(Code.Internal), retry: "never", details: [] },
  SESSION_NOT_FOUND: { codes: always(Code.NotFound), retry: "never", details: [] },
  SESSION_EXISTS: { codes: always(Code.AlreadyExists), retry: "never", details: [] },
  SESSION_BUSY: { codes: always(Code.FailedPrecondition), retry: "never", details: [] },
  SESSION_MISMATCH: { codes: always(Code.FailedPrecondition), retry: "never", details: [] },
  SESSION_SUSPENDED: { codes: always(Code.FailedPrecondition), retry: "never", details: [] },
  CONTEXT_FULL: { codes: always(Code.FailedPrecondition), retry: "never", details: [] },
  TURN_NOT_FOUND: { codes: always(Code.NotFound), retry: "never", details: [] },
  REQUEST_ID_REUSED: { codes: always(Code.AlreadyExists), retry: "never", details: [] },
  INVALID_CURSOR: { codes: always(Code.OutOfRange), retry: "never", details: [] },
  STORE_UNAVAILABLE: { codes: always(Code.Unavailable), retry: 15_000, details: [] },
  TURN_LOST: { codes: always(Code.Aborted), retry: "never", details: [] },
  TURN_INTERRUPTED: { codes: always(Code.Aborted), retry: "never", details: [] },
  READER_BEHIND: { codes: always(Code.Aborted), retry: "never", details: [] },
  CONTENT_NOT_KEPT: { codes: always(Code.FailedPrecondition), retry: "never", details: [] },
  CONTENT_NOT_FOUND: { codes: always(Code.NotFound), retry: "never", details: [] },
  PROFILE_NOT_FOUND: { codes: always(Code.NotFound), retry: "never", details: [] },
  TURN_NOT_IN_CONVERSATION: { codes: always(Code.FailedPrecondition), retry: "never", details: [] },
  UPSTREAM_INVALID_REQUEST: { codes: untilContent(Code.InvalidArgument), retry: "never", details: [] },
  UPSTREAM_CONTEXT_TOO_LONG: { codes: untilContent(Code.InvalidArgument), retry: "never", details: [] },
  UPSTREAM_REQUEST_TOO_LARGE: { codes: untilContent(Code.InvalidArgument), retry: "never", details: [] },
  UPSTREAM_BILLING: { codes: untilContent(Code.FailedPrecondition), retry: "ifKnown", details: [] },
  UPSTREAM_AUTH: { codes: untilContent(Code.FailedPrecondition), retry: "ifKnown", details: [] },
  UPSTREAM_MODEL_NOT_FOUND: { codes: untilContent(Code.NotFound), retry: "never", details: ["model"] },
  UPSTREAM_RATE_LIMITED: { codes: untilContent(Code.ResourceExhausted), retry: "ifKnown", details: ["quota"] },
  UPSTREAM_USAGE_LIMIT: { codes: untilContent(Code.ResourceExhausted), retry: "ifKnown", details: ["quota"] },
  UPSTREAM_OVERLOADED: { codes: untilContent(Code.Unavailable), retry: "ifKnown", details: [] },
  UPSTREAM_5XX: { codes: untilContent(Code.Unavailable), retry: "ifKnown", details: [] },
  UPSTREAM_UNREACHABLE: { codes: untilContent(Code.Unavailable), retry: "ifKnown", details: [] },
  UPSTREAM_TIMEOUT: { codes: untilContent(Code.Unavailable), retry: "ifKnown", details: [] },
  UPSTREAM_CONFLICT: { codes: untilContent(Code.Aborted), retry: "ifKnown", details: [] },
  UPSTREAM_MALFORMED: { codes: untilContent(Code.Internal), retry: "ifKnown", details: [] },
  UPSTREAM_UNKNOWN: { codes: untilContent(Code.Internal), retry: "ifKnown", details: [] },
} as const satisfies Record<RunnerReason, AboutReason>;

/** Every reason. */
export const runnerReasons = Object.keys(about) as readonly RunnerReason[];

/** How far a turn had come when it failed. */
export interface CallProgress {
  /** The turn, as logs and spans name it; absent while the request was not yet one. */
  readonly turnId?: string;
  /** The sequence of the last event that was sent; 0 or absent: none was. */
  readonly lastSequence?: number;
  /** Whether the prompt line had been written: the turn may have cost money, so nobody repeats it by himself. */
  readonly promptWritten: boolean;
  /** Whether text or a tool use had been streamed. */
  readonly contentStreamed: boolean;
  /** Whether its caller is an operator, who gets what is for operators only. Absent: no. */
  readonly forOperator?: boolean | undefined;
  /** Whether the call's own deadline has passed. */
  readonly deadlinePassed: boolean;
  /** The turn's result, if it had begun. */
  readonly result: TurnResult | undefined;
}

const beforeTheTurn: CallProgress = {
  promptWritten: false,
  contentStreamed: false,
  deadlinePassed: false,
  result: undefined,
};

/** The status code of a reason at a point of a call. */
export function statusCode(reason: RunnerReason, progress: CallProgress = beforeTheTurn): Code {
  const { codes }: AboutReason = about[reason];
  if (progress.contentStreamed) return codes.streamed;
  if (progress.promptWritten) return codes.written;
  return (progress.deadlinePassed ? codes.pastDeadline : undefined) ?? codes.refused;
}

/**
 * Any error as the one that a listener sends. What was not meant for the caller becomes a bare INTERNAL; whoever calls
 * this logs the cause.
 */
export function toConnectError(error: unknown, progress: CallProgress = beforeTheTurn): ConnectError {
  if (error instanceof ConnectError) return error;
  const known = isRunnerError(error) ? error : new RunnerError("INTERNAL", "internal error");
  const code = statusCode(known.reason, progress);
  const retryAfterMs = retryAfter(known, progress);
  const details = errorDetails(known, { ...progress, retryAfterMs }, about[known.reason].details);
  const metadata = new Headers();
  if (progress.promptWritten) metadata.set(pushbackHeader, "-1");
  else if (retryAfterMs !== undefined) metadata.set(pushbackHeader, String(pushbackMs(retryAfterMs)));
  const message = clipUtf8(messageOf(known, progress), maxMessageBytes);
  return withoutStack(() => new ConnectError(message, code, metadata, details, error));
}

function messageOf(error: RunnerError, { forOperator = false }: CallProgress): string {
  return error.messageFor(forOperator);
}

/**
 * When a retry makes sense, in milliseconds, where somebody knows it: whoever refused, or the server for itself. What
 * began is not refused, and when the model API is well again nobody knows but itself.
 */
function retryAfter(error: RunnerError, { promptWritten }: CallProgress): number | undefined {
  const { retry }: AboutReason = about[error.reason];
  if (retry === "never") return undefined;
  return error.retryAfterMs ?? (promptWritten || retry === "ifKnown" ? undefined : retry);
}

/** Never 0, for which gRPC core (Python, C++, Ruby) waits for ever, and never negative, which says not to retry. */
function pushbackMs(retryAfterMs: number): number {
  return Math.max(1, Math.ceil(retryAfterMs));
}
