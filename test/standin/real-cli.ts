/**
 * Drives the real CLI directly, without anything of the project between: what the stand-in promises is promised about
 * this program. One process, one turn after another.
 */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

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

export interface CliMessage {
  readonly type: string;
  readonly subtype?: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into whatever the CLI writes
  readonly [member: string]: any;
}

export interface RealCli extends AsyncDisposable {
  /** Sends a control request and returns its reply. */
  control(request: object): Promise<CliMessage>;
  /** Runs one turn and returns everything that was written in it. */
  turn(prompt: string): Promise<readonly CliMessage[]>;
}

export interface RealCliOptions {
  readonly path: string;
  readonly baseUrl: string;
  /** Built-in tools, as for `--tools`. */
  readonly tools?: string;
  readonly permissionMode?: string;
}

/** Starts the CLI with nothing of this machine's user: an empty environment, folders of its own, a key that is none. */
export async function startRealCli(options: RealCliOptions): Promise<RealCli> {
  const folder = await mkdtemp(join(tmpdir(), "real-cli-"));
  const [home, temporary, cwd] = [join(folder, "home"), join(folder, "tmp"), join(folder, "cwd")];
  for (const made of [home, temporary, cwd]) await mkdir(made);
  const child = spawn(
    options.path,
    [
      ...["-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"],
      ...["--include-partial-messages", "--bare", "--system-prompt", "fallback", "--tools", options.tools ?? ""],
      ...["--strict-mcp-config", "--setting-sources", "", "--no-session-persistence"],
      ...["--permission-mode", options.permissionMode ?? "dontAsk", "--model", "claude-opus-5-5"],
    ],
    {
      cwd,
      stdio: ["pipe", "pipe", "ignore"],
      env: {
        HOME: home,
        TMPDIR: temporary,
        PATH: "/usr/bin:/bin",
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
    },
  );
  const exited = once(child, "exit");
  const listeners = new Set<(message: CliMessage) => void>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    for (const listener of [...listeners]) listener(JSON.parse(line) as CliMessage);
  });

  /** Everything from now up to a message. Rejects when the process ends before it. */
  const until = (isLast: (message: CliMessage) => boolean) => {
    const { promise, resolve, reject } = Promise.withResolvers<readonly CliMessage[]>();
    const messages: CliMessage[] = [];
    const listener = (message: CliMessage) => {
      messages.push(message);
      if (isLast(message)) resolve(messages);
    };
    listeners.add(listener);
    exited.then(([code]) => reject(new Error(`the CLI ended with ${code} before it was done`)));
    return promise.finally(() => listeners.delete(listener));
  };
  const write = (line: object) => child.stdin.write(`${JSON.stringify(line)}\n`);

  return {
    async control(request) {
      const id = randomUUID();
      const replied = until((message) => message.type === "control_response" && message.response.request_id === id);
      write({ type: "control_request", request_id: id, request });
      return (await replied).at(-1)!.response;
    },
    turn(prompt) {
      const idle = until((message) => message.subtype === "session_state_changed" && message.state === "idle");
      write({
        type: "user",
        message: { role: "user", content: prompt },
        parent_tool_use_id: null,
        session_id: "",
        uuid: randomUUID(),
        client_composed: true,
      });
      return idle;
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      const killing = setTimeout(() => child.kill("SIGKILL"), 10_000);
      await exited;
      clearTimeout(killing);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
