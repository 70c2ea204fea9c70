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
  /**
   * How long a stream may bring nothing, not even a heartbeat, until its connection is taken for broken, in milliseconds.
   * Default 40 000: four heartbeats of a server with default settings. With rarer ones a quiet turn is attached to so often,
   * and loses nothing. 0: for ever.
   */
  readonly maxSilenceMs: number;
  /** The pause before the second try, in milliseconds. The first is made at once. Doubles each time. Default 200. */
  readonly firstPauseMs: number;
  /** The longest pause, in milliseconds. Default 10 000. */
  readonly longestPauseMs: number;
  /** Whether the turn is read on when the deadline of a call has passed. Default false: its caller wants no more of it. */
  readonly outlivesDeadline: boolean;
}

export const defaultRejoinPolicy: RejoinPolicy = {
  maxQuietMs: 60_000,
  maxSilenceMs: 40_000,
  firstPauseMs: 200,
  longestPauseMs: 10_000,
  outlivesDeadline: false,
};

export interface Break {
  readonly error: ConnectError;
  /** The call that broke: the one that sent the request, or one that attached to its turn. */
  readonly call: "send" | "attach";
  /** Whether an event of the turn has come. */
  readonly hasBegun: boolean;
  /** Whether there is a request: not for a turn that somebody else has begun. */
  readonly canSend: boolean;
}

/** Attach to the turn; send the request anew, which the server runs once at most; or fail with what it failed with. */
export type NextStep = "attach" | "send" | "fail";

/**
 * What connections that broke look like, and proxies that lost the server. In Connect's words a connection that was reset is
 * ABORTED, and an answer that was cut in the midst of a message is INVALID_ARGUMENT; a server has a reason for either.
 */
const isOfTheWay = new Set([
  Code.Unavailable,
  Code.Internal,
  Code.Unknown,
  Code.Canceled,
  Code.Aborted,
  Code.InvalidArgument,
]);

/** The call ended, and the turn did not; or the server takes no call at the moment. */
const concernsTheCall = new Set(["READER_BEHIND", "CLIENT_STALLED", "POOL_DRAINING", "STORE_UNAVAILABLE"]);

/** The same call would be refused in the same way. */
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

export function nextStep({ error, call, hasBegun, canSend }: Break, { outlivesDeadline }: RejoinPolicy): NextStep {
  const reason = reasonOf(error);
  if (call === "attach" && reason === "TURN_NOT_FOUND") return canSend && !hasBegun ? "send" : "fail";
  if (error.code === Code.DeadlineExceeded) return outlivesDeadline ? "attach" : "fail";
  if (reason === "") return isOfTheWay.has(error.code) ? "attach" : "fail";
  if (isRefusal.has(error.code)) return "fail";
  // The turn has all its readers: one of them may go.
  if (call === "attach" && reason === "QUOTA_EXCEEDED") return "attach";
  // A refused turn has no events: what a server answers about one that has begun concerns the call.
  return concernsTheCall.has(reason) || hasBegun ? "attach" : "fail";
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
