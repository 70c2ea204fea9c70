/**
 * The real CLI, launched by hand: what the stand-in promises is promised about this program. Nothing of the project is
 * between.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StreamJsonProcess } from "../fakes/stream-json-process.ts";

/** The platform's own binary that the project pins, or undefined where it is not installed. */
export function findRealCli(): string | undefined {
  const { resolve } = createRequire(import.meta.url);
  for (const libc of ["", "-musl"]) {
    try {
      return resolve(`@anthropic-ai/claude-code-${process.platform}-${process.arch}${libc}/claude`);
    } catch {
      // Not this one; npm installs only the package that fits.
    }
  }
  return undefined;
}

export interface RealCliOptions {
  readonly path: string;
  readonly baseUrl: string;
  /** Built-in tools, as for `--tools`. */
  readonly tools?: string;
  readonly permissionMode?: string;
}

class RealCli extends StreamJsonProcess {
  readonly #folder: string;

  constructor(folder: string, options: ConstructorParameters<typeof StreamJsonProcess>[0]) {
    super(options);
    this.#folder = folder;
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Starts the CLI with nothing of this machine's user: an empty environment, folders of its own, a key that is none. */
export async function startRealCli(options: RealCliOptions): Promise<StreamJsonProcess> {
  const folder = await mkdtemp(join(tmpdir(), "real-cli-"));
  const [home, temporary, cwd] = [join(folder, "home"), join(folder, "tmp"), join(folder, "cwd")];
  for (const made of [home, temporary, cwd]) await mkdir(made);
  return new RealCli(folder, {
    path: options.path,
    args: [
      ...["-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"],
      ...["--include-partial-messages", "--bare", "--system-prompt", "fallback", "--tools", options.tools ?? ""],
      ...["--strict-mcp-config", "--setting-sources", "", "--no-session-persistence"],
      ...["--permission-mode", options.permissionMode ?? "dontAsk", "--model", "claude-opus-5-5"],
    ],
    cwd,
    env: {
      HOME: home,
      TMPDIR: temporary,
      ANTHROPIC_API_KEY: "sk-ant-no-key",
      ANTHROPIC_BASE_URL: options.baseUrl,
      DISABLE_AUTOUPDATER: "1",
      DISABLE_TELEMETRY: "1",
      DISABLE_ERROR_REPORTING: "1",
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
      CLAUDE_CODE_DISABLE_ATTACHMENTS: "1",
      CLAUDE_CODE_DISABLE_FILE_MENTIONS: "1",
      CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: "1",
      CLAUDE_CODE_DISABLE_REFUSAL_RETRY: "1",
      CLAUDE_CODE_DISABLE_REFUSAL_FALLBACK: "1",
      CLAUDE_CODE_MAX_RETRIES: "1",
      CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS: "1",
    },
  });
}
