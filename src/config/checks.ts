/**
 * Rules between settings: what the schema of a single one cannot say. Pure: what they have to know of the disk they are
 * given (`disk.ts`).
 *
 * Leaves out what needs the listeners (which addresses may be opened how: `server/`) and whether Claude Code or the
 * model API is there (the server starts without them and says so).
 */
import { isLoopback } from "../policy/hosts.ts";
import type { Disk } from "./disk.ts";
import { type ProfileSettings, workerBounds } from "./profile-settings.ts";
import type { Settings, TlsSettings } from "./settings.ts";

/** A rule that is broken, and by which setting. */
export interface BrokenRule {
  readonly path: readonly PropertyKey[];
  readonly problem: string;
}

export interface CheckResult {
  readonly broken: readonly BrokenRule[];
  /** What is allowed and still worth a line in the log. */
  readonly warnings: readonly string[];
}

/** Built-in tools that change files or can do so. */
const writingTools: readonly string[] = ["Bash", "Edit", "MultiEdit", "NotebookEdit", "Write"];

export const noAuthentication = "authentication is off: anyone on this machine may call";

/** Settings of which a credential may have only one. */
export const alternatives: readonly (readonly string[])[] = [
  ["baseUrl", "baseUrlEnv"],
  ["apiKeyEnv", "apiKeyFile"],
  ["authTokenEnv", "authTokenFile"],
];

export function checkSettings(settings: Settings, disk: Disk): CheckResult {
  const broken: BrokenRule[] = [
    ...checkTls(settings.grpc.tls, ["grpc", "tls"], disk),
    ...checkTls(settings.web.tls, ["web", "tls"], disk),
    ...checkAdmin(settings),
    ...checkTokens(settings),
    ...checkCredentials(settings),
    ...Object.entries(settings.profiles).flatMap(([name, profile]) =>
      checkProfile(settings, profile, ["profiles", name], disk),
    ),
  ];
  if (settings.calls.defaultTimeoutMs > settings.calls.maxTimeoutMs) {
    broken.push({
      path: ["calls", "defaultTimeoutMs"],
      problem: `is ${settings.calls.defaultTimeoutMs}, which is more than \`calls.maxTimeoutMs\`, ${settings.calls.maxTimeoutMs}`,
    });
  }
  if (settings.store.sessionIdleExpiryMs > settings.store.maxSessionIdleExpiryMs) {
    broken.push({
      path: ["store", "sessionIdleExpiryMs"],
      problem: `is ${settings.store.sessionIdleExpiryMs}, which is more than \`store.maxSessionIdleExpiryMs\`, ${settings.store.maxSessionIdleExpiryMs}`,
    });
  }
  if (settings.calls.maxRequestBytesInFlight < 2 * settings.calls.maxRequestBytes) {
    broken.push({
      path: ["calls", "maxRequestBytesInFlight"],
      problem: `is ${settings.calls.maxRequestBytesInFlight}, which is less than twice \`calls.maxRequestBytes\`, ${settings.calls.maxRequestBytes}`,
    });
  }
  return { broken, warnings: warningsOf(settings) };
}

function checkTls(tls: TlsSettings | undefined, path: readonly string[], disk: Disk): readonly BrokenRule[] {
  if (tls === undefined) return [];
  return (["certFile", "keyFile", "clientCaFile"] as const).flatMap((key) => {
    const file = tls[key];
    const problem = file === undefined ? undefined : disk.pemProblem(file);
    return problem === undefined ? [] : [{ path: [...path, key], problem: `names ${file}, which ${problem}` }];
  });
}

function checkAdmin({ admin }: Settings): readonly BrokenRule[] {
  if (!admin.enabled || isLoopback(admin.host) || admin.allowedAddresses.length > 0) return [];
  const problem = `is ${admin.host}, which other machines can reach: list the addresses that may read it in \`admin.allowedAddresses\``;
  return [{ path: ["admin", "host"], problem }];
}

function checkTokens(settings: Settings): readonly BrokenRule[] {
  const broken: BrokenRule[] = [];
  const seen = new Map<string, number>();
  for (const [at, token] of settings.auth.tokens.entries()) {
    const path = ["auth", "tokens", at];
    const first = seen.get(token.sha256);
    if (first !== undefined)
      broken.push({ path: [...path, "sha256"], problem: `is the same as that of token ${first}` });
    seen.set(token.sha256, first ?? at);
    for (const [position, name] of token.profiles.entries()) {
      if (name === "*") continue;
      const profile = Object.hasOwn(settings.profiles, name) ? settings.profiles[name] : undefined;
      const where = [...path, "profiles", position];
      if (profile === undefined) {
        broken.push({
          path: where,
          problem: `names the profile \`${name}\`, which does not exist${existing(settings.profiles)}`,
        });
      } else if (profile.tenant !== undefined && profile.tenant !== token.tenant) {
        broken.push({
          path: where,
          problem: `names the profile \`${name}\`, which belongs to the tenant \`${profile.tenant}\``,
        });
      }
    }
  }
  return broken;
}

function checkCredentials(settings: Settings): readonly BrokenRule[] {
  return Object.entries(settings.credentials).flatMap(([name, credential]) =>
    alternatives.flatMap((keys) => {
      const given = keys.filter((key) => credential[key as keyof typeof credential] !== undefined);
      if (given.length < 2) return [];
      const list = given.map((key) => `\`${key}\``).join(" and ");
      return [{ path: ["credentials", name, given[1] ?? ""], problem: `must not be set: ${list} exclude each other` }];
    }),
  );
}

function checkProfile(
  settings: Settings,
  profile: ProfileSettings,
  path: readonly string[],
  { isFolder }: Disk,
): readonly BrokenRule[] {
  const broken: BrokenRule[] = [];
  const rule = (key: string | readonly string[], problem: string) =>
    broken.push({ path: [...path, ...[key].flat()], problem });

  if (!Object.hasOwn(settings.credentials, profile.credential)) {
    const names = existing(settings.credentials);
    rule("credential", `names \`${profile.credential}\`, which is not in \`credentials\`${names}`);
  }
  if (profile.isolation === "sandbox") {
    rule("isolation", "is `sandbox`, which does not exist yet; `none` lets tools do whatever the server's user may do");
  }
  if (profile.isolation === "none" && profile.tenant === undefined) {
    rule("isolation", "is `none`, which requires `tenant`: tools without isolation are for one named tenant");
  }
  if (profile.tools.length > 0 && profile.workspace === undefined) {
    rule("tools", "require `workspace`, the folder in which they work");
  }
  if (profile.tools.length > 0 && profile.isolation === undefined) {
    rule("tools", "require `isolation`, which says what separates them from the rest of the machine");
  }
  const { contextNoticeTokens: notice, contextFullTokens: full } = profile;
  if (notice !== undefined && full !== undefined && notice > full) {
    rule("contextNoticeTokens", `is ${notice}, which is more than \`contextFullTokens\`, ${full}`);
  }
  if (profile.workspace?.access === "read-only") {
    const writing = profile.tools.filter((tool) => writingTools.includes(tool));
    if (writing.length > 0) rule("tools", `must not include ${writing.join(", ")}: the workspace is read-only`);
  }
  if (profile.workspace !== undefined && !isFolder(profile.workspace.path)) {
    rule(["workspace", "path"], `names ${profile.workspace.path}, which is not a folder`);
  }
  for (const [at, allowed] of profile.allowedTools.entries()) {
    const tool = allowed.split("(", 1)[0] ?? "";
    if (!profile.tools.includes(tool)) {
      rule(["allowedTools", String(at)], `allows ${tool}, which is not among the profile's \`tools\``);
    }
  }
  for (const key of limitKeys) {
    const value = profile.defaultLimits[key];
    const most = profile.maxLimits[key];
    if (value !== undefined && most !== undefined && value > most) {
      rule(["defaultLimits", key], `is ${value}, which is more than the profile's \`maxLimits.${key}\`, ${most}`);
    }
  }
  return broken;
}

const limitKeys = ["maxModelCallCount", "maxCostUsdMicros", "maxOutputBytes", "maxDurationMs"] as const;

function existing(record: Readonly<Record<string, unknown>>): string {
  const names = Object.keys(record);
  return names.length === 0 ? "" : `; there is ${names.map((name) => `\`${name}\``).join(", ")}`;
}

function warningsOf(settings: Settings): readonly string[] {
  const warnings: string[] = [];
  for (const [name, profile] of Object.entries(settings.profiles)) {
    if (profile.isolation === "none" && profile.tools.length > 0) {
      warnings.push(
        `profile ${name}: its tools (${profile.tools.join(", ")}) run without isolation and can read everything that this server's user can, including its credentials`,
      );
    }
    const bounds = workerBounds(profile);
    if (profile.minSpares > bounds.minSpares) {
      const why =
        bounds.maxWorkers < profile.maxWorkers
          ? "turns in a `read-write` workspace run one at a time"
          : "that is its `maxWorkers`";
      const most = bounds.maxWorkers === 1 ? "one worker" : `${bounds.maxWorkers} workers`;
      warnings.push(
        `profile ${name}: \`minSpares\` is ${profile.minSpares} but counts as ${bounds.minSpares}, because the profile has at most ${most}: ${why}`,
      );
    }
    if (profile.reuse === true && profile.tools.length > 0) {
      warnings.push(
        `profile ${name}: its workers are reused although it has tools, which can leave traces outside Claude Code`,
      );
    }
  }
  if (settings.telemetry.cliSpans && settings.telemetry.otlpEndpoint === undefined) {
    warnings.push(
      "`telemetry.cliSpans` has no effect without `telemetry.otlpEndpoint`: there is no collector to send spans to",
    );
  }
  if (settings.behindProxy && settings.trustedProxies.length === 0) {
    warnings.push(
      "`behindProxy` is set but `trustedProxies` is empty: all callers behind the proxy share the places of a single address",
    );
  }
  const { admin } = settings;
  if (admin.enabled && !isLoopback(admin.host)) {
    warnings.push(
      `metrics and health can be read without a token at ${admin.host}:${admin.port} from ${admin.allowedAddresses.join(", ")}`,
    );
  }
  if (settings.auth.insecureNoAuth) warnings.push(noAuthentication);
  return warnings;
}
