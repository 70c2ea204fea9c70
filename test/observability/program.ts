/**
 * A program that serves while a test looks at it: started, waited for until it is ready, ended for good.
 */
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { until } from "./until.ts";

/** How long it may take to end, in milliseconds, before it is killed. */
const endTimeoutMs = 10_000;
/** How much of what it said is kept, in characters. */
const maxOutputChars = 16_384;

export interface ProgramOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Answers well once the program is ready. */
  readonly readyUrl: string;
}

/** Starts it, and waits until it is ready. Throws with what it said if it ends before that. */
export async function startProgram({ command, args, env, readyUrl }: ProgramOptions): Promise<AsyncDisposable> {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let how: string | undefined;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-maxOutputChars);
    });
  }
  const ended = new Promise<void>((resolve) => {
    const settle = (what: string) => {
      how ??= what;
      resolve();
    };
    child.once("error", (error) => settle(error.message));
    child.once("close", (code, signal) => settle(signal ?? `exit code ${code}`));
  });
  const stop = async () => {
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), endTimeoutMs);
    await ended;
    clearTimeout(timer);
  };
  try {
    await until(`${command} is ready`, async () => {
      if (how !== undefined) return "ended";
      return (await fetch(readyUrl)).ok ? "ready" : undefined;
    });
    if (how !== undefined) throw new Error(`${command} has ended (${how})`);
  } catch (error) {
    await stop();
    throw new Error(`${command} did not start:\n${output}`, { cause: error });
  }
  return { [Symbol.asyncDispose]: stop };
}

/** A port on loopback that nobody listened on a moment ago, for programs that have to be told one. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
