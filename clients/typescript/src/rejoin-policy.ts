/**
 * What to do when the stream of a turn breaks that goes on without its caller. Decides only; `rejoin.ts` does it.
 *
 * A turn that ended has a result, so a stream that fails without one has lost its turn, unless the server refused the turn.
 */
import { Code, type ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "./gen/google/rpc/error_details_pb.ts";

export interface RejoinPolicy {
  /** How long a turn may be without anything new of its stream until the stream is given up, in milliseconds. Default 60 000. */
  readonly maxQuietMs: number;
  /** The pause before the second try, in milliseconds. The first is made at once. Doubles each time. Default 250. */
  readonly firstPauseMs: number;
  /** The longest pause, in milliseconds. Default 5 000. */
  readonly longestPauseMs: number;
}

export const defaultRejoinPolicy: RejoinPolicy = { maxQuietMs: 60_000, firstPauseMs: 250, longestPauseMs: 5_000 };

export interface Break {
  readonly error: ConnectError;
  /** The call that broke: the one that sent the request, or one that attached to its turn. */
  readonly call: "send" | "attach";
  /** Whether an event of the turn has come. */
  readonly hasBegun: boolean;
}

/** Attach to the turn; send the request anew, which the server runs once at most; or fail with what it failed with. */
export type NextStep = "attach" | "send" | "fail";

/** The call ended, and the turn did not. */
const endsTheCall = new Set(["READER_BEHIND", "CLIENT_STALLED", "DEADLINE_EXCEEDED"]);

/** Without a reason, by whatever stands in between: the same call would fail in the same way. */
const isRefusal = new Set([
  Code.Unauthenticated,
  Code.PermissionDenied,
  Code.Unimplemented,
  Code.InvalidArgument,
  Code.NotFound,
  Code.FailedPrecondition,
  Code.OutOfRange,
  Code.DataLoss,
]);

export function nextStep({ error, call, hasBegun }: Break): NextStep {
  const reason = reasonOf(error);
  if (call === "attach" && reason === "TURN_NOT_FOUND") return hasBegun ? "fail" : "send";
  if (isRefusal.has(error.code)) return "fail";
  // A refused turn has no events: what a server answers about one that has begun concerns the call.
  if (reason === "" || endsTheCall.has(reason) || hasBegun) return "attach";
  return "fail";
}

/** The pause before a try, the first being 0; `random` gives 0 to 1. */
export function pauseMs(
  { firstPauseMs, longestPauseMs }: RejoinPolicy,
  tryCount: number,
  random: () => number,
): number {
  if (tryCount === 0) return 0;
  const ms = Math.min(firstPauseMs * 2 ** Math.min(tryCount - 1, 20), longestPauseMs);
  return Math.round(ms * (0.75 + random() / 2));
}

/** The server's reason. Empty: none, so it has probably not answered. */
export function reasonOf(error: ConnectError): string {
  return error.findDetails(ErrorInfoSchema).find(({ domain }) => domain === "claude-runner")?.reason ?? "";
}
