/**
 * `claude-runner settings`: the settings in force and where each came from, or all there are.
 */
import { schemaRoot } from "../config/catalog.ts";
import type { LoadedSettings, SettingEntry } from "../config/load.ts";
import { sourceText } from "../config/source.ts";
import { redactSecrets } from "../redact.ts";
import { type CommandEntry, helpSection } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { addSettingsOptions, passedOverText, settingsOf } from "./settings-options.ts";
import type { Terminal } from "./terminal.ts";

interface SettingsOptions {
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
        "Shows every setting with its value and its source: default, line of the settings file, variable or flag. " +
          "Fails with all mistakes when there are some, so that it checks a settings file as well.",
      )
      .option("--changed", "only what is not at its default")
      .option("--json", "print one JSON object: path to value and source")
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
    terminal.stdout.write(options.json ? asJson(entries) : asText(loaded, entries, terminal));
    return exitCodes.ok;
  },
};

function asJson(entries: readonly SettingEntry[]): string {
  const byPath = Object.fromEntries(
    entries.map(({ path, value, source }) => [path.join("."), { value: value ?? null, source: sourceText(source) }]),
  );
  return redactSecrets(`${JSON.stringify(byPath, undefined, 2)}\n`);
}

function asText(loaded: LoadedSettings, entries: readonly SettingEntry[], { out }: Terminal): string {
  const rows = entries.map(({ path, value, source }) => ({
    path: path.join("."),
    value: redactSecrets(shownValue(value)),
    source: sourceText(source),
    isDefault: source.kind === "default",
  }));
  const width = Math.max(0, ...rows.map((row) => row.path.length));
  const valueWidth = Math.min(40, Math.max(0, ...rows.map((row) => row.value.length)));
  const lines = rows.map(({ path, value, source, isDefault }) => {
    const text = `${path.padEnd(width)}  ${value.padEnd(valueWidth)}  ${isDefault ? "" : source}`.trimEnd();
    return isDefault ? out.dim(text) : text;
  });
  const file = loaded.fileName === undefined ? "no settings file" : `settings file ${loaded.fileName}`;
  const passedOver = passedOverText(loaded);
  const notes = [
    ...(passedOver === undefined ? [] : [out.yellow(`# ${passedOver}`)]),
    ...loaded.warnings.map((warning) => out.yellow(`# warning: ${warning}`)),
  ];
  return `${[out.dim(`# ${file}; what has no source is a default`), ...notes, ...lines].join("\n")}\n`;
}

function shownValue(value: unknown): string {
  if (value === undefined) return "-";
  return typeof value === "string" && value !== "" && !/\s/.test(value) ? value : JSON.stringify(value);
}
