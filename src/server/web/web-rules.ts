/**
 * Which requests the web port answers at all: the rules on Host, Origin and the headers.
 *
 * What is answered to the others is in `web-others.ts`.
 */
import type { TLSSocket } from "node:tls";
import type { Settings } from "../../config/settings.ts";
import { isAllowedHost, isAllowedOrigin, ownOrigin } from "../../policy/hosts.ts";
import { RunnerError } from "../../runner-error.ts";
import { brokenHeader, oversizedHeaders } from "../calls/header-rules.ts";
import type { WebRequest, WebResponse } from "../calls/http-exchange.ts";
import { corsHeaders } from "./cors.ts";

export type WebSettings = Pick<Settings, "web" | "behindProxy">;

export interface Refusal {
  readonly status: number;
  readonly text: string;
  /** What gRPC clients get; absent where the request may not come from a client of ours at all. */
  readonly error?: RunnerError;
}

/** Why a request is not answered, if so. Sets the CORS headers of what comes after. */
export function refusalOf(
  request: WebRequest,
  response: WebResponse,
  { web: settings, behindProxy }: WebSettings,
): Refusal | undefined {
  const oversized = oversizedHeaders(request.rawHeaders);
  if (oversized !== undefined) return refused(431, oversized);
  const target = requestTarget(request);
  if (target === undefined) return { status: 400, text: "the request line names no path and no URL" };
  const { host, origin } = request.headers;
  const rules = { allowedHosts: settings.allowedHosts, localAddress: request.socket.localAddress };
  // HTTP/2 may name the host twice, and so may an HTTP/1.1 request that names its whole URL.
  const named = [request.authority, target.authority, host].filter((one) => one !== undefined);
  const authorities = named.length > 0 ? named : [undefined];
  if (!authorities.every((authority) => isAllowedHost(authority, rules))) {
    const broken = brokenHeader(request.rawHeaders);
    if (broken?.facts.header === "host") return refused(400, broken);
    return { status: 421, text: "this server does not answer for that host: add it to web.allowedHosts" };
  }
  const broken = brokenHeader(request.rawHeaders) ?? differingHosts(authorities);
  if (broken !== undefined) return refused(broken.reason === "DEADLINE_EXCEEDED" ? 504 : 400, broken);
  request.url = target.path;
  if (settings.page && origin !== undefined && origin === originAsked(request, authorities, behindProxy)) {
    return undefined; // the page of this server: it is no cross-origin call, and CORS has no say
  }
  if (!isAllowedOrigin(origin, settings.allowedOrigins)) {
    return { status: 403, text: "web pages of this origin may not call: add it to web.allowedOrigins" };
  }
  if (settings.allowedOrigins.length > 0) response.setHeader("vary", "Origin");
  if (origin !== undefined) {
    for (const [name, value] of Object.entries(corsHeaders(origin))) response.setHeader(name, value);
  }
  return undefined;
}

const refused = (status: number, error: RunnerError): Refusal => ({ status, text: error.message, error });

/** The path that is asked for, and the host if the request line names it (`POST http://host/path`, as to a proxy). */
function requestTarget(request: WebRequest): { readonly path: string; readonly authority?: string } | undefined {
  const target = request.url ?? "";
  if (target.startsWith("/") || target === "*") return { path: target };
  const match = /^https?:\/\/([^/?#]*)(.*)$/i.exec(target);
  if (match === null) return undefined;
  const path = match[2] ?? "";
  return { path: path.startsWith("/") ? path : `/${path}`, authority: match[1] ?? "" };
}

function differingHosts(authorities: readonly (string | undefined)[]): RunnerError | undefined {
  if (new Set(authorities.map((one) => one?.toLowerCase())).size < 2) return undefined;
  return new RunnerError("INVALID_REQUEST", "the request line and the header host differ; send the same in both");
}

/** The origin that the request was sent to, if all of it agrees. */
function originAsked(
  request: WebRequest,
  authorities: readonly (string | undefined)[],
  behindProxy: boolean,
): string | undefined {
  const isEncrypted = (request.socket as Partial<TLSSocket>).encrypted === true;
  const origins = authorities.map((authority = "") => ownOrigin({ authority, isEncrypted, behindProxy }));
  return origins.every((one) => one === origins[0]) ? origins[0] : undefined;
}
