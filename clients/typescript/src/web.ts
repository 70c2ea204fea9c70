/**
 * Connects from a browser, over the Connect protocol. Needs the package `@connectrpc/connect-web`.
 */
import type { Interceptor, Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { withToken } from "./authorize.ts";
import { ClaudeRunnerClient } from "./client.ts";
import type { RetryPolicy } from "./retry.ts";

export * from "./index.ts";

export interface WebOptions {
  /**
   * The server's web port as a URL: `https://claude.example.com:7434`. From a page of another origin the server has to
   * allow that origin (`web.allowedOrigins`).
   */
  readonly baseUrl: string;
  /** The bearer token. Whoever can read the page's memory has it: give a browser a token of its own. */
  readonly token?: string;
  /** Around every call, the outermost first. They do not see the token. */
  readonly interceptors?: readonly Interceptor[];
  /** Used in place of the browser's own `fetch`. */
  readonly fetch?: typeof globalThis.fetch;
}

export interface ConnectOptions extends WebOptions {
  /** See ClientOptions.retry. */
  readonly retry?: RetryPolicy | false;
}

/** A client of a server; close it to cancel what is running. */
export function connect(options: ConnectOptions): ClaudeRunnerClient {
  return new ClaudeRunnerClient(connectTransport(options), {
    ...(options.retry !== undefined && { retry: options.retry }),
  });
}

/** The transport alone, for other services of the same server such as health. */
export function connectTransport({ baseUrl, token = "", interceptors = [], fetch }: WebOptions): Transport {
  return createConnectTransport({
    baseUrl,
    useBinaryFormat: true,
    interceptors: withToken(interceptors, token),
    ...(fetch !== undefined && { fetch }),
  });
}
