/**
 * HTTP/1.1 and HTTP/2 on one port: plain ones are told apart by their first bytes, TLS ones by ALPN.
 *
 * An http (or https) server owns the sockets, since only a listening one enforces its header and request timeouts; the
 * HTTP/2 server beside it never listens. Leaves out what is answered: that is `web-handler.ts`.
 */
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import type { Socket } from "node:net";
import type { SecureContextOptions, TLSSocket } from "node:tls";
import type { Clock } from "../../clock.ts";
import type { TlsSettings } from "../../config/settings.ts";
import type { WebHandler, WebRequest, WebResponse } from "../calls/http-exchange.ts";
import type { Connections } from "../connections/connections.ts";
import { guardSession, sessionLimits } from "../connections/h2-session.ts";
import { acceptNoMore, makeTls, takeListeners, tlsOptions } from "../connections/listener.ts";
import { handshakeTimeoutMs, maxHeaderBytes } from "../limits.ts";

export interface WebListenerOptions {
  readonly tls: { readonly settings: TlsSettings; readonly context: SecureContextOptions } | undefined;
  readonly maxConcurrentStreams: number;
  readonly keepaliveTimeMs: number;
  readonly keepaliveTimeoutMs: number;
  /** `calls.requestTimeoutMs`: how long a request may take to arrive. */
  readonly requestTimeoutMs: number;
  readonly connections: Connections;
  readonly clock: Clock;
  /** For tests; see `limits.ts` for what holds otherwise. */
  readonly times?: { readonly headersTimeoutMs: number; readonly checkIntervalMs: number };
}

export interface WebListener {
  readonly server: http.Server;
  readonly renew: ((context: SecureContextOptions) => void) | undefined;
  /**
   * Accepts no more connections, and answers every call that comes on those that are there. HTTP/1.1: each ends behind
   * the next answer whose headers can say so, or after as long an idle time as it was promised. An answer whose headers
   * have left has promised the same: a client may send its next request before it sees that the connection has ended.
   */
  retire(): void;
  /** Accepts nothing more: HTTP/2 clients are told so, idle connections end. */
  close(): void;
  /** Ends the connections that have nothing to do. */
  closeIdle(): void;
  /** Resolves when every connection is gone; after `close`. */
  readonly closed: Promise<void>;
  /** Ends every connection now. */
  destroy(): void;
}

/** How often Node looks for requests that are too slow. */
const connectionsCheckingIntervalMs = 5_000;
/** Above the 60 s for which proxies keep a connection that they may use again: else one ends just as it is used. */
const keepAliveTimeoutMs = 75_000;
const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export function webListener(handle: WebHandler, options: WebListenerOptions): WebListener {
  const { headersTimeoutMs, checkIntervalMs } = options.times ?? {
    headersTimeoutMs: handshakeTimeoutMs,
    checkIntervalMs: connectionsCheckingIntervalMs,
  };
  const http1Options: http.ServerOptions = {
    noDelay: true,
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: Math.min(headersTimeoutMs, options.requestTimeoutMs),
    requestTimeout: options.requestTimeoutMs,
    connectionsCheckingInterval: checkIntervalMs,
    keepAliveTimeout: keepAliveTimeoutMs,
  };
  const http2Options = {
    settings: { maxConcurrentStreams: options.maxConcurrentStreams, maxHeaderListSize: maxHeaderBytes },
    ...sessionLimits,
    maxSessionMemory: 10,
  };
  const h2 = http2.createServer(http2Options, (request, response) =>
    handle(request as unknown as WebRequest, response as unknown as WebResponse),
  );
  const sessions = new Set<http2.ServerHttp2Session>();
  h2.on("session", (session) => {
    sessions.add(session);
    options.connections.speaksHttp2(session);
    session.once("close", () => sessions.delete(session));
    guardSession(session, options);
  });
  h2.on("sessionError", () => {});

  const { server, renew } = front(http1Options, handle, options, (socket) => h2.emit("connection", socket));
  options.connections.guard(server);
  const closed = Promise.withResolvers<void>();
  server.once("close", () => closed.resolve());
  /** Those under way. */
  const answers = new Set<http.ServerResponse>();
  let isRetired = false;
  server.prependListener("request", (_, response) => {
    answers.add(response);
    response.once("close", () => answers.delete(response));
    if (isRetired) endBehind(response);
  });
  return {
    server,
    renew,
    closed: closed.promise,
    retire() {
      isRetired = true;
      acceptNoMore(server);
      for (const response of answers) endBehind(response);
    },
    close() {
      server.close();
      for (const session of sessions) session.close();
      server.closeIdleConnections();
    },
    closeIdle: () => server.closeIdleConnections(),
    destroy() {
      for (const session of sessions) session.destroy();
      server.closeAllConnections();
      closed.resolve();
    },
  };
}

/** The connection ends behind this answer if its headers can still say so. */
function endBehind(response: http.ServerResponse): void {
  if (!response.headersSent) response.setHeader("connection", "close");
}

type Listener = (socket: Socket) => void;

/** The server that owns the sockets, speaks HTTP/1.1, and gives HTTP/2 connections away. */
function front(
  options: http.ServerOptions,
  handle: WebHandler,
  { tls, clock }: WebListenerOptions,
  toHttp2: Listener,
): { server: http.Server; renew: WebListener["renew"] } {
  if (tls === undefined) {
    const server = http.createServer(options, handle);
    const toHttp1 = takeListeners(server, "connection");
    server.on("connection", (socket: Socket) => sniff(socket, clock, toHttp1, toHttp2));
    return { server, renew: undefined };
  }
  const server = makeTls("web", () =>
    https.createServer({ ...options, ...tlsOptions(tls.settings, tls.context, ["h2", "http/1.1"]) }, handle),
  );
  const toHttp1 = takeListeners(server, "secureConnection");
  server.on("secureConnection", (socket: TLSSocket) => {
    socket.allowHalfOpen = socket.alpnProtocol !== "h2";
    (socket.alpnProtocol === "h2" ? toHttp2 : toHttp1)(socket);
  });
  return { server, renew: (context) => server.setSecureContext(context) };
}

/** Looks at the first bytes of a connection: an HTTP/2 client says its preface first. */
function sniff(socket: Socket, clock: Clock, toHttp1: Listener, toHttp2: Listener): void {
  let head = Buffer.alloc(0);
  const drop = () => socket.destroy();
  const cancelTimer = clock.after(handshakeTimeoutMs, drop);
  const settle = () => {
    cancelTimer();
    socket.off("readable", look).off("error", drop).off("end", drop).off("close", settle);
  };
  const look = () => {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    head = Buffer.concat([head, chunk]);
    const seen = Math.min(head.length, preface.length);
    const isHttp2 = head.compare(preface, 0, seen, 0, seen) === 0;
    if (isHttp2 && seen < preface.length) return; // not sure yet
    settle();
    socket.unshift(head);
    // http servers allow half-open sockets; an HTTP/2 peer that sent FIN is gone, and its turn has to end.
    socket.allowHalfOpen = !isHttp2;
    (isHttp2 ? toHttp2 : toHttp1)(socket);
  };
  socket.on("readable", look).on("error", drop).on("end", drop).on("close", settle);
}
