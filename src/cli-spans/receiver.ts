/**
 * The loopback port that the workers' processes send their spans to: OTLP over HTTP, as JSON, and nothing else.
 *
 * Each worker has a path that nobody can guess and that ends with it. Bodies are bounded in size and number. Leaves out what
 * they say.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Why something that was sent is not taken; on the counter of failures. */
/** What it was sent and did not take: a closed list, the values are labels. */
export const refusals = ["unknown_path", "wrong_kind", "too_large", "too_many", "not_otlp"] as const;
export type Refusal = (typeof refusals)[number];

export interface ReceiverOptions {
  readonly refused: (why: Refusal) => void;
  /** Default 0: any free one. */
  readonly port?: number;
}

export interface SpanReceiver {
  /** A path for one worker. `take` gets each body, and says whether it is OTLP. */
  open(take: (body: string) => boolean): ReceiverPath;
  /** Closes the port and breaks off what is under way. Twice is fine. */
  stop(): Promise<void>;
}

export interface ReceiverPath {
  /** As OTEL_EXPORTER_OTLP_ENDPOINT takes it. */
  readonly endpoint: string;
  close(): void;
}

/** The most that a process sends at once are 512 spans of some 2 KB. */
const maxBodyBytes = 2 * 1024 * 1024;
/** Bodies of one worker at once; its process sends one behind the other. */
const maxOpenBodies = 4;
/** Connections at once. A process holds one. */
const maxConnections = 4_096;
const requestTimeoutMs = 10_000;
/** A process that is idle for longer connects anew. */
const keepAliveTimeoutMs = 600_000;

interface OpenPath {
  readonly take: (body: string) => boolean;
  openBodyCount: number;
}

/** Rejects with the system's error when it cannot listen. */
export async function startReceiver({ refused, port = 0 }: ReceiverOptions): Promise<SpanReceiver> {
  const paths = new Map<string, OpenPath>();
  const server = createServer({
    maxHeaderSize: 8 * 1024,
    requestTimeout: requestTimeoutMs,
    headersTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
  });
  server.maxConnections = maxConnections;

  const refuse = (why: Refusal, status: number, request: IncomingMessage, response: ServerResponse): void => {
    refused(why);
    response.writeHead(status, { connection: "close" }).end(() => request.destroy());
  };

  server.on("request", (request, response) => {
    // A sender that breaks off is not heard of otherwise.
    request.on("error", () => undefined);
    const path = paths.get(request.url ?? "");
    if (path === undefined) return refuse("unknown_path", 404, request, response);
    const { "content-type": type = "", "content-encoding": encoding = "identity" } = request.headers;
    if (request.method !== "POST" || !type.startsWith("application/json") || encoding !== "identity") {
      return refuse("wrong_kind", 415, request, response);
    }
    // The exporter does not repeat what was answered with this: what is lost is counted, not piled up.
    if (path.openBodyCount >= maxOpenBodies) return refuse("too_many", 400, request, response);
    path.openBodyCount += 1;
    response.once("close", () => {
      path.openBodyCount -= 1;
    });
    readBody(request, (body) => {
      if (body === undefined) return refuse("too_large", 413, request, response);
      if (!path.take(body)) return refuse("not_otlp", 400, request, response);
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
    });
  });

  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  // What goes wrong with a connection is told on the connection; the port itself stays.
  server.on("error", () => undefined);
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    open(take) {
      const secret = `/${randomBytes(16).toString("hex")}`;
      const path = `${secret}/v1/traces`;
      paths.set(path, { take, openBodyCount: 0 });
      return { endpoint: `${base}${secret}`, close: () => paths.delete(path) };
    },
    async stop() {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Calls back with the whole body, or with nothing as soon as it is too long; not at all when the sender breaks off. */
function readBody(request: IncomingMessage, done: (body: string | undefined) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  request.on("data", (chunk: Buffer) => {
    if (bytes > maxBodyBytes) return;
    bytes += chunk.length;
    if (bytes <= maxBodyBytes) chunks.push(chunk);
    else done(undefined);
  });
  request.on("end", () => {
    if (bytes <= maxBodyBytes) done(Buffer.concat(chunks).toString("utf8"));
  });
}
