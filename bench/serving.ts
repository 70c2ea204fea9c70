/**
 * `claude-runner serve` as a person starts it, in a process of its own: for what its command line does and a server in
 * the bench's hands (`server.ts`) does not.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { cleanEnvironment } from "./child.ts";

const program = fileURLToPath(new URL("../bin/claude-runner.js", import.meta.url));
/** How long it may take to say what it is waited for, and to end, in milliseconds. */
const timeoutMs = 90_000;

type LogLine = Readonly<Record<string, unknown>> & { readonly message: string };

export class Serving implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #lines: LogLine[] = [];
  readonly #exited: Promise<unknown>;
  #words = "";

  /** `folder`: its HOME and temporary folder. */
  constructor(folder: string, args: readonly string[]) {
    this.#process = spawn(process.execPath, [program, "serve", ...args], {
      cwd: folder,
      env: cleanEnvironment(folder),
      stdio: ["ignore", "ignore", "pipe"],
      detached: true,
    });
    this.#exited = once(this.#process, "exit");
    if (this.#process.stderr === null) throw new Error("bug: a pipe was asked for");
    createInterface({ input: this.#process.stderr }).on("line", (line) => {
      if (line.startsWith("{")) this.#lines.push(JSON.parse(line) as LogLine);
      else this.#words += `${line}\n`;
    });
  }

  get pid(): number {
    if (this.#process.pid === undefined) throw new Error("the server did not start");
    return this.#process.pid;
  }

  get exitCode(): number | null {
    return this.#process.exitCode;
  }

  /** A log line, there or to come. */
  async said(message: string, signal: AbortSignal): Promise<LogLine> {
    return this.#until(() => this.#lines.find((line) => line.message === message), message, signal);
  }

  /** When it has said something, in milliseconds since 1970, each time. */
  timesOf(message: string): readonly number[] {
    return this.#lines.flatMap((line) => (line.message === message ? [Date.parse(String(line.time))] : []));
  }

  /** Waits until it has ended by itself. */
  async ended(signal: AbortSignal): Promise<void> {
    await this.#until(
      () => this.#process.exitCode ?? undefined,
      "its end",
      signal,
      () => false,
    );
  }

  /** Ends it at once, as a machine that is out of memory would. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      // Workers go with it; twice more and it ends them now.
      this.#process.kill("SIGQUIT");
      const timer = setTimeout(() => this.#process.kill("SIGKILL"), 15_000);
      await this.#exited;
      clearTimeout(timer);
    }
  }

  async #until<T>(
    find: () => T | undefined,
    what: string,
    signal: AbortSignal,
    isGone = () => this.#process.exitCode !== null,
  ): Promise<T> {
    const giveUpAtMs = performance.now() + timeoutMs;
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      if (isGone()) throw new Error(`the server ended without saying: ${what}; ${this.#words}`);
      if (performance.now() > giveUpAtMs) throw new Error(`waited for ${what} of a server in vain`);
      await sleep(20, undefined, { signal });
    }
  }
}
