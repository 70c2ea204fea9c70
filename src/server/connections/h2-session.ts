/**
 * What Node does not do for an HTTP/2 connection by itself: find out that its peer is gone, stop a flood of pings or of
 * cancelled streams, and end streams that one side has no more use for.
 */
import http2 from "node:http2";
import type { CancelTimer, Clock } from "../../clock.ts";
import { maxHeaderLines, statusLingerMs, unreadLingerMs } from "../limits.ts";

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

/** How long a peer that floods may take to read why its connection ends, in milliseconds. */
const goodbyeMs = 200;

/**
 * Streams that a connection may reset: so many at once, and so many in each second after that. A proxy carries the calls
 * of many people on one connection, and whoever exceeds this ends all of them; so it is far above what people cancel,
 * and far below what makes resetting an attack. `docs/operations.md` says so.
 */
export const resetBurst = 2_000;
export const resetsPerSecond = 200;

/**
 * Node's own limits on an HTTP/2 connection, on both ports. Its limit on resets closes with INTERNAL_ERROR, so that it
 * stands behind ours; its limit on header lines says nothing at all, so that it stands behind `header-rules.ts`.
 */
export const sessionLimits = {
  maxHeaderListPairs: 8 * maxHeaderLines,
  maxSessionInvalidFrames: 100,
  maxSessionRejectedStreams: 100,
  maxSettings: 32,
  maxOutstandingPings: 10,
  streamResetBurst: 2 * resetBurst,
  streamResetRate: 2 * resetsPerSecond,
} as const;

export function guardSession(session: http2.ServerHttp2Session, options: SessionGuardOptions): void {
  session.on("error", () => {}); // it closes by itself, and so do its calls
  keepAlive(session, options);
  limitFloods(session, options.clock);
}

/** Ends a connection whose peer pings or resets streams without end. */
export function limitFloods(session: http2.ServerHttp2Session, clock: Clock): void {
  limitPings(session, clock);
  limitResets(session, clock);
}

/**
 * Ends a stream whose request has its answer and is still being sent. Not at once: connect-node takes a reset while it
 * sends for a failure, and never looks at the answer.
 */
export function endUnread(stream: http2.ServerHttp2Stream, clock: Clock): void {
  resetLater(stream, http2.constants.NGHTTP2_NO_ERROR, unreadLingerMs, clock);
}

/** Ends a stream whose client does not read the end of its call. */
export function endStalled(stream: http2.ServerHttp2Stream, clock: Clock): void {
  resetLater(stream, http2.constants.NGHTTP2_CANCEL, statusLingerMs, clock);
}

function resetLater(stream: http2.ServerHttp2Stream, code: number, afterMs: number, clock: Clock): void {
  if (stream.destroyed) return;
  stream.once(
    "close",
    clock.after(afterMs, () => stream.close(code)),
  );
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
      calmDown(session, clock);
    }
  });
}

function limitResets(session: http2.ServerHttp2Session, clock: Clock): void {
  let left = resetBurst;
  let countedAtMs = clock.now();
  const count = () => {
    const nowMs = clock.now();
    left = Math.min(resetBurst, left + ((nowMs - countedAtMs) / 1_000) * resetsPerSecond) - 1;
    countedAtMs = nowMs;
    if (left < 0) calmDown(session, clock);
  };
  session.on("stream", (stream) => {
    // Whichever side resets it: a peer can make this one do so. NO_ERROR is how an answered request ends.
    stream.once("close", () => {
      if (stream.rstCode !== http2.constants.NGHTTP2_NO_ERROR) count();
    });
  });
}

/**
 * Says ENHANCE_YOUR_CALM, and ends the connection a moment later: what has arrived unread would turn an end at once into a
 * reset, and the peer would never learn why. New streams are ignored from the GOAWAY on.
 */
function calmDown(session: http2.ServerHttp2Session, clock: Clock): void {
  if (session.destroyed || calmed.has(session)) return;
  calmed.add(session);
  session.goaway(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
  clock.after(goodbyeMs, () => session.destroy());
}

const calmed = new WeakSet<http2.ServerHttp2Session>();
