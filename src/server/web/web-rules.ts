/**
 * Which requests the web port answers at all, and what a browser is told: the rules on Host, Origin and the headers. Pure
 * functions of the request and the settings.
 *
 * What is answered to the refused is in `web-others.ts`.
 */
import type { TLSSocket } from "node:tls";
import type { Settings } from "../../config/settings.ts";
import { isAllowedHost, isAllowedOrigin, ownOrigin } from "../../policy/hosts.ts";
import { RunnerError } from "../../runner-error.ts";
import { brokenHeader, oversizedHeaders } from "../calls/header-rules.ts";
import type { WebRequest } from "../calls/http-exchange.ts";
import { corsHeaders, preflightHeaders } from "./cors.ts";

export type WebSettings = Pick<Settings, "web" | "behindProxy">;

export interface Refusal {
  readonly status: number;
  readonly text: string;
  /** What clients of gRPC and Connect get. */
  readonly error: RunnerError;
}

/** `headers`: those that the response has in any case. `target`: the path that is asked for, with its query. */
export type Judgement =
  | { readonly kind: "refused"; readonly refusal: Refusal }
  | { readonly kind: "preflight"; readonly headers: Readonly<Record<string, string>> }
  | { readonly kind: "allowed"; readonly headers: Readonly<Record<string, string>>; readonly target: string };

/** What becomes of a request. */
export function judge(request: WebRequest, { web: settings, behindProxy }: WebSettings): Judgement {
  const oversized = oversizedHeaders(request.rawHeaders);
  if (oversized !== undefined) return refused(431, oversized);
  const target = requestTarget(request);
  if (target === undefined)
    return refused(400, new RunnerError("INVALID_REQUEST", "the request line names no path and no URL"));
  const { host, origin } = request.headers;
  const rules = { allowedHosts: settings.allowedHosts, localAddress: request.socket.localAddress };
  // HTTP/2 may name the host twice, and so may an HTTP/1.1 request that names its whole URL.
  const named = [request.authority, target.authority, host].filter((one) => one !== undefined);
  const authorities = named.length > 0 ? named : [undefined];
  if (!authorities.every((authority) => isAllowedHost(authority, rules))) {
    const broken = brokenHeader(request.rawHeaders);
    if (broken?.facts.header === "host") return refused(400, broken);
    return forbidden(421, "this server does not answer for that host: add the host to web.allowedHosts");
  }
  const broken = brokenHeader(request.rawHeaders) ?? differingHosts(authorities);
  if (broken !== undefined) return refused(broken.reason === "DEADLINE_EXCEEDED" ? 504 : 400, broken);
  const isPreflight = request.method === "OPTIONS" && origin !== undefined;
  const allowed = (headers: Readonly<Record<string, string>>): Judgement =>
    isPreflight
      ? { kind: "preflight", headers: { ...headers, ...preflightHeaders() } }
      : { kind: "allowed", headers, target: target.path };
  if (settings.page && origin !== undefined && origin === originAsked(request, authorities, behindProxy)) {
    return allowed({}); // the page of this server: it is no cross-origin call, and CORS has no say
  }
  if (!isAllowedOrigin(origin, settings.allowedOrigins)) {
    return forbidden(403, "web pages of this origin may not call this server: add the origin to web.allowedOrigins");
  }
  return allowed({
    ...(settings.allowedOrigins.length > 0 && { vary: "Origin" }),
    ...(origin !== undefined && corsHeaders(origin)),
  });
}

const refused = (status: number, error: RunnerError): Judgement => ({
  kind: "refused",
  refusal: { status, text: error.message, error },
});

const forbidden = (status: number, text: string): Judgement => refused(status, new RunnerError("NOT_ALLOWED", text));

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
