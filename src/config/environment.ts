/**
 * Settings from environment variables and flags: which setting a name stands for, and a text as its value.
 */
import {
  anyName,
  findSetting,
  isObject,
  type Setting,
  settingsCatalog,
  variableOf,
  variablePrefix,
} from "./catalog.ts";
import { plainCopy } from "./plain-copy.ts";
import type { SettingSource, SettingViolation } from "./source.ts";
import { didYouMean, nearest } from "./suggest.ts";

/** One setting with its value, from a variable or a flag. */
export interface Assignment {
  readonly path: readonly string[];
  readonly value: unknown;
  readonly source: SettingSource;
}

/** What somebody typed, or put into the environment. */
export interface Assignments {
  readonly assignments: readonly Assignment[];
  readonly violations: readonly SettingViolation[];
}

/** What callers are told by: of clients and of `chat`, which may share an environment with the server. */
export const clientVariables = {
  address: `${variablePrefix}ADDRESS`,
  /** The former name of the address. */
  url: `${variablePrefix}URL`,
  token: `${variablePrefix}TOKEN`,
  tokenFile: `${variablePrefix}TOKEN_FILE`,
  caFile: `${variablePrefix}CA_FILE`,
} as const;

/** Variables with our prefix that are no settings: the file, those of callers, and what `bin/` leaves. */
export const otherVariables: readonly string[] = [
  ...["CONFIG", "LAUNCHER_PID", "LAUNCHER_SCRIPT"].map((name) => `${variablePrefix}${name}`),
  ...Object.values(clientVariables),
];

/**
 * Kubernetes sets these in every pod of a namespace, for each service in it: for `claude-runner`, and for one whose name
 * begins like that, such as `claude-runner-grpc`. They are about the service, whatever their names look like.
 */
const kubernetesVariable =
  /^CLAUDE_RUNNER(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/;

/** `CLAUDE_RUNNER_GRPC_PORT=tcp://10.0.0.1:7433` has the name of a setting; its value is none that a port has. */
function isOfKubernetes(name: string, value: string, isSetting: boolean): boolean {
  if (/_PORT$/.test(name) && /^(tcp|udp|sctp):\/\//.test(value)) return true;
  return !isSetting && kubernetesVariable.test(name);
}

/** Profiles and credentials that exist, whose settings may be named in variables. */
export interface KnownNames {
  readonly profiles: readonly string[];
  readonly credentials: readonly string[];
}

/** An empty variable is as good as none. */
export function settingsFromEnvironment(env: NodeJS.ProcessEnv, known: KnownNames): Assignments {
  const byVariable = settingsByVariable(known);
  const assignments: Assignment[] = [];
  const violations: SettingViolation[] = [];
  for (const [name, text] of Object.entries(env).sort(([left], [right]) => left.localeCompare(right))) {
    if (!name.startsWith(variablePrefix) || otherVariables.includes(name) || !text) continue;
    const found = byVariable.get(name);
    if (isOfKubernetes(name, text, found !== undefined)) continue;
    const source: SettingSource = { kind: "variable", name };
    if (found === undefined) {
      const similar = didYouMean(nearest(name, [...byVariable.keys(), ...otherVariables]));
      violations.push({ source, path: "", problem: `is not a setting${similar || hintForNames(name)}` });
    } else addParsed(found, text, source, { assignments, violations });
  }
  return { assignments, violations };
}

/** What a flag says: `--set path=value` or one with a name of its own. */
export interface FlagSetting {
  /** As the caller knows it, such as `--grpc-port`. */
  readonly flag: string;
  readonly path: string;
  readonly value: string;
}

export function settingsFromFlags(flags: readonly FlagSetting[]): Assignments {
  const assignments: Assignment[] = [];
  const violations: SettingViolation[] = [];
  for (const { flag, path: dotted, value } of flags) {
    const source: SettingSource = { kind: "flag", name: flag };
    const path = dotted.split(".");
    const setting = findSetting(path);
    if (setting === undefined) {
      const similar = didYouMean(
        nearest(
          dotted,
          settingsCatalog.map((one) => one.path.join(".")),
        ),
      );
      violations.push({ source, path: "", problem: `\`${dotted}\` is not a setting${similar}` });
    } else addParsed({ setting, path }, value, source, { assignments, violations });
  }
  return { assignments, violations };
}

/** `path=value` of `--set`. */
export function flagSettingOf(text: string): FlagSetting | undefined {
  const at = text.indexOf("=");
  if (at < 1) return undefined;
  const path = text.slice(0, at).trim();
  return { flag: `--set ${path}`, path, value: text.slice(at + 1) };
}

interface Found {
  readonly setting: Setting;
  readonly path: readonly string[];
}

function settingsByVariable(known: KnownNames): ReadonlyMap<string, Found> {
  const found = new Map<string, Found>();
  for (const setting of settingsCatalog) {
    const names = setting.path[0] === "profiles" ? known.profiles : known.credentials;
    const paths = setting.path.includes(anyName) ? names.map((name) => withName(setting.path, name)) : [setting.path];
    for (const path of paths) found.set(variableOf(path), { setting, path });
  }
  return found;
}

function withName(path: readonly string[], name: string): readonly string[] {
  return path.map((segment) => (segment === anyName ? name : segment));
}

function hintForNames(name: string): string {
  return /_(PROFILES|CREDENTIALS)_/.test(name)
    ? "; only profiles and credentials of the settings file, and `default`, can be named in a variable"
    : "; `claude-runner settings` lists them";
}

function addParsed(
  { setting, path }: Found,
  text: string,
  source: SettingSource,
  into: { assignments: Assignment[]; violations: SettingViolation[] },
): void {
  const parsed = parse(setting, text);
  if ("problem" in parsed) {
    into.violations.push({ source, path: source.kind === "variable" ? "" : path.join("."), problem: parsed.problem });
  } else into.assignments.push({ path, value: parsed.value, source });
}

/** The text as the kind of value that the setting has. Whether the value is allowed is the schema's business. */
function parse(setting: Setting, text: string): { readonly value: unknown } | { readonly problem: string } {
  const problem = `must be ${setting.rule}`;
  switch (setting.kind) {
    case "text":
    case "file":
    case "choice":
      return { value: text };
    case "number":
      return /^-?\d+(\.\d+)?$/.test(text.trim()) ? { value: Number(text) } : { problem };
    case "boolean":
      return text === "true" || text === "false" ? { value: text === "true" } : { problem };
    case "list":
      return text.trimStart().startsWith("[") ? parseJson(text, problem) : { value: splitList(text) };
    case "table":
      return parseJson(text, `${problem}, as JSON`);
    default:
      return setting.kind satisfies never;
  }
}

function splitList(text: string): readonly string[] {
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

function parseJson(text: string, problem: string): { readonly value: unknown } | { readonly problem: string } {
  try {
    const value = plainCopy(JSON.parse(text));
    return Array.isArray(value) || isObject(value) ? { value } : { problem };
  } catch {
    // No JSON, or endlessly deep. The text itself is not repeated: it may be anything.
    return { problem };
  }
}
