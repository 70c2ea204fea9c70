/**
 * The status that a turn's own call fails with, made from the turn's result: who reads a turn by AttachTurn gets status OK
 * behind it, and is to see the same failure as the one who began it.
 */
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorReason } from "./gen/claude/runner/v1/error_pb.ts";
import { Outcome, type TurnError, type TurnResult, TurnResultSchema } from "./gen/claude/runner/v1/result_pb.ts";
import { ErrorInfoSchema } from "./gen/google/rpc/error_details_pb.ts";

/** The codes of outcomes that end a call with a failing status; UPSTREAM_ERROR has one for each reason. */
const outcomeCodes: Readonly<Partial<Record<Outcome, Code>>> = {
  [Outcome.CANCELLED]: Code.Canceled,
  [Outcome.DEADLINE_EXCEEDED]: Code.DeadlineExceeded,
  [Outcome.WORKER_DIED]: Code.Aborted,
  [Outcome.DRAINED]: Code.Aborted,
  [Outcome.CLIENT_STALLED]: Code.Aborted,
  [Outcome.INTERNAL_ERROR]: Code.Internal,
  [Outcome.LOST]: Code.Aborted,
  [Outcome.INTERRUPTED]: Code.Aborted,
};

/** As error.proto has them, for a turn of which nothing was streamed. */
const upstreamCodes: Readonly<Partial<Record<ErrorReason, Code>>> = {
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

/** What the call that began the turn fails with; `undefined`: it ended under OK. `hasContent`: text or a tool use came. */
export function statusOf(
  result: TurnResult,
  { hasContent }: { readonly hasContent: boolean },
): ConnectError | undefined {
  const { outcome, error } = result;
  const reason = error?.reason ?? ErrorReason.UNSPECIFIED;
  const code =
    outcome === Outcome.UPSTREAM_ERROR
      ? hasContent
        ? Code.Aborted
        : (upstreamCodes[reason] ?? Code.Internal)
      : outcomeCodes[outcome];
  return code === undefined ? undefined : failureWith(code, error, result);
}

/** A failing status with its reason and, if there is one, its result. */
export function failureWith(code: Code, error: TurnError | undefined, result?: TurnResult): ConnectError {
  const reason = Object.entries(ErrorReason).find(([, number]) => number === error?.reason)?.[0];
  // One that is not known here is kept from being taken for a failure on the way.
  const info = {
    domain: "claude-runner",
    reason: reason === undefined || reason === "UNSPECIFIED" ? "INTERNAL" : reason,
  };
  return new ConnectError(error?.message || "the turn failed", code, undefined, [
    { desc: ErrorInfoSchema, value: info },
    ...(result === undefined
      ? []
      : [{ desc: TurnResultSchema, value: create(TurnResultSchema, { ...result, text: "" }) }]),
  ]);
}
