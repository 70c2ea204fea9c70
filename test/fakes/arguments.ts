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
  /** How its session is kept: not at all, under a new id, or as one that goes on. */
  readonly session: { readonly kind: "forgotten" } | { readonly kind: "begun" | "resumed"; readonly id: string };
}

export function readArguments(args: readonly string[], version: string): Arguments {
  /** `--name=value` or `--name value`. */
  const valueAfter = (name: string): string | undefined => {
    const joined = args.find((arg) => arg.startsWith(`--${name}=`));
    if (joined !== undefined) return joined.slice(name.length + 3);
    const at = args.indexOf(`--${name}`);
    return at < 0 ? undefined : args[at + 1];
  };
  const begun = valueAfter("session-id");
  const resumed = valueAfter("resume");
  return {
    asksVersion: args.includes("--version") || args.includes("-v"),
    version: /\d+\.\d+\.\d+/u.exec(version)?.[0] ?? version,
    isBare: args.includes("--bare"),
    model: valueAfter("model") ?? "claude-opus-5-5",
    effort: valueAfter("effort") ?? "medium",
    permissionMode: valueAfter("permission-mode") ?? "default",
    systemPrompt: valueAfter("system-prompt"),
    session:
      resumed !== undefined
        ? { kind: "resumed", id: resumed }
        : begun !== undefined && !args.includes("--no-session-persistence")
          ? { kind: "begun", id: begun }
          : { kind: "forgotten" },
    tools: (valueAfter("tools") ?? "").split(",").filter((tool) => tool !== ""),
  };
}
