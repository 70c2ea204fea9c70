/**
 * What Node does not do for an HTTP/2 connection by itself: find out that its peer is gone, stop a flood of pings, and
 * end streams that one side has no more use for.
 */
import http2 from "node:http2";
import type { CancelTimer, Clock } from "../clock.ts";
import { statusLingerMs, unreadLingerMs } from "./limits.ts";

export interface SessionGuardOptions {
  /** A ping goes out this often, in milliseconds. */
  readonly keepaliveTimeMs: number;
  /** Without an answer for this long, in milliseconds, the connection ends. */
  readonly keepaliveTimeoutMs: number;
  readonly clock: Clock;
}

/**
 * Pings that a peer may send in ten seconds. With calls open there may be many: gRPC clients measure the bandwidth with
 * them, one in each round trip. Without any, keepalive is all that they are good for.
 */
const pingWindowMs = 10_000;
const maxPingsIdle = 100;
const maxPingsBusy = 50_000;

export function guardSession(session: http2.ServerHttp2Session, options: SessionGuardOptions): void {
  session.on("error", () => {}); // it closes by itself, and so do its calls
  keepAlive(session, options);
  limitPings(session, options.clock);
}

/**
 * Ends a stream whose request has its answer and is still being sent. Not at once: connect-node takes a reset while it
 * sends for a failure, and never looks at the answer.
 */
export function endUnread(stream: http2.ServerHttp2Stream): void {
  resetLater(stream, http2.constants.NGHTTP2_NO_ERROR, unreadLingerMs);
}

/** Ends a stream whose client does not read the end of its call. */
export function endStalled(stream: http2.ServerHttp2Stream): void {
  resetLater(stream, http2.constants.NGHTTP2_CANCEL, statusLingerMs);
}

function resetLater(stream: http2.ServerHttp2Stream, code: number, afterMs: number): void {
  if (stream.destroyed) return;
  const timer = setTimeout(() => stream.close(code), afterMs).unref();
  stream.once("close", () => clearTimeout(timer));
}

function keepAlive(session: http2.ServerHttp2Session, options: SessionGuardOptions): void {
  const { keepaliveTimeMs, keepaliveTimeoutMs, clock } = options;
  let cancel: CancelTimer;
  const wait = () => {
    cancel = clock.after(keepaliveTimeMs, ping);
  };
  const ping = () => {
    if (session.destroyed) return;
    cancel = clock.after(keepaliveTimeoutMs, () => session.destroy());
    const isSent = session.ping((error) => {
      cancel();
      if (error === null) wait();
    });
    // Too many pings without an answer.
    if (!isSent) session.destroy();
  };
  wait();
  session.once("close", () => cancel());
}

function limitPings(session: http2.ServerHttp2Session, clock: Clock): void {
  let openStreams = 0;
  let windowStartedMs = clock.now();
  let pings = 0;
  session.on("stream", (stream) => {
    openStreams += 1;
    stream.once("close", () => {
      openStreams -= 1;
    });
  });
  session.on("ping", () => {
    const nowMs = clock.now();
    if (nowMs - windowStartedMs > pingWindowMs) {
      windowStartedMs = nowMs;
      pings = 0;
    }
    pings += 1;
    if (pings > (openStreams > 0 ? maxPingsBusy : maxPingsIdle)) {
      session.destroy(undefined, http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
    }
  });
}
