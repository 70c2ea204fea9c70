/**
 * The settings as a page of documentation, made from the same schema that checks them.
 *
 * `scripts/reference.ts` puts it into `docs/operations.md`; a test fails when the page says something else.
 */
import { anyName, flagsOfSettings, type Setting, settingsCatalog, variableOf } from "./catalog.ts";
import type { SettingTier } from "./setting-parts.ts";

/** The groups in reading order, for what is seldom changed; a group that is missing here would be missing in the page, which a test notices. */
const sections: readonly { readonly key: string; readonly title: string; readonly intro?: string }[] = [
  { key: "grpc", title: "The gRPC port" },
  { key: "web", title: "The web port" },
  { key: "admin", title: "The admin port" },
  { key: "behindProxy", title: "Behind a proxy" },
  { key: "trustedProxies", title: "Addresses of proxies" },
  { key: "forwardedHeader", title: "Forwarded addresses" },
  { key: "connections", title: "Connections" },
  { key: "auth", title: "Authentication and quotas" },
  { key: "cli", title: "Claude Code" },
  {
    key: "credentials",
    title: "Credentials",
    intro:
      "Each credential has a name, by which profiles choose it. If the settings name none, there is `default` with " +
      "`apiKeyEnv: ANTHROPIC_API_KEY` and `baseUrlEnv: ANTHROPIC_BASE_URL`. A setting never holds a secret: it names the " +
      "variable or the file that does. Both are read for each worker that starts, so a key can be changed without a restart.",
  },
  {
    key: "profiles",
    title: "Profiles",
    intro:
      "Each profile has a name, which a request gives in its field `profile`. If the settings name none, there is `default` " +
      "with every default of this table. Setting one of the limits leaves the others at their defaults.",
  },
  { key: "pool", title: "The pool" },
  { key: "queue", title: "The queue" },
  { key: "calls", title: "Calls" },
  { key: "shutdown", title: "Shutdown" },
  { key: "store", title: "The store" },
  { key: "takeover", title: "Takeover" },
  { key: "telemetry", title: "Telemetry" },
];

const essentialIntro =
  "The settings that most servers need. None of them is required: with the defaults the server serves this machine.";
const forTestsIntro =
  "There is no reason to change these on a server that people use: they let tests wait for less. `claude-runner settings` " +
  "always shows those that are changed, and the others with `--all`.";

/** Markdown, from `### Essential` on. */
export function settingsReference(): string {
  const known = new Set(sections.map(({ key }) => key));
  const forgotten = settingsCatalog.find(({ path }) => !known.has(path[0] ?? ""));
  if (forgotten !== undefined) throw new Error(`bug: no section for the setting ${forgotten.path.join(".")}`);
  const of = (tier: SettingTier) => settingsCatalog.filter((setting) => setting.tier === tier);
  const seldom = sections.map(({ key, ...about }) => ({
    ...about,
    settings: of("seldom").filter(({ path }) => path[0] === key),
  }));
  return [
    { title: "Essential", intro: essentialIntro, settings: of("essential") },
    ...seldom.filter(({ settings }) => settings.length > 0),
    { title: "For tests", intro: forTestsIntro, settings: of("forTests") },
  ]
    .map(section)
    .join("\n");
}

interface Section {
  readonly title: string;
  readonly intro?: string;
  readonly settings: readonly Setting[];
}

function section({ title, intro, settings }: Section): string {
  const rows = settings.flatMap((setting) => [
    row(setting),
    ...setting.columns.map((column) => columnRow(setting, column)),
  ]);
  return [
    `### ${title}`,
    "",
    ...(intro === undefined ? [] : [intro, ""]),
    "| setting | value | default | meaning |",
    "|---|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}

function row(setting: Setting): string {
  const path = setting.path.map((segment) => (segment === anyName ? "<name>" : segment)).join(".");
  const variable = variableOf(setting.path.map((segment) => (segment === anyName ? "NAME" : segment)));
  const flags = flagsOfSettings.filter((one) => one.path === path).map(({ flag }) => `\`${flag}\``);
  const names = [`**\`${path}\`**`, `\`${variable}\``, ...flags].join("<br>");
  return tableRow(names, setting);
}

/** A member of a list of objects has no variable of its own. */
function columnRow(table: Setting, column: Setting): string {
  return tableRow(`**\`${table.path.join(".")}[].${column.path.join(".")}\`**`, column);
}

function tableRow(names: string, setting: Setting): string {
  const meaning = setting.when === undefined ? setting.description : `${setting.description} ${setting.when}`;
  const cells = [names, setting.rule, defaultOf(setting), meaning];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;
}

function defaultOf({ path, default: value, defaultText }: Setting): string {
  if (defaultText !== undefined) return defaultText;
  if (value === undefined) return "-";
  if (Array.isArray(value)) return value.length === 0 ? "none" : `\`${value.join(", ")}\``;
  if (value === "") return "empty";
  if (typeof value !== "number") return `\`${value}\``;
  const words = inWords(value, path.at(-1) ?? "");
  return words === undefined ? `\`${value}\`` : `\`${value}\` (${words})`;
}

/** A number of milliseconds or bytes for people. */
function inWords(value: number, key: string): string | undefined {
  if (key.endsWith("Ms")) {
    const units = [
      [3_600_000, "h"],
      [60_000, "min"],
      [1_000, "s"],
    ] as const;
    const unit = units.find(([size]) => value >= size && value % size === 0);
    return unit && `${value / unit[0]} ${unit[1]}`;
  }
  if (!key.endsWith("Bytes")) return undefined;
  const mebibytes = value / 1024 / 1024;
  return Number.isInteger(mebibytes) ? `${mebibytes} MiB` : undefined;
}
