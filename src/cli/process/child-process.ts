/**
 * One child process in a group of its own: spawn, lines in, bytes out, signals to the whole group.
 *
 * The only file that knows `child_process`. Never a shell; nothing of the server's environment is inherited. Leaves out
 * what the lines say.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import type { Clock } from "../../clock.ts";
import type { Line } from "./line-pieces.ts";

/** The tail of stderr that is kept, in bytes. */
const stderrRingBytes = 64 * 1024;
/** What is read of a process at once: a chunk of this size has more behind it. Of Node, in bytes. */
const fullChunkBytes = 64 * 1024;
/** How long to wait for the output of a process that is gone: something that left its group may hold the pipes. */
const outputAfterExitMs = 1_000;

export interface ProcessOptions {
  readonly path: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly clock: Clock;
  /** How long a line may take until the process has taken all of it, in milliseconds. */
  readonly writeTimeoutMs: number;
}

export interface ProcessExit {
  readonly code: number | null;
  readonly signal: string | null;
}

export class ChildProcess {
  readonly pid: number;
  /** Settles when the process is gone, its output is read and its group is killed. Never rejects. */
  readonly exited: Promise<ProcessExit>;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #options: ProcessOptions;
  #stderr: Buffer[] = [];
  #stderrBytes = 0;
  #isPaused = false;
  /** Settles when the line in pieces that is being written is over; absent when there is none. */
  #inPieces: Promise<void> | undefined;
  /** Whether a line was not taken in time: what is left of one in pieces is not written. */
  #isGivenUp = false;
  #isGone = false;

  /** Rejects with the system's error (ENOENT, EACCES, EMFILE, EAGAIN, …) when the program does not start. */
  static start(options: ProcessOptions): Promise<ChildProcess> {
    return new Promise((resolve, reject) => {
      // A session and so a group of its own: grandchildren are ended with it.
      const child = spawn(options.path, [...options.args], {
        cwd: options.cwd,
        env: options.env,
        stdio: ["pipe", "pipe", "pipe"],
        detached: true,
      });
      // Stays for good: a child may report several errors, and an unheard one would end the server.
      child.on("error", reject);
      // Without a process there may be no streams either, whatever the types say: out of descriptors, for instance.
      if (child.pid === undefined) return;
      child.once("spawn", () => resolve(new ChildProcess(child, options)));
    });
  }

  private constructor(child: ChildProcessWithoutNullStreams, options: ProcessOptions) {
    this.#child = child;
    this.#options = options;
    this.pid = child.pid!;
    // EPIPE and the like: whoever writes hears of it through the callback of the write.
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on("error", () => undefined);
    child.stderr.on("data", (chunk: Buffer) => this.#keepStderr(chunk));
    this.exited = this.#watch();
  }

  /** Whether it has not exited yet, as far as is known. */
  get isRunning(): boolean {
    return !this.#isGone;
  }

  /**
   * Calls `onOutput` with each piece of stdout, in order. Nothing is read before.
   *
   * libuv reads up to 32 chunks of one pipe before it looks at another. A process that floods would have most of the event
   * loop so, and a turn beside it a fraction: after a full chunk the others come first.
   */
  read(onOutput: (chunk: Buffer) => void): void {
    const { stdout } = this.#child;
    const goOn = () => {
      if (!this.#isPaused && !stdout.destroyed) stdout.resume();
    };
    stdout.on("data", (chunk: Buffer) => {
      if (chunk.length >= fullChunkBytes && !this.#isGone) {
        stdout.pause();
        setImmediate(goOn);
      }
      onOutput(chunk);
    });
  }

  /**
   * Writes a line, whole or in pieces. Resolves when the process's pipe has all of it; rejects when it never will. A line in
   * pieces is made while it is written, and those that are written meanwhile stand behind it.
   */
  write(line: Line): Promise<void> {
    if (typeof line === "string" && this.#inPieces === undefined) return this.#timed(this.#put(`${line}\n`));
    const pieces = typeof line === "string" ? [line] : line;
    const written = (this.#inPieces ?? Promise.resolve()).then(() => this.#putAll(pieces));
    const settled = written
      .catch(() => {}) // its writer hears of it
      .then(() => {
        if (this.#inPieces === settled) this.#inPieces = undefined;
      });
    this.#inPieces = settled;
    return this.#timed(written);
  }

  async #putAll(pieces: Iterable<string>): Promise<void> {
    for (const piece of pieces) {
      if (this.#isGivenUp) throw new Error("an earlier line was not read");
      await this.#put(piece);
    }
    await this.#put("\n");
  }

  #put(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#isGone || !this.#child.stdin.writable) {
        reject(new Error("the input of the process is closed"));
        return;
      }
      this.#child.stdin.write(text, (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
  }

  #timed(written: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const { clock, writeTimeoutMs } = this.#options;
      const cancelTimer = clock.after(writeTimeoutMs, () => {
        this.#isGivenUp = true;
        reject(new Error(`the process did not read its input within ${writeTimeoutMs} ms`));
      });
      written.finally(cancelTimer).then(resolve, reject);
    });
  }

  /** Stops reading stdout. stderr is always read. */
  pause(): void {
    if (this.#isPaused || this.#isGone) return;
    this.#isPaused = true;
    this.#child.stdout.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#child.stdout.resume();
  }

  endInput(): void {
    this.#child.stdin.end();
  }

  /** Signals the process and everything in its group. Once it is gone, nothing: its number may be another's. */
  signalGroup(signal: "SIGTERM" | "SIGKILL"): void {
    if (!this.#isGone) this.#signal(signal);
  }

  /** The end of what the process said on stderr. Not redacted. */
  stderrTail(): string {
    return Buffer.concat(this.#stderr).subarray(-stderrRingBytes).toString("utf8");
  }

  async #watch(): Promise<ProcessExit> {
    const child = this.#child;
    const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
    const exit = await new Promise<ProcessExit>((resolve) =>
      child.once("exit", (code, signal) => resolve({ code, signal })),
    );
    this.#isGone = true;
    // What it started outlives it, after SIGKILL for certain, and would keep the pipes open.
    this.#killOrphans();
    // What is still in the pipe is bounded: it is read whatever the reader's pace.
    this.#isPaused = false;
    child.stdout.resume();
    const { promise: timeUp, resolve } = Promise.withResolvers<void>();
    const cancelTimer = this.#options.clock.after(outputAfterExitMs, resolve);
    await Promise.race([closed, timeUp]);
    cancelTimer();
    child.stdin.destroy();
    child.stdout.destroy();
    child.stderr.destroy();
    return exit;
  }

  #killOrphans(): void {
    // The number may be another process's by now; as a group's it stays taken while a member lives.
    if (existsSync(`/proc/${this.pid}`)) return;
    this.#signal("SIGKILL");
  }

  #signal(signal: "SIGTERM" | "SIGKILL"): void {
    try {
      process.kill(-this.pid, signal);
    } catch {
      // Nobody of the group is left.
    }
  }

  #keepStderr(chunk: Buffer): void {
    this.#stderr.push(chunk);
    this.#stderrBytes += chunk.length;
    while (this.#stderrBytes - this.#stderr[0]!.length >= stderrRingBytes) {
      this.#stderrBytes -= this.#stderr.shift()!.length;
    }
  }
}

export interface Finished {
  readonly exit: ProcessExit;
  readonly stdout: string;
}

/** Runs a program to its end and gives the beginning of what it said. Rejects when it does not start or end in time. */
export async function runToEnd(
  options: Pick<ProcessOptions, "path" | "args" | "env" | "cwd" | "clock"> & { readonly timeoutMs: number },
): Promise<Finished> {
  const maxBytes = 64 * 1024;
  const chunks: Buffer[] = [];
  let bytes = 0;
  const child = await ChildProcess.start({ ...options, writeTimeoutMs: options.timeoutMs });
  child.read((chunk) => {
    if (bytes < maxBytes) chunks.push(chunk);
    bytes += chunk.length;
  });
  child.endInput();
  let isLate = false;
  const cancelTimer = options.clock.after(options.timeoutMs, () => {
    isLate = true;
    child.signalGroup("SIGKILL");
  });
  const exit = await child.exited;
  cancelTimer();
  if (isLate) throw new Error(`did not end within ${options.timeoutMs} ms`);
  return { exit, stdout: Buffer.concat(chunks).toString("utf8") };
}
