/**
 * A failed call in words for the person at the terminal, with what to do about it, and its exit code.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  type ErrorInfo,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../../gen/google/rpc/error_details_pb.ts";
import { milliseconds } from "../service/protobuf.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import type { Terminal } from "./terminal.ts";

export interface CallFailure {
  /** The name of the status, such as `unavailable`. */
  readonly code: string;
  /** The reason of `ErrorInfo`, such as `QUEUE_FULL`; `undefined` when the server gave none. */
  readonly reason: string | undefined;
  readonly message: string;
  /** Every field that is wrong. */
  readonly violations: readonly string[];
  /** What to do. Empty: nothing in particular. */
  readonly hint: string;
  readonly exitCode: ExitCode;
}

export interface CallTarget {
  readonly url: string;
  readonly isTls: boolean;
  readonly hasToken: boolean;
}

export function callFailure(error: unknown, target: CallTarget): CallFailure {
  const failed = ConnectError.from(error);
  const info = failed.findDetails(ErrorInfoSchema)[0];
  const violations = failed
    .findDetails(BadRequestSchema)
    .flatMap(({ fieldViolations }) => fieldViolations.map(({ field, description }) => `${field}: ${description}`));
  const retryDelay = failed.findDetails(RetryInfoSchema)[0]?.retryDelay;
  const retryAfterMs = retryDelay === undefined ? undefined : milliseconds(retryDelay);
  // The server always says why; a failure without a reason happened on the way to it.
  const onTheWay = info === undefined ? schemeHint(failed, target) : "";
  const isUnreachable = info === undefined && (failed.code === Code.Unavailable || onTheWay !== "");
  return {
    code: (Code[failed.code] ?? "unknown").replace(/(?!^)[A-Z]/g, "_$&").toLowerCase(),
    reason: info?.reason,
    message: messageOf(failed, { isUnreachable, hasViolations: violations.length > 0, url: target.url }),
    violations,
    hint: onTheWay || (isUnreachable ? unreachableHint(failed) : hintFor(failed.code, info, target, retryAfterMs)),
    exitCode: onTheWay === "" ? exitCodeOf(failed.code, info?.reason) : exitCodes.unavailable,
  };
}

/** Writes what went wrong and what to do about it. */
export function tellFailure(
  failure: CallFailure,
  { stderr, err, asTyped }: Pick<Terminal, "stderr" | "err" | "asTyped">,
): void {
  const why = failure.reason === undefined ? "" : err.dim(` (${failure.reason})`);
  stderr.write(`${err.red("error:")} ${failure.message}${why}\n`);
  for (const violation of failure.violations) stderr.write(`  ${violation}\n`);
  if (failure.hint !== "") stderr.write(`${err.dim(asTyped(failure.hint))}\n`);
}

function messageOf(
  error: ConnectError,
  { isUnreachable, hasViolations, url }: { isUnreachable: boolean; hasViolations: boolean; url: string },
): string {
  if (isUnreachable) return `no server answers at ${url}`;
  // The message of the status repeats the violations, for clients that read nothing else.
  return hasViolations ? "the request is not valid" : error.rawMessage;
}

/** A port that speaks TLS ends a plain connection without a word, and a plain one answers what TLS cannot read. */
function schemeHint({ rawMessage }: ConnectError, { url, isTls }: CallTarget): string {
  const cause = ` (${rawMessage})`;
  if (isTls) {
    const isPlain = /wrong version number|packet length too long|EPROTO/i.test(rawMessage);
    return isPlain ? `the port does not seem to use TLS: try --url http://${url}${cause}` : "";
  }
  const isCut = /stream closed with error code|ECONNRESET|socket hang up|protocol error|closed before/i.test(
    rawMessage,
  );
  return isCut ? `if the port uses TLS, name it as --url https://${url}${cause}` : "";
}

function unreachableHint(error: ConnectError): string {
  const cause = error.rawMessage === "" ? "" : ` (${error.rawMessage})`;
  return `start one with \`claude-runner serve\`, or name another one with --url${cause}`;
}

function hintFor(
  code: Code,
  info: ErrorInfo | undefined,
  { hasToken }: CallTarget,
  retryAfterMs: number | undefined,
): string {
  const hint = info && keptHints[info.reason]?.(info.metadata);
  if (hint !== undefined) return hint;
  if (code === Code.Unauthenticated) {
    const how = "--token-file, CLAUDE_RUNNER_TOKEN or --token";
    return hasToken
      ? `the server does not accept the token that was sent; name another one with ${how}`
      : `no token was found; name one with ${how}`;
  }
  if (code === Code.Unimplemented) return "the server is older than this program: update it";
  if (retryAfterMs === undefined) return "";
  return `try again in ${retryAfterMs < 1000 ? "a second" : `${Math.ceil(retryAfterMs / 1000)} seconds`}`;
}

/** What to do about sessions and turns that are not as the command wants them. */
const keptHints: Readonly<Record<string, (facts: Readonly<Record<string, string>>) => string>> = {
  SESSION_NOT_FOUND: () =>
    "`claude-runner sessions list` lists those that are there; `claude-runner chat --session NAME` makes a new one",
  SESSION_EXISTS: () => "name another id",
  SESSION_BUSY: ({ runningTurnId = "TURN" }) =>
    `read its turn with \`claude-runner turns attach ${runningTurnId}\`, or stop it with \`claude-runner turns stop ${runningTurnId}\``,
  SESSION_MISMATCH: () => "leave out what the message names, or name another session",
  SESSION_SUSPENDED: () => "what was said can be read with `claude-runner sessions show`; the next turn tries again",
  CONTEXT_FULL: () =>
    "go on from an earlier turn with `claude-runner sessions fork --until TURN`, or begin another session",
  TURN_NOT_FOUND: () => "`claude-runner turns list` lists those that the server knows",
  TURN_NOT_IN_CONVERSATION: () => "`claude-runner sessions show` marks the turns that are not part of the conversation",
  INVALID_CURSOR: () => "leave out --after to read the turn from its beginning",
  CONTENT_NOT_KEPT: () => "name another profile, or leave out --session: this one keeps nothing that is said",
  PROFILE_NOT_FOUND: () => "what was said can be read with `claude-runner sessions show`",
};

function exitCodeOf(code: Code, reason: string | undefined): ExitCode {
  switch (code) {
    case Code.Unauthenticated:
    case Code.PermissionDenied:
      return exitCodes.denied;
    case Code.InvalidArgument:
    case Code.FailedPrecondition:
    case Code.NotFound:
    case Code.AlreadyExists:
    case Code.OutOfRange:
      // The same codes also say that the model API did not like what Claude Code sent.
      return reason?.startsWith("UPSTREAM_") ? exitCodes.failed : exitCodes.usage;
    case Code.Unavailable:
    case Code.ResourceExhausted:
      return exitCodes.unavailable;
    default:
      return exitCodes.failed;
  }
}
