/**
 * The connection of the commands that call a running server: which one, and with which token.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Interceptor, Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { clientVariables } from "../config/environment.ts";
import { stateFolder } from "../config/user-folders.ts";
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
  /** Whether the call needs no token; none is looked for then. */
  readonly isAnonymous?: boolean;
  readonly env: NodeJS.ProcessEnv;
}

export interface Connection {
  /** For clients of any service. */
  readonly transport: Transport;
  /** The server as a person would type it. */
  readonly url: string;
  readonly isTls: boolean;
  readonly hasToken: boolean;
  /** A line for the person at the terminal; `undefined` when there is nothing to say. */
  readonly notice: string | undefined;
}

export const defaultUrl = "127.0.0.1:7433";

export async function connect(options: ConnectionOptions): Promise<Connection> {
  const named = addressOf(options);
  const url = serverUrl(named.text, named.by);
  const caFile = options.caFile ?? (options.env[clientVariables.caFile] || undefined);
  const token = options.isAnonymous ? undefined : await findToken(options, url);
  const authorize: Interceptor = (next) => (request) => {
    if (token !== undefined) request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
  const transport = createGrpcTransport({
    baseUrl: url.origin,
    interceptors: [authorize],
    ...(caFile !== undefined && { nodeOptions: { ca: readOption("--ca-file", caFile) } }),
  });
  const isTls = url.protocol === "https:";
  return { transport, url: url.host, isTls, hasToken: token !== undefined, notice: named.notice };
}

interface NamedAddress {
  readonly text: string;
  /** Who named it. */
  readonly by: string;
  readonly notice?: string;
}

function addressOf({ url, env }: ConnectionOptions): NamedAddress {
  const { address, url: formerName } = clientVariables;
  if (url !== undefined) return { text: url, by: "--url" };
  if (env[address]) return { text: env[address], by: address };
  if (!env[formerName]) return { text: defaultUrl, by: "--url" };
  return {
    text: env[formerName],
    by: formerName,
    notice: `${formerName} is now called ${address}; the old name still works`,
  };
}

/** Throws UsageError. */
export function serverUrl(text: string, by = "--url"): URL {
  const withScheme = /^[a-z]+:\/\//i.test(text) ? text : `http://${text}`;
  let url: URL | undefined;
  try {
    url = new URL(withScheme);
  } catch {
    // Said below, together with what else can be wrong.
  }
  const isUsable = url !== undefined && ["http:", "https:"].includes(url.protocol) && url.hostname !== "";
  if (!isUsable || url === undefined) {
    throw new UsageError(`${by} must be host:port, or a URL that begins with http:// or https://`);
  }
  return url;
}

/** The token that was named, else the one that a server on this machine made at its first start. */
async function findToken(options: ConnectionOptions, url: URL): Promise<string | undefined> {
  if (options.token !== undefined) return options.token;
  if (options.tokenFile !== undefined) return readOption("--token-file", options.tokenFile).trim();
  const { token, tokenFile } = clientVariables;
  if (options.env[token]) return options.env[token];
  const file = options.env[tokenFile];
  if (file) return readOption(tokenFile, file).trim();
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
      `the token file ${path} ${error.problem}; name another one with --token-file or CLAUDE_RUNNER_TOKEN`,
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
