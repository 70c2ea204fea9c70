/**
 * Connects from Node, over gRPC. Needs the package `@connectrpc/connect-node`.
 */
import { readFileSync } from "node:fs";
import type { SecureClientSessionOptions } from "node:http2";
import type { Interceptor, Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { maxMessageBytes, withToken } from "./authorize.ts";
import { ClaudeRunnerClient } from "./client.ts";
import { WatchedSessionManager, watchResponse } from "./response-watch.ts";
import type { RetryPolicy } from "./retry.ts";

export * from "./index.ts";

export interface NodeOptions {
  /** The server's gRPC port, `host:port`. Default: `CLAUDE_RUNNER_ADDRESS` of the environment, else 127.0.0.1:7433. */
  readonly address?: string;
  /** The bearer token. Default: `CLAUDE_RUNNER_TOKEN` of the environment. Empty: none is sent. */
  readonly token?: string;
  /** Whether to speak TLS. Default false, and true with `caFile`. */
  readonly tls?: boolean;
  /** Trust the certificate authorities in this PEM file instead of the system's. */
  readonly caFile?: string;
  /** Around every call, the outermost first: for tracing, logging, headers. They do not see the token. */
  readonly interceptors?: readonly Interceptor[];
  /** Further options of Node's `http2.connect`, such as a client certificate. */
  readonly nodeOptions?: SecureClientSessionOptions;
}

export interface ConnectOptions extends NodeOptions {
  /** See ClientOptions.retry. */
  readonly retry?: RetryPolicy | false;
}

/** Pings while a turn is silent, so that a dead connection is noticed; servers allow this pace. */
const pingIntervalMs = 30_000;

/** A client of a server. The connection opens with the first call; close the client when you are done. */
export function connect(options: ConnectOptions = {}): ClaudeRunnerClient {
  const { transport, close } = grpcTransport(options);
  return new ClaudeRunnerClient(transport, {
    ...(options.retry !== undefined && { retry: options.retry }),
    onClose: close,
  });
}

/** The transport alone, for other services of the same server such as health. Throws when the CA file is unreadable. */
export function grpcTransport(options: NodeOptions = {}): {
  readonly transport: Transport;
  readonly close: () => void;
} {
  const { tls = options.caFile !== undefined, caFile, interceptors = [] } = options;
  const { CLAUDE_RUNNER_ADDRESS, CLAUDE_RUNNER_TOKEN } = process.env;
  const baseUrl = `${tls ? "https" : "http"}://${checked(options.address ?? (CLAUDE_RUNNER_ADDRESS || "127.0.0.1:7433"))}`;
  const nodeOptions = { ...options.nodeOptions, ...(caFile !== undefined && { ca: readFileSync(caFile) }) };
  const sessionManager = new WatchedSessionManager(baseUrl, { pingIntervalMs }, nodeOptions);
  const transport = createGrpcTransport({
    baseUrl,
    sessionManager,
    readMaxBytes: maxMessageBytes,
    interceptors: [...withToken(interceptors, options.token ?? CLAUDE_RUNNER_TOKEN ?? ""), watchResponse],
  });
  return { transport, close: () => sessionManager.abort() };
}

function checked(address: string): string {
  if (/^([\w.-]+|\[[\da-fA-F:.]+\]):\d{1,5}$/.test(address)) return address;
  throw new TypeError(`the address must be host:port, such as 127.0.0.1:7433, not ${JSON.stringify(address)}`);
}
