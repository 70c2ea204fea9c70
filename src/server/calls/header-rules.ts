/**
 * What both ports ask of a request's headers before anything else looks at them: how many there may be, that none of
 * those that can have one value only has two, and that a timeout follows its grammar.
 *
 * Node and the RPC libraries take the first of two values in silence. A proxy in front that takes the last would let in
 * what this server then understands otherwise, so that two are refused, even equal ones. Headers that are lists
 * (`x-forwarded-for`, `grpc-accept-encoding`, …) may come in several lines, as HTTP says.
 */
import { RunnerError } from "../../runner-error.ts";
import { maxHeaderBytes, maxHeaderLines } from "../limits.ts";

/** Those that decide who calls, what is meant and how it is read. */
const singleHeaders: ReadonlySet<string> = new Set([
  ":authority",
  "authorization",
  "connect-content-encoding",
  "connect-protocol-version",
  "connect-timeout-ms",
  "content-length",
  "content-type",
  "grpc-encoding",
  "grpc-timeout",
  "host",
  "last-event-id",
  "origin",
]);

/** Names and values in turn, as they came: `request.rawHeaders`, or what Node's `stream` event has. */
export type RawHeaders = readonly string[];

/** Why the headers take too much, if they do: 431 in HTTP. */
export function oversizedHeaders(raw: RawHeaders): RunnerError | undefined {
  const lines = raw.length / 2;
  if (lines > maxHeaderLines) {
    return new RunnerError("REQUEST_TOO_LARGE", `the request has ${lines} header lines, limit ${maxHeaderLines}`, {
      facts: { headerLines: lines, limit: maxHeaderLines },
    });
  }
  // Over HTTP/1.1 Node counts; over HTTP/2 its limit is a request to the peer only.
  if (raw.reduce((bytes, text) => bytes + text.length, 0) > maxHeaderBytes) {
    return new RunnerError("REQUEST_TOO_LARGE", `the headers are larger than ${maxHeaderBytes} bytes`, {
      facts: { limitBytes: maxHeaderBytes },
    });
  }
  return undefined;
}

/** What is wrong with the headers, if anything: 400 in HTTP. */
export function brokenHeader(raw: RawHeaders): RunnerError | undefined {
  const seen = new Map<string, string>();
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = (raw[at] ?? "").toLowerCase();
    if (!singleHeaders.has(name)) continue;
    if (seen.has(name)) return refused(name, `the header ${name} was sent twice; send it once`);
    seen.set(name, raw[at + 1] ?? "");
  }
  for (const name of ["host", "content-type"]) {
    // Neither has a comma but within quotes, so that this is two lines that a proxy has made one.
    if (
      seen
        .get(name)
        ?.replace(/"[^"]*"/g, "")
        .includes(",")
    ) {
      return refused(name, `the header ${name} has two values; send one`);
    }
  }
  const [authority, host] = [seen.get(":authority"), seen.get("host")];
  if (authority !== undefined && host !== undefined && authority.toLowerCase() !== host.toLowerCase()) {
    return refused("host", "the headers :authority and host differ; send one of them, or the same in both");
  }
  const timeout = seen.get("grpc-timeout");
  return timeout === undefined ? undefined : brokenTimeout(timeout);
}

function brokenTimeout(timeout: string): RunnerError | undefined {
  const timeoutMs = grpcTimeoutMs(timeout);
  if (timeoutMs === undefined) {
    const words = "the header grpc-timeout must be 1 to 8 digits and one unit of H, M, S, m, u and n, such as 30S";
    return refused("grpc-timeout", words);
  }
  if (timeoutMs > 0) return undefined;
  const words = "the call's deadline had passed when it arrived: its grpc-timeout is 0";
  return new RunnerError("DEADLINE_EXCEEDED", words, { facts: { timeoutMs } });
}

function refused(header: string, words: string): RunnerError {
  return new RunnerError("INVALID_REQUEST", words, { facts: { header } });
}

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** A `grpc-timeout` in milliseconds; `undefined` if it is none. */
export function grpcTimeoutMs(timeout: string): number | undefined {
  const match = /^(\d{1,8})([HMSmun])$/.exec(timeout);
  return match === null ? undefined : Number(match[1]) * (unitMs[match[2] ?? ""] ?? 0);
}

/** The longest time that Node's timers take, about 24 days: they take a longer one for one millisecond. */
export const longestTimerMs = 2_147_483_647;

/** The same timeout, or the longest that a timer takes. */
export function clampedGrpcTimeout(timeout: string): string {
  return (grpcTimeoutMs(timeout) ?? 0) > longestTimerMs ? `${Math.floor(longestTimerMs / 1_000)}S` : timeout;
}
