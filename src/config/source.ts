/**
 * Where a setting came from, and what is wrong with it: the words of `load.ts` for its callers.
 */

export type SettingSource =
  | { readonly kind: "default" }
  | { readonly kind: "file"; readonly file: string; readonly line: number | undefined }
  | { readonly kind: "variable"; readonly name: string }
  | { readonly kind: "flag"; readonly name: string };

/** One thing that is wrong. Never holds a secret. */
export interface SettingViolation {
  readonly source: SettingSource;
  /** The path of the setting, such as `grpc.port`. Empty when it is about the whole source. */
  readonly path: string;
  /** What is wrong and what would be right. */
  readonly problem: string;
}

/** Every setting that is wrong, at once. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
  readonly violations: readonly SettingViolation[];

  constructor(violations: readonly SettingViolation[]) {
    super(violations.map(violationText).join("\n"));
    this.violations = violations;
  }
}

/** `claude-runner.yaml:12`, `CLAUDE_RUNNER_GRPC_PORT`, `--grpc-port`, `default`. */
export function sourceText(source: SettingSource): string {
  switch (source.kind) {
    case "default":
      return "default";
    case "file":
      return source.line === undefined ? source.file : `${source.file}:${source.line}`;
    case "variable":
    case "flag":
      return source.name;
    default:
      return source satisfies never;
  }
}

export function violationText({ source, path, problem }: SettingViolation): string {
  const where = source.kind === "default" ? "" : `${sourceText(source)}: `;
  return `${where}${path === "" ? "" : `${path} `}${problem}`;
}
