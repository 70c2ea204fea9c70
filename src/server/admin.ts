/**
 * The admin port: metrics, liveness and readiness, without authentication, for this machine and for addresses that the
 * settings name.
 *
 * It opens before the other ports and closes after them, so that a drain can be watched. Nothing here changes anything.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Settings } from "../config/settings.ts";
import { AddressRanges } from "../policy/addresses.ts";
import { isAllowedHost } from "../policy/hosts.ts";
import { brokenHeader } from "./calls/header-rules.ts";
import { type Address, acceptNoMore, type HandedSocket, listen } from "./connections/listener.ts";
import { handshakeTimeoutMs, maxAdminConnections, maxHeaderBytes } from "./limits.ts";

/** This machine may always read it. */
const loopback = ["127.0.0.1", "::1"];

export interface AdminOptions {
  readonly settings: Settings["admin"];
  /** Answers GET /metrics; absent: 404. */
  readonly metrics?: (request: IncomingMessage, response: ServerResponse) => void;
  /** Whether turns can be served: what health says. */
  readonly isReady: () => boolean;
  /** What is wrong although turns can be served, in a sentence: a line more of /readyz. */
  readonly problem?: () => string | undefined;
  /** A socket that listens already. Absent: the port is opened. */
  readonly socket?: HandedSocket | undefined;
}

export interface RunningAdmin {
  readonly address: Address;
  readonly server: Server;
  /** Accepts no more connections; those that are there end as they are used, or when they have been idle. */
  retire(): void;
  stop(): Promise<void>;
}

/** Opens the admin port, or throws a ServerStartError. */
export async function startAdmin({ settings, metrics, isReady, problem, socket }: AdminOptions): Promise<RunningAdmin> {
  const allowed = new AddressRanges([...loopback, ...settings.allowedAddresses]);
  const isHere = new AddressRanges(loopback);
  const server = createServer(
    { maxHeaderSize: maxHeaderBytes, headersTimeout: handshakeTimeoutMs, requestTimeout: handshakeTimeoutMs },
    (request, response) => {
      if (brokenHeader(request.rawHeaders) !== undefined) return answer(response, 400, "a header was sent twice");
      const { remoteAddress = "", localAddress } = request.socket;
      // A name that was pointed at this machine is how a web page would get here; other machines may call it by any name.
      const isNamedWell =
        !isHere.has(remoteAddress) || isAllowedHost(request.headers.host, { allowedHosts: [], localAddress });
      if (!isNamedWell || request.headers.origin !== undefined) return answer(response, 403, "not for web pages");
      if (request.method !== "GET" && request.method !== "HEAD") return answer(response, 405, "GET only");
      switch ((request.url ?? "").split("?", 1)[0]) {
        case "/metrics":
          return metrics === undefined ? answer(response, 404, "metrics are off") : metrics(request, response);
        case "/healthz":
          return answer(response, 200, "ok");
        case "/readyz":
          return answer(response, isReady() ? 200 : 503, readiness(isReady(), problem?.()));
        default:
          return answer(response, 404, "/metrics, /healthz, /readyz");
      }
    },
  );
  server.maxConnections = maxAdminConnections;
  server.on("connection", (socket) => {
    if (!allowed.has(socket.remoteAddress ?? "")) socket.destroy();
  });
  const address = await listen(server, { ...settings, settingsName: "admin", handed: socket });
  let stopped: Promise<void> | undefined;
  return {
    address,
    server,
    retire: () => acceptNoMore(server),
    stop() {
      stopped ??= new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      return stopped;
    },
  };
}

/** The first word is for programs, the rest for people. */
function readiness(isReady: boolean, problem: string | undefined): string {
  const state = isReady ? "ready" : "not ready";
  return problem === undefined ? state : `${state}\nwarning: ${problem}`;
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" });
  response.end(`${text}\n`);
}
