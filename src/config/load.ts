/**
 * Reads the settings: defaults, below the settings file, below environment variables, below flags.
 *
 * Reports everything that is wrong at once, each with the file and line, variable or flag that it came from. Nothing
 * but the program's start calls this; everybody else is handed the result.
 */
import { join } from "node:path";
import { anyName, isName, isObject, type Setting, settingsCatalog } from "./catalog.ts";
import { type BrokenRule, checkSettings } from "./checks.ts";
import { withDerivedDefaults } from "./derived-defaults.ts";
import { machineDisk } from "./disk.ts";
import { type Assignment, type FlagSetting, settingsFromEnvironment, settingsFromFlags } from "./environment.ts";
import { explainIssue } from "./explain.ts";
import { passedOver, readSettingsFile, type SettingsFile } from "./file.ts";
import { builtInLayer, fileLayer, type Layer, merged, overlayLayer } from "./layers.ts";
import { type Settings, settingsSchema } from "./settings.ts";
import { type SettingSource, SettingsError, type SettingViolation } from "./source.ts";
import { stateFolder } from "./user-folders.ts";

export interface LoadOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Where relative paths of variables and flags start. No settings file is taken from here unless it is named. */
  readonly workingFolder: string;
  /** What `--config` says. */
  readonly configFile?: string | undefined;
  readonly flags?: readonly FlagSetting[];
}

export interface LoadedSettings {
  /** Complete; paths are absolute, and files of the state folder are filled in where there is one. */
  readonly settings: Settings;
  /** The settings file, as a person would type it; `undefined` when there is none. */
  readonly fileName: string | undefined;
  /** A settings file of the working folder that was not read, since nobody named it. */
  readonly passedOver: string | undefined;
  /** What is allowed and still worth a line in the log. */
  readonly warnings: readonly string[];
  /** Every setting with its value and where that came from, profiles and credentials by their names. */
  readonly entries: readonly SettingEntry[];
}

export interface SettingEntry {
  readonly path: readonly string[];
  readonly setting: Setting;
  /** `undefined`: not set and without a default. */
  readonly value: unknown;
  readonly source: SettingSource;
}

/** Throws SettingsError. */
export function loadSettings(options: LoadOptions): LoadedSettings {
  const file = readSettingsFile(options);
  const written = fileLayer(file?.settings ?? {}, file?.folder ?? options.workingFolder);
  const known = { profiles: namesIn(written.profiles), credentials: namesIn(written.credentials) };
  const fromEnvironment = settingsFromEnvironment(options.env, known);
  const fromFlags = settingsFromFlags(options.flags ?? []);
  const assigned = [...fromEnvironment.assignments, ...fromFlags.assignments];
  const sources = sourcesOf(file, assigned);
  const input = withDerivedDefaults(
    merged(builtInLayer(written, assigned), written, overlayLayer(assigned, options.workingFolder)),
  );

  const violations: SettingViolation[] = [...fromEnvironment.violations, ...fromFlags.violations];
  const checked = check(input);
  violations.push(
    ...checked.broken.map((rule) => ({ ...rule, source: sources.near(rule.path), path: rule.path.join(".") })),
  );
  if (violations.length > 0 || checked.settings === undefined) throw new SettingsError(violations.sort(byPlace));

  const settings = checked.settings;
  const state = stateFolder(options.env);
  if (state !== undefined) {
    settings.auth.tokenFile ??= join(state, "token");
    settings.store.folder ??= join(state, "store");
    settings.takeover.socketFile ??= join(state, "takeover.sock");
  }
  return {
    settings,
    fileName: file?.name,
    passedOver: passedOver(options),
    warnings: checked.warnings,
    entries: entriesOf(settings, sources),
  };
}

/** Variables and flags first, then the file from top to bottom. */
function byPlace(left: SettingViolation, right: SettingViolation): number {
  const lineOf = ({ source }: SettingViolation) => (source.kind === "file" ? (source.line ?? 0) : -1);
  return lineOf(left) - lineOf(right);
}

interface Sources {
  /** The last one who said something about a setting, or about the nearest thing around it. */
  near(path: readonly PropertyKey[]): SettingSource;
  /** The last one who gave a setting its value. */
  exact(path: readonly PropertyKey[]): SettingSource;
}

function sourcesOf(file: SettingsFile | undefined, overlay: readonly Assignment[]): Sources {
  const byPath = new Map(overlay.map((assignment) => [assignment.path.join("."), assignment.source]));
  const at = (path: readonly PropertyKey[]): SettingSource | undefined =>
    byPath.get(path.join(".")) ?? (file !== undefined && isIn(file.settings, path) ? file.sourceOf(path) : undefined);
  return {
    exact: (path) => at(path) ?? { kind: "default" },
    near: (path) => {
      for (let length = path.length; length > 0; length -= 1) {
        const source = at(path.slice(0, length));
        if (source !== undefined) return source;
      }
      return { kind: "default" };
    },
  };
}

function isIn(value: unknown, path: readonly PropertyKey[]): boolean {
  let inner: unknown = value;
  for (const segment of path) {
    if (typeof inner !== "object" || inner === null || !Object.hasOwn(inner, segment)) return false;
    inner = (inner as Record<PropertyKey, unknown>)[segment];
  }
  return true;
}

function namesIn(record: unknown): readonly string[] {
  return [...new Set(["default", ...(isObject(record) ? Object.keys(record).filter(isName) : [])])];
}

interface Checked {
  readonly settings: Settings | undefined;
  readonly broken: readonly BrokenRule[];
  readonly warnings: readonly string[];
}

/** The schema's rules, and the rules between settings as far as the schema lets them be looked at. */
function check(input: Layer): Checked {
  const whole = settingsSchema.safeParse(input);
  const unnamed = forbiddenNames(input);
  if (whole.success && unnamed.length === 0) return { settings: whole.data, ...checkSettings(whole.data, machineDisk) };
  const issues = whole.success ? [] : whole.error.issues.flatMap((issue) => explainIssue(issue, input));
  const isNamed = ({ path }: BrokenRule) => path.at(-1) !== "__proto__";
  const broken = [...unnamed, ...issues.filter(isNamed)];
  const remaining = withoutBroken(input);
  const further = remaining === undefined ? [] : checkSettings(remaining, machineDisk).broken;
  const isNew = (rule: BrokenRule) => !broken.some(({ path }) => overlaps(path, rule.path));
  return { settings: undefined, broken: [...broken, ...further.filter(isNew)], warnings: [] };
}

/** The schema library leaves a key called `__proto__` out without a word. */
function forbiddenNames(value: unknown, path: readonly PropertyKey[] = []): readonly BrokenRule[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) =>
    key === "__proto__"
      ? [{ path: [...path, key], problem: "is not a setting" }]
      : forbiddenNames(child, [...path, key]),
  );
}

/** What is left when everything that the schema refuses has its default; `undefined` when that is not enough. */
function withoutBroken(input: Layer): Settings | undefined {
  const rest = structuredClone(input);
  // A value first, then the group around it: one that lacks something cannot be mended by taking more out.
  for (let levelsUp = 0; levelsUp < 3; levelsUp += 1) {
    const parsed = settingsSchema.safeParse(rest);
    if (parsed.success) return parsed.data;
    for (const issue of parsed.error.issues) {
      const keys = issue.code === "unrecognized_keys" ? issue.keys : [undefined];
      for (const key of keys) {
        const path = key === undefined ? issue.path.slice(0, issue.path.length - levelsUp) : [...issue.path, key];
        const row = path.findIndex((segment) => typeof segment === "number");
        remove(rest, row < 0 ? path : path.slice(0, row));
      }
    }
  }
  return undefined;
}

function remove(value: unknown, path: readonly PropertyKey[]): void {
  let target = value;
  for (const segment of path.slice(0, -1)) target = (target as Record<PropertyKey, unknown> | undefined)?.[segment];
  if (isObject(target)) delete target[String(path.at(-1))];
}

function overlaps(left: readonly PropertyKey[], right: readonly PropertyKey[]): boolean {
  const shorter = Math.min(left.length, right.length);
  return left.slice(0, shorter).every((segment, at) => String(segment) === String(right[at]));
}

function entriesOf(settings: Settings, sources: Sources): readonly SettingEntry[] {
  return settingsCatalog.flatMap((setting) =>
    pathsOf(setting, settings).map((path) => ({
      path,
      setting,
      value: valueAt(settings, path),
      source: sources.exact(path),
    })),
  );
}

function pathsOf(setting: Setting, settings: Settings): readonly (readonly string[])[] {
  if (!setting.path.includes(anyName)) return [setting.path];
  const record = setting.path[0] === "profiles" ? settings.profiles : settings.credentials;
  return Object.keys(record).map((name) => setting.path.map((segment) => (segment === anyName ? name : segment)));
}

function valueAt(settings: Settings, path: readonly string[]): unknown {
  let value: unknown = settings;
  for (const segment of path) value = isObject(value) ? value[segment] : undefined;
  return value;
}
