/**
 * The connection of the commands that call a running server: which one, and with which token.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Interceptor, Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { stateFolder } from "../config/folders.ts";
import { isLoopback } from "../policy/hosts.ts";
import { readTokenFile, TokenFileError } from "../server/token-file.ts";
import { UsageError } from "./command.ts";

export interface ConnectionOptions {
  /** `host:port`, or a URL whose scheme says whether there is TLS. */
  readonly url?: string | undefined;
  readonly token?: string | undefined;
  readonly tokenFile?: string | undefined;
  /** Trusted beside the system's authorities, a PEM file. */
  readonly caFile?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
}

export interface Connection {
  /** For clients of any service. */
  readonly transport: Transport;
  /** The server as a person would type it. */
  readonly url: string;
  readonly hasToken: boolean;
}

export const defaultUrl = "127.0.0.1:7433";

export async function connect(options: ConnectionOptions): Promise<Connection> {
  const url = serverUrl(options.url ?? (options.env.CLAUDE_RUNNER_URL || defaultUrl));
  const token = await findToken(options, url);
  const authorize: Interceptor = (next) => (request) => {
    if (token !== undefined) request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
  const transport = createGrpcTransport({
    baseUrl: url.origin,
    interceptors: [authorize],
    ...(options.caFile !== undefined && { nodeOptions: { ca: readOption("--ca-file", options.caFile) } }),
  });
  return { transport, url: url.host, hasToken: token !== undefined };
}

/** Throws UsageError. */
export function serverUrl(text: string): URL {
  const withScheme = /^[a-z]+:\/\//i.test(text) ? text : `http://${text}`;
  let url: URL | undefined;
  try {
    url = new URL(withScheme);
  } catch {
    // Said below, together with what else can be wrong.
  }
  const isUsable = url !== undefined && ["http:", "https:"].includes(url.protocol) && url.hostname !== "";
  if (!isUsable || url === undefined) {
    throw new UsageError("--url has to be host:port, or a URL that begins with http:// or https://");
  }
  return url;
}

/** The token that was named, else the one that a server on this machine made at its first start. */
async function findToken(options: ConnectionOptions, url: URL): Promise<string | undefined> {
  if (options.token !== undefined) return options.token;
  if (options.tokenFile !== undefined) return readOption("--token-file", options.tokenFile).trim();
  if (options.env.CLAUDE_RUNNER_TOKEN) return options.env.CLAUDE_RUNNER_TOKEN;
  // The token of this machine's server is not shown to others.
  if (!isLoopback(url.hostname)) return undefined;
  const state = stateFolder(options.env);
  if (state === undefined) return undefined;
  const path = join(state, "token");
  try {
    return (await readTokenFile(path))?.token;
  } catch (error) {
    if (!(error instanceof TokenFileError)) throw error;
    throw new UsageError(
      `the token file ${path} ${error.problem}; name another with --token-file or CLAUDE_RUNNER_TOKEN`,
    );
  }
}

function readOption(flag: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(`${flag}: cannot read ${path} (${(error as NodeJS.ErrnoException).code})`);
  }
}
