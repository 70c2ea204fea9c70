/**
 * What may be opened to whom: the rules for addresses that other machines can reach. Pure functions of the settings.
 */
import type { Settings } from "../config/settings.ts";
import { isLoopback } from "../policy/hosts.ts";

/** What speaks against opening the ports, all of it, in words for the operator; empty if nothing does. */
export function exposureProblems(settings: Settings): readonly string[] {
  const ports = [
    { name: "grpc", isOpen: true, ...settings.grpc },
    { name: "web", isOpen: settings.web.enabled, ...settings.web },
  ].filter(({ isOpen, host }) => isOpen && !isLoopback(host));
  const problems: string[] = [];
  for (const { name, host, tls } of ports) {
    if (tls === undefined && !settings.behindProxy) {
      problems.push(
        `${name}.host: ${host} can be reached from other machines and has no TLS: ` +
          `set ${name}.tls, or behindProxy if a proxy does TLS, or listen on 127.0.0.1`,
      );
    }
  }
  const hosts = ports.map(({ name }) => `${name}.host`).join(" and ");
  if (ports.length > 0 && settings.auth.insecureNoAuth) {
    problems.push(`auth.insecureNoAuth: only for loopback addresses, and ${hosts} can be reached from other machines`);
  } else if (ports.length > 0 && settings.auth.tokens.length === 0) {
    problems.push(
      `auth.tokens: none is configured, and ${hosts} can be reached from other machines; ` +
        "`claude-runner token` makes one",
    );
  }
  return problems;
}

/** Whether server reflection is served: `auto` means only while nobody else can reach it. */
export function servesReflection(settings: Settings): boolean {
  if (settings.auth.reflection !== "auto") return settings.auth.reflection === "on";
  return isLoopback(settings.grpc.host) && (!settings.web.enabled || isLoopback(settings.web.host));
}
