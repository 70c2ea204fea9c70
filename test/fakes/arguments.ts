/** What the fake makes of the arguments with which the CLI is launched. Those that it does not need are ignored. */

export interface Arguments {
  readonly asksVersion: boolean;
  readonly version: string;
  readonly isBare: boolean;
  readonly model: string;
  readonly effort: string;
  readonly permissionMode: string;
  readonly systemPrompt: string | undefined;
  readonly tools: readonly string[];
}

export function readArguments(args: readonly string[], version: string): Arguments {
  /** `--name=value` or `--name value`. */
  const valueAfter = (name: string): string | undefined => {
    const joined = args.find((arg) => arg.startsWith(`--${name}=`));
    if (joined !== undefined) return joined.slice(name.length + 3);
    const at = args.indexOf(`--${name}`);
    return at < 0 ? undefined : args[at + 1];
  };
  return {
    asksVersion: args.includes("--version") || args.includes("-v"),
    version: /\d+\.\d+\.\d+/u.exec(version)?.[0] ?? version,
    isBare: args.includes("--bare"),
    model: valueAfter("model") ?? "claude-opus-5-5",
    effort: valueAfter("effort") ?? "medium",
    permissionMode: valueAfter("permission-mode") ?? "default",
    systemPrompt: valueAfter("system-prompt"),
    tools: (valueAfter("tools") ?? "").split(",").filter((tool) => tool !== ""),
  };
}
