/**
 * A process of the bench's own, with a clean environment, that is asked for things over IPC: the server, the stand-in,
 * the load. The other end is `child-commands.ts`.
 *
 * Each is a session of its own, as a service is: with the bench in one session they would share its weight on the CPU,
 * and the workers, which have sessions of their own, would push them aside.
 */
import { type ChildProcess, fork } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { CommandReply, Commands } from "./child-commands.ts";

export interface ChildOptions {
  /** What it is called in messages. */
  readonly name: string;
  readonly script: URL;
  /** Its HOME and temporary folder. */
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly nodeFlags?: readonly string[];
}

/** How long it may take to end by itself, in milliseconds. */
const endTimeoutMs = 15_000;

export class Child<C extends Commands> implements AsyncDisposable {
  readonly #options: ChildOptions;
  readonly #process: ChildProcess;
  readonly #logPath: string;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #exited = Promise.withResolvers<void>();
  #lastId = 0;
  #isGone = false;

  constructor(options: ChildOptions) {
    options.signal.throwIfAborted();
    this.#options = options;
    this.#logPath = join(options.folder, `${options.name}-${crypto.randomUUID().slice(0, 8)}.log`);
    const log = openSync(this.#logPath, "a");
    this.#process = fork(fileURLToPath(options.script), [], {
      env: cleanEnvironment(options.folder),
      cwd: options.folder,
      execArgv: [...(options.nodeFlags ?? [])],
      stdio: ["ignore", log, log, "ipc"],
      detached: true,
    });
    closeSync(log);
    this.#process.on("message", (reply) => this.#settle(reply as CommandReply));
    this.#process.on("error", (error) => this.#failAll(error));
    this.#process.once("exit", (code, signal) => {
      this.#isGone = true;
      this.#failAll(new Error(`${options.name} ended early (${signal ?? code}): ${this.#logTail()}`));
      this.#exited.resolve();
    });
    options.signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  get pid(): number {
    if (this.#process.pid === undefined) throw new Error(`${this.#options.name} did not start`);
    return this.#process.pid;
  }

  /** Rejects with the child's error, when it ends, or with the signal's reason. */
  call<K extends keyof C & string>(command: K, ...input: Parameters<C[K]>): Promise<Awaited<ReturnType<C[K]>>> {
    const answer = Promise.withResolvers<unknown>();
    this.#lastId += 1;
    this.#waiting.set(this.#lastId, answer);
    if (this.#isGone) this.#failAll(new Error(`${this.#options.name} has ended: ${this.#logTail()}`));
    else this.#process.send({ id: this.#lastId, command, input: input[0] });
    return answer.promise as Promise<Awaited<ReturnType<C[K]>>>;
  }

  /** Lets it end what it started, and ends it if it does not. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#options.signal.removeEventListener("abort", this.#onAbort);
    if (this.#process.connected) this.#process.disconnect();
    const timer = setTimeout(() => this.#kill(), endTimeoutMs);
    await this.#exited.promise;
    clearTimeout(timer);
  }

  readonly #onAbort = () => this.#failAll(this.#options.signal.reason as Error);

  #settle(reply: CommandReply): void {
    const answer = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if ("error" in reply) answer?.reject(new Error(`${this.#options.name}: ${reply.error}`));
    else answer?.resolve(reply.output);
  }

  #failAll(error: Error): void {
    for (const answer of this.#waiting.values()) answer.reject(error);
    this.#waiting.clear();
  }

  #kill(): void {
    const { pid } = this.#process;
    if (pid === undefined || this.#isGone) return;
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // It ended just now.
    }
  }

  #logTail(): string {
    try {
      return readFileSync(this.#logPath, "utf8").slice(-2_000);
    } catch {
      return "no log"; // The folder is gone already.
    }
  }
}

/** Nothing of the environment of whoever runs the bench, keys least of all. */
export function cleanEnvironment(folder: string): Record<string, string> {
  return { HOME: folder, TMPDIR: folder, PATH: "/usr/local/bin:/usr/bin:/bin", LANG: "C.UTF-8" };
}
