/**
 * Which addresses a request may be sent to, and which web pages may send one: the Host and Origin rules.
 *
 * Pure functions of strings. They keep web pages from reaching a server on the visitor's own machine: a page of another
 * origin is named by its Origin; a name that was pointed at 127.0.0.1 (DNS rebinding) is named by the Host. An IP
 * literal cannot be pointed anywhere, so the connection's own address is always good.
 */
import { isIP } from "node:net";

const loopbackNames = new Set(["localhost", "127.0.0.1", "::1"]);

/** Whether an address or name to listen on can be reached from this machine only. */
export function isLoopback(host: string): boolean {
  const bare = stripBrackets(host.toLowerCase());
  return loopbackNames.has(bare) || (isIP(bare) === 4 && bare.startsWith("127."));
}

export interface HostRules {
  /** `web.allowedHosts`. */
  readonly allowedHosts: readonly string[];
  /** The address of ours that the connection came in on. */
  readonly localAddress: string | undefined;
}

/** Whether a request with this Host (or `:authority`) may be answered. Any port is good: proxies change it. */
export function isAllowedHost(authority: string | undefined, rules: HostRules): boolean {
  const host = authority === undefined ? undefined : hostOf(authority);
  if (host === undefined) return false;
  if (loopbackNames.has(host)) return true;
  if (isIP(host) !== 0) {
    const local = rules.localAddress?.toLowerCase().replace(/^::ffff:(?=[\d.]+$)/, "");
    if (host === local) return true;
  }
  return rules.allowedHosts.some((allowed) => stripBrackets(allowed.toLowerCase()).replace(/\.$/, "") === host);
}

/** Whether a request with this Origin may be answered. Exact; a request without one does not come from a web page. */
export function isAllowedOrigin(origin: string | undefined, allowedOrigins: readonly string[]): boolean {
  return origin === undefined || allowedOrigins.includes(origin);
}

/** How a request came in. */
export interface RequestAddress {
  /** Its Host (or `:authority`), which the Host rule has let in. */
  readonly authority: string;
  /** Whether its connection is TLS. */
  readonly isEncrypted: boolean;
  /** `behindProxy`: a proxy does TLS, so names other than loopback ones are reached by https. */
  readonly behindProxy: boolean;
}

/**
 * The origin of a page that was loaded from where a request was sent to. Only the Host rule makes it worth anything: a
 * name that was pointed here has an origin of its own as well. See docs/decisions/0008.
 */
export function ownOrigin({ authority, isEncrypted, behindProxy }: RequestAddress): string | undefined {
  const host = hostOf(authority);
  if (host === undefined) return undefined;
  const isHttps = isEncrypted || (behindProxy && !isLoopback(host));
  // Browsers leave out the scheme's own port and write names in lower case, which a proxy may not.
  const url = URL.parse(`${isHttps ? "https" : "http"}://${authority}`);
  return url?.origin;
}

/**
 * The host of `host`, `host:port` or `[address]:port`, in lower case; `undefined` for anything else. A dot at the end
 * says that the name is complete, and changes nothing else.
 */
function hostOf(authority: string): string | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/?#@,[\]\\]+?)\.?)(?::(\d{1,5}))?$/.exec(authority);
  if (Number(match?.[3] ?? 0) > 65_535) return undefined;
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}

function stripBrackets(host: string): string {
  return host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : host;
}
