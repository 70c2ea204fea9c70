/**
 * A failed call in words for the person at the terminal, with what to do about it, and its exit code.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
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
    hint: onTheWay || (isUnreachable ? unreachableHint(failed) : hintFor(failed.code, target, retryAfterMs)),
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

function hintFor(code: Code, { hasToken }: CallTarget, retryAfterMs: number | undefined): string {
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

function exitCodeOf(code: Code, reason: string | undefined): ExitCode {
  switch (code) {
    case Code.Unauthenticated:
    case Code.PermissionDenied:
      return exitCodes.denied;
    case Code.InvalidArgument:
    case Code.FailedPrecondition:
    case Code.NotFound:
      // The same codes also say that the model API did not like what Claude Code sent.
      return reason?.startsWith("UPSTREAM_") ? exitCodes.failed : exitCodes.usage;
    case Code.Unavailable:
    case Code.ResourceExhausted:
      return exitCodes.unavailable;
    default:
      return exitCodes.failed;
  }
}
