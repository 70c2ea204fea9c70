/**
 * The list of all settings, made from the schema: path, environment variable, rule, default and meaning of each.
 *
 * Reading them is `load.ts`, writing them down `document.ts`; neither knows the schema library.
 */
import { z } from "zod";
import type { SettingTier } from "./setting-parts.ts";
import { settingsSchema } from "./settings.ts";

/** The part of JSON Schema that the settings use, with the words that `settings.ts` adds. */
export interface SchemaNode {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: SchemaNode | boolean;
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly format?: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly default?: unknown;
  readonly description?: string;
  readonly when?: string;
  readonly defaultText?: string;
  readonly tier?: SettingTier;
}

/** How a setting is written. A `table` is a list of objects; it has no scalar form but JSON. */
export type SettingKind = "text" | "file" | "number" | "boolean" | "choice" | "list" | "table";

/** One setting: a leaf of the schema. */
export interface Setting {
  /** From the top; `*` stands for the name of a profile or a credential. */
  readonly path: readonly string[];
  readonly kind: SettingKind;
  /** What a value has to be, as the end of "has to be …". */
  readonly rule: string;
  readonly description: string;
  readonly when: string | undefined;
  /** A default that depends on the machine, in words. */
  readonly defaultText: string | undefined;
  readonly tier: SettingTier;
  /** `undefined`: there is none. */
  readonly default: unknown;
  /** For a table: the settings of a row, their paths from the row. */
  readonly columns: readonly Setting[];
}

/** A group of settings that is given by the name of the caller's choice: profiles, credentials. */
export const anyName = "*";

/** The prefix of the environment variables. */
export const variablePrefix = "CLAUDE_RUNNER_";

/** Flags of `serve` that have a name of their own; every other setting goes by `--set path=value`. */
export const flagsOfSettings: readonly { readonly flag: string; readonly path: string; readonly value?: string }[] = [
  { flag: "--grpc-host", path: "grpc.host" },
  { flag: "--grpc-port", path: "grpc.port" },
  { flag: "--web-host", path: "web.host" },
  { flag: "--web-port", path: "web.port" },
  { flag: "--no-web", path: "web.enabled", value: "false" },
  { flag: "--admin-port", path: "admin.port" },
  { flag: "--no-admin", path: "admin.enabled", value: "false" },
  { flag: "--behind-proxy", path: "behindProxy", value: "true" },
  { flag: "--insecure-no-auth", path: "auth.insecureNoAuth", value: "true" },
  { flag: "--cli-path", path: "cli.path" },
  { flag: "--otlp-endpoint", path: "telemetry.otlpEndpoint" },
  { flag: "--log-level", path: "telemetry.logLevel" },
];

/** The schema as plain data. */
export const schemaRoot = z.toJSONSchema(settingsSchema, { io: "input", unrepresentable: "any" }) as SchemaNode;

/** The rule for names is recognised by its pattern: JSON Schema has no place for the words that go with it. */
const namePattern = nodeAt(["profiles", "x", "credential"])?.pattern;

/** Every setting, in the order of `settings.ts`. */
export const settingsCatalog: readonly Setting[] = settingsBelow(schemaRoot, [], undefined);

/** The setting that a path leads to; names of profiles and credentials match `*`. */
export function findSetting(path: readonly string[]): Setting | undefined {
  return settingsCatalog.find(
    (setting) =>
      setting.path.length === path.length &&
      setting.path.every((segment, at) => segment === path[at] || (segment === anyName && isName(path[at] ?? ""))),
  );
}

/** The part of the schema that a path leads to. */
export function nodeAt(path: readonly PropertyKey[]): SchemaNode | undefined {
  let node: SchemaNode | undefined = schemaRoot;
  for (const segment of path) {
    if (typeof segment === "number") node = node?.items;
    else node = childOf(node, String(segment));
  }
  return node;
}

/** What is below an object of the schema under a key. */
export function childOf(node: SchemaNode | undefined, key: string): SchemaNode | undefined {
  if (node?.properties !== undefined) return Object.hasOwn(node.properties, key) ? node.properties[key] : undefined;
  return typeof node?.additionalProperties === "object" ? node.additionalProperties : undefined;
}

/** Whether something may be the name of a profile, a credential or a tenant. */
export function isName(text: string): boolean {
  return /^[a-z0-9][a-z0-9_-]{0,62}$/.test(text);
}

/** `["grpc", "keepaliveTimeMs"]` is `CLAUDE_RUNNER_GRPC_KEEPALIVE_TIME_MS`. */
export function variableOf(path: readonly string[]): string {
  return variablePrefix + path.map(upperSnake).join("_");
}

function upperSnake(segment: string): string {
  return segment
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replaceAll("-", "_")
    .toUpperCase();
}

/** What a value has to be, in words. */
export function ruleOf(node: SchemaNode, key = ""): string {
  if (node.anyOf !== undefined) return node.anyOf.map((one) => ruleOf(one)).join(" or ");
  if (node.const !== undefined) return `\`${node.const}\``;
  if (node.enum !== undefined) return `one of ${node.enum.map((value) => `\`${value}\``).join(", ")}`;
  switch (node.type) {
    case "boolean":
      return "true or false";
    case "integer":
      return `a whole number${rangeOf(node)}`;
    case "number":
      return `a number${rangeOf(node)}`;
    case "array":
      return node.items?.type === "object" ? "a list of objects" : `a list, each ${ruleOf(node.items ?? {})}`;
    case "object":
      return "a group of settings";
    default:
      break;
  }
  if (node.format === "uri") return "a URL";
  if (node.format === "starts_with") return "an absolute path";
  if (node.pattern === namePattern) return "a name of at most 63 characters from a-z, 0-9, `-` and `_`";
  if (key.endsWith("Env")) return "the name of an environment variable";
  return isFileKey(key) ? "the path of a file" : "text";
}

/** `Number.MAX_SAFE_INTEGER` is how the schema library says "no maximum". */
function rangeOf({ minimum, maximum }: SchemaNode): string {
  const from = minimum !== undefined && minimum > Number.MIN_SAFE_INTEGER ? minimum : undefined;
  const to = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER ? maximum : undefined;
  const grouped = (value: number) => value.toLocaleString("en-US");
  if (from !== undefined && to !== undefined) return ` from ${grouped(from)} to ${grouped(to)}`;
  if (from !== undefined) return `, at least ${grouped(from)}`;
  return to === undefined ? "" : `, at most ${grouped(to)}`;
}

/** Settings that hold a path: relative ones belong to the folder of the file that they stand in. */
function isFileKey(key: string): boolean {
  return /(^file|File|Folder)$/.test(key);
}

function settingsBelow(node: SchemaNode, path: readonly string[], inherited: unknown): Setting[] {
  const given = node.default ?? inherited;
  if (node.properties !== undefined) {
    return Object.entries(node.properties).flatMap(([key, child]) =>
      settingsBelow(child, [...path, key], isObject(given) ? given[key] : undefined),
    );
  }
  if (typeof node.additionalProperties === "object") {
    return settingsBelow(node.additionalProperties, [...path, anyName], undefined);
  }
  return [leaf(node, path, given)];
}

function leaf(node: SchemaNode, path: readonly string[], given: unknown): Setting {
  const key = path.at(-1) ?? "";
  const isTable = node.items?.type === "object";
  return {
    path,
    kind: isTable ? "table" : kindOf(node, key),
    rule: ruleOf(node, key),
    description: node.description ?? "",
    when: node.when,
    defaultText: node.defaultText,
    tier: node.tier ?? "seldom",
    default: given,
    columns: isTable && node.items !== undefined ? settingsBelow(node.items, [], undefined) : [],
  };
}

function kindOf(node: SchemaNode, key: string): SettingKind {
  if (node.enum !== undefined) return "choice";
  if (node.type === "array") return "list";
  if (node.type === "boolean") return "boolean";
  if (node.type === "integer" || node.type === "number") return "number";
  return isFileKey(key) ? "file" : "text";
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
