/**
 * The options by which settings are given on a command line, alike for every command that reads settings.
 */
import { type Command, Option } from "commander";
import { findSetting, flagsOfSettings } from "../config/catalog.ts";
import { type FlagSetting, flagSettingOf } from "../config/environment.ts";
import { type LoadedSettings, loadSettings } from "../config/load.ts";
import { UsageError } from "./command.ts";
import type { Terminal } from "./terminal.ts";

const heading = "Settings:";
const seldomHeading = "Settings that are seldom changed:";

export function addSettingsOptions(command: Command): void {
  command.addOption(
    new Option(
      "-c, --config <file>",
      "the settings file (CLAUDE_RUNNER_CONFIG, else ~/.config/claude-runner/claude-runner.yaml)",
    ).helpGroup(heading),
  );
  for (const { flag, path, value } of flagsOfSettings) {
    const setting = findSetting(path.split("."));
    const described = value === undefined ? firstSentence(setting?.description ?? "") : switchText[flag];
    const option = new Option(value === undefined ? `${flag} <${argumentOf(path)}>` : flag, described ?? "");
    // `--no-web` would otherwise show "(default: true)".
    command.addOption(option.helpGroup(setting?.tier === "essential" ? heading : seldomHeading));
  }
  command.addOption(
    new Option(
      "--set <path=value...>",
      "any setting by its path, such as queue.timeoutMs=5000; `claude-runner settings` lists them",
    )
      .argParser((text: string, before: readonly string[] | undefined) => [...(before ?? []), text])
      .helpGroup(seldomHeading),
  );
}

/** What a switch does, where the setting's own words describe its opposite. */
const switchText: Readonly<Record<string, string>> = {
  "--no-web": "do not open the web port",
  "--no-admin": "do not open the admin port",
  "--behind-proxy": "a proxy in front does TLS",
  "--insecure-no-auth": "let anyone on this machine call",
};

function argumentOf(path: string): string {
  const key = path.split(".").at(-1) ?? "";
  return { logLevel: "level", otlpEndpoint: "url" }[key] ?? key;
}

function firstSentence(text: string): string {
  const sentence = text.split(/[.;] /, 1)[0] ?? "";
  return sentence.replace(/\.$/, "").replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase());
}

/** The settings as this command line has them. Throws SettingsError, or UsageError for a `--set` without a value. */
export function settingsOf(terminal: Terminal, command: Command): LoadedSettings {
  const options = command.opts<Record<string, unknown>>();
  const flags: FlagSetting[] = [];
  for (const { flag, path, value } of flagsOfSettings) {
    const option = command.options.find((one) => one.long === flag);
    const key = option?.attributeName() ?? "";
    if (command.getOptionValueSource(key) !== "cli") continue;
    flags.push({ flag, path, value: value ?? String(options[key]) });
  }
  for (const text of (options.set as readonly string[] | undefined) ?? []) {
    const setting = flagSettingOf(text);
    if (setting === undefined) throw new UsageError(`--set ${text.split("=", 1)[0]}: must be path=value`);
    flags.push(setting);
  }
  const configFile = options.config as string | undefined;
  return loadSettings({ env: terminal.env, workingFolder: terminal.workingFolder, configFile, flags });
}

/** A line for a person who expects the working folder's file to count; `undefined` where there is none. */
export function passedOverText({ passedOver }: Pick<LoadedSettings, "passedOver">): string | undefined {
  if (passedOver === undefined) return undefined;
  return `${passedOver} of this folder is not used: name it with --config ${passedOver}`;
}
