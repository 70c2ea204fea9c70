/**
 * The status that a turn's own call fails with, made from the turn's result: who reads a turn by AttachTurn gets status OK
 * behind it, and is to see the same failure as the one who began it.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorReason } from "./gen/claude/runner/v1/error_pb.ts";
import { type TurnError, type TurnResult, TurnResultSchema } from "./gen/claude/runner/v1/result_pb.ts";
import { ErrorInfoSchema } from "./gen/google/rpc/error_details_pb.ts";
import { forbidRetry } from "./retry.ts";

/** The codes once Claude Code has the prompt, as error.proto has them; those of UPSTREAM_ while nothing was streamed. */
const codes: Readonly<Partial<Record<ErrorReason, Code>>> = {
  [ErrorReason.CANCELLED]: Code.Canceled,
  [ErrorReason.DEADLINE_EXCEEDED]: Code.DeadlineExceeded,
  [ErrorReason.WORKER_DIED]: Code.Aborted,
  [ErrorReason.DRAINED]: Code.Aborted,
  [ErrorReason.CLIENT_STALLED]: Code.Aborted,
  [ErrorReason.TURN_LOST]: Code.Aborted,
  [ErrorReason.TURN_INTERRUPTED]: Code.Aborted,
  [ErrorReason.CONTEXT_FULL]: Code.FailedPrecondition,
  [ErrorReason.SESSION_SUSPENDED]: Code.FailedPrecondition,
  [ErrorReason.STORE_UNAVAILABLE]: Code.Unavailable,
  [ErrorReason.UPSTREAM_INVALID_REQUEST]: Code.InvalidArgument,
  [ErrorReason.UPSTREAM_CONTEXT_TOO_LONG]: Code.InvalidArgument,
  [ErrorReason.UPSTREAM_REQUEST_TOO_LARGE]: Code.InvalidArgument,
  [ErrorReason.UPSTREAM_BILLING]: Code.FailedPrecondition,
  [ErrorReason.UPSTREAM_AUTH]: Code.FailedPrecondition,
  [ErrorReason.UPSTREAM_MODEL_NOT_FOUND]: Code.NotFound,
  [ErrorReason.UPSTREAM_RATE_LIMITED]: Code.ResourceExhausted,
  [ErrorReason.UPSTREAM_USAGE_LIMIT]: Code.ResourceExhausted,
  [ErrorReason.UPSTREAM_OVERLOADED]: Code.Unavailable,
  [ErrorReason.UPSTREAM_5XX]: Code.Unavailable,
  [ErrorReason.UPSTREAM_UNREACHABLE]: Code.Unavailable,
  [ErrorReason.UPSTREAM_TIMEOUT]: Code.Unavailable,
  [ErrorReason.UPSTREAM_CONFLICT]: Code.Aborted,
};

/** How far the turn had come. */
export interface Reached {
  /** Whether text or a tool use was streamed, or may be in a gap. */
  readonly hasContent: boolean;
  readonly turnId?: string;
  readonly lastSequence?: number;
}

/** What the call that began the turn fails with; `undefined`: it ended under OK. */
export function statusOf(result: TurnResult, reached: Reached): ConnectError | undefined {
  const { error } = result;
  if (error === undefined) return undefined;
  const isAborted = reached.hasContent && nameOf(error.reason).startsWith("UPSTREAM_");
  // INTERNAL, the rest of UPSTREAM_, and what a newer server has.
  const code = isAborted ? Code.Aborted : (codes[error.reason] ?? Code.Internal);
  // Nobody repeats by himself what Claude Code has had.
  return forbidRetry(failureWith(code, error, result, reached));
}

/** A failing status with its reason and, if there is one, its result. */
export function failureWith(
  code: Code,
  error: TurnError,
  result?: TurnResult,
  { turnId = "", lastSequence = 0 }: Partial<Reached> = {},
): ConnectError {
  const metadata = {
    ...(error.httpStatus !== undefined && { httpStatus: String(error.httpStatus) }),
    ...(turnId !== "" && { turnId }),
    ...(lastSequence > 0 && { lastSequence: String(lastSequence) }),
  };
  const details = [
    { desc: ErrorInfoSchema, value: { domain: "claude-runner", reason: nameOf(error.reason), metadata } },
    ...(result === undefined ? [] : [{ desc: TurnResultSchema, value: withoutTexts(result) }]),
  ];
  return new ConnectError(error.message || "the turn failed", code, undefined, details);
}

/** One that is not known here is kept from being taken for a failure on the way. */
function nameOf(reason: ErrorReason): string {
  const name = Object.entries(ErrorReason).find(([, number]) => number === reason)?.[0];
  return name === undefined || name === "UNSPECIFIED" ? "INTERNAL" : name;
}

/** As statuses carry results. */
function withoutTexts(result: TurnResult): TurnResult {
  const { structuredOutput: _, ...rest } = result;
  return { ...rest, text: "", textTruncated: result.textSizeBytes > 0n, structuredOutputJson: "" };
}
