/**
 * `claude-runner settings`: the settings in force and where each came from, or all there are.
 */
import { schemaRoot } from "../config/catalog.ts";
import type { LoadedSettings, SettingEntry } from "../config/load.ts";
import type { SettingTier } from "../config/setting-parts.ts";
import { sourceText } from "../config/source.ts";
import { redactSecrets } from "../redact.ts";
import { type CommandEntry, helpSection } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { addSettingsOptions, passedOverText, settingsOf } from "./settings-options.ts";
import type { Terminal } from "./terminal.ts";

interface SettingsOptions {
  readonly all?: true;
  readonly changed?: true;
  readonly json?: true;
  readonly schema?: true;
}

export const settings: CommandEntry = {
  usage: "settings",
  summary: "show the settings in force and where each comes from",
  group: "Set up",
  declare(command) {
    command
      .description(
        "Shows the settings with their values and sources (default, line of the settings file, variable or flag): first " +
          "the essential ones, then those that are seldom changed, and those for tests if they are changed. " +
          "Fails and names all errors if there are any, so it can also check a settings file.",
      )
      .option("--all", "also show settings that only tests change")
      .option("--changed", "only settings that differ from their defaults")
      .option("--json", "print one JSON object with all settings: path to value, source and tier")
      .option("--schema", "print the JSON Schema of the settings file, for editors");
    addSettingsOptions(command);
    command.addHelpText(
      "after",
      helpSection("Examples:", [
        "claude-runner settings --changed",
        "claude-runner settings --config new.yaml > /dev/null && echo fine",
        "claude-runner settings --schema > claude-runner.schema.json",
      ]),
    );
  },
  async run(terminal, command) {
    const options = command.opts<SettingsOptions>();
    if (options.schema) {
      terminal.stdout.write(`${JSON.stringify(schemaRoot, undefined, 2)}\n`);
      return exitCodes.ok;
    }
    const loaded = settingsOf(terminal, command);
    const entries = loaded.entries.filter(({ source }) => !options.changed || source.kind !== "default");
    if (options.json) {
      terminal.stdout.write(asJson(entries));
      return exitCodes.ok;
    }
    const shown = entries.filter(
      ({ setting, source }) => options.all || setting.tier !== "forTests" || source.kind !== "default",
    );
    const lines = options.changed ? rowsOf(shown, terminal) : shownByTier(shown, terminal);
    const hiddenCount = entries.length - shown.length;
    if (hiddenCount > 0) lines.push(terminal.out.dim(`# --all shows ${hiddenCount} more, which only tests change`));
    terminal.stdout.write(`${[...headOf(loaded, terminal), ...lines].join("\n")}\n`);
    return exitCodes.ok;
  },
};

function asJson(entries: readonly SettingEntry[]): string {
  const byPath = Object.fromEntries(
    entries.map(({ path, value, source, setting }) => [
      path.join("."),
      { value: value ?? null, source: sourceText(source), tier: setting.tier },
    ]),
  );
  return redactSecrets(`${JSON.stringify(byPath, undefined, 2)}\n`);
}

/** The tiers in the order in which they are shown. */
const tierTitles = {
  essential: "essential",
  seldom: "seldom changed",
  forTests: "for tests",
} as const satisfies Record<SettingTier, string>;

function shownByTier(entries: readonly SettingEntry[], terminal: Terminal): string[] {
  const lines = rowsOf(entries, terminal); // of all, so that the columns stand below each other
  return Object.entries(tierTitles).flatMap(([tier, title]) => {
    const ofTier = lines.filter((_, at) => entries[at]?.setting.tier === tier);
    return ofTier.length === 0 ? [] : [terminal.out.dim(`# ${title}`), ...ofTier];
  });
}

/** A line for each setting. */
function rowsOf(entries: readonly SettingEntry[], { out }: Terminal): string[] {
  const rows = entries.map(({ path, value, source }) => ({
    path: path.join("."),
    value: redactSecrets(shownValue(value)),
    source: sourceText(source),
    isDefault: source.kind === "default",
  }));
  const width = Math.max(0, ...rows.map((row) => row.path.length));
  const valueWidth = Math.min(40, Math.max(0, ...rows.map((row) => row.value.length)));
  return rows.map(({ path, value, source, isDefault }) => {
    const text = `${path.padEnd(width)}  ${value.padEnd(valueWidth)}  ${isDefault ? "" : source}`.trimEnd();
    return isDefault ? out.dim(text) : text;
  });
}

/** Where the settings come from, and what there is to say about them. */
function headOf(loaded: LoadedSettings, { out }: Terminal): string[] {
  const file = loaded.fileName === undefined ? "no settings file" : `settings file ${loaded.fileName}`;
  const passedOver = passedOverText(loaded);
  return [
    out.dim(`# ${file}; a value without a source is a default`),
    ...(passedOver === undefined ? [] : [out.yellow(`# ${passedOver}`)]),
    ...loaded.warnings.map((warning) => out.yellow(`# warning: ${warning}`)),
  ];
}

function shownValue(value: unknown): string {
  if (value === undefined) return "-";
  return typeof value === "string" && value !== "" && !/\s/.test(value) ? value : JSON.stringify(value);
}
