/**
 * The CLI on raw pipes, launched as the server launches its workers: what a turn costs without a server.
 *
 * As little code as possible, since it is the yardstick: lines are looked at for a few marks and not parsed. Leaves out
 * everything that a service has to do for safety.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { folderVariables } from "../src/cli/start/folder-resource.ts";
import { launch } from "../src/cli/start/launch.ts";
import { defaultProfile } from "./workload.ts";

export interface RawCliOptions {
  readonly cliPath: string;
  /** The stand-in. */
  readonly baseUrl: string;
  /** Private folders of the process are in it. */
  readonly folder: string;
}

/** How long a process may take to end after the end of its input, in milliseconds. */
const endTimeoutMs = 5_000;

interface Looking {
  see(line: string): void;
  giveUp(error: Error): void;
}

export class RawCli implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #exited = Promise.withResolvers<void>();
  readonly #looking = new Set<Looking>();
  #rest = "";
  #stderr = "";

  constructor({ cliPath, baseUrl, folder }: RawCliOptions) {
    const folders = { home: join(folder, "home"), tmp: join(folder, "tmp"), cwd: join(folder, "cwd") };
    for (const path of Object.values(folders)) mkdirSync(path, { recursive: true });
    const { args, env } = launch({
      profile: defaultProfile,
      credential: { ANTHROPIC_BASE_URL: baseUrl, ANTHROPIC_API_KEY: "none-is-needed" },
      resources: folderVariables(folders),
    });
    this.#child = spawn(cliPath, [...args], { env, cwd: folders.cwd, detached: true });
    this.#child.stdout.setEncoding("utf8").on("data", (chunk: string) => this.#read(chunk));
    this.#child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      this.#stderr = (this.#stderr + chunk).slice(-2_000);
    });
    this.#child.stdin.on("error", () => undefined); // Told by `exit`.
    const gone = (how: string) => {
      for (const { giveUp } of this.#looking) giveUp(new Error(`the CLI ended (${how}) ${this.#stderr}`));
      this.#exited.resolve();
    };
    this.#child.on("error", (error) => gone(error.message));
    this.#child.once("exit", (code, signal) => gone(String(signal ?? code)));
  }

  /** Settles when the process is gone. */
  get exited(): Promise<void> {
    return this.#exited.promise;
  }

  write(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  endInput(): void {
    this.#child.stdin.end();
  }

  /** Gives each line from now on to `look` until it returns something. */
  until<T>(look: (line: string) => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const looking: Looking = {
        see: (line) => {
          const found = look(line);
          if (found === undefined) return;
          this.#looking.delete(looking);
          resolve(found);
        },
        giveUp: reject,
      };
      this.#looking.add(looking);
    });
  }

  async control(request: object): Promise<unknown> {
    const id = randomUUID();
    const reply = this.until((line) => (line.includes(id) ? line : undefined));
    this.write(JSON.stringify({ type: "control_request", request_id: id, request }));
    const { response } = JSON.parse(await reply) as { response: { subtype: string; response?: unknown } };
    if (response.subtype !== "success")
      throw new Error(`the CLI refused a control request: ${JSON.stringify(response)}`);
    return response.response;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.endInput();
    const timer = setTimeout(() => {
      if (this.#child.pid !== undefined && this.#child.exitCode === null) process.kill(-this.#child.pid, "SIGKILL");
    }, endTimeoutMs);
    await this.#exited.promise;
    clearTimeout(timer);
  }

  #read(chunk: string): void {
    const lines = (this.#rest + chunk).split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) for (const { see } of this.#looking) see(line);
  }
}

/** What the sides of a comparison measure of a turn. */
export interface TurnTimes {
  /** From handing over the prompt to the first text of the answer, in milliseconds. */
  readonly firstTextMs: number;
  /** From handing over the prompt to the result, in milliseconds. */
  readonly totalMs: number;
}

export function promptLine(uuid: string, prompt: string): string {
  return JSON.stringify({
    type: "user",
    message: { role: "user", content: prompt },
    parent_tool_use_id: null,
    session_id: "",
    uuid,
    client_composed: true,
  });
}

/** A marker cannot be in the model's words: there every quote has a backslash before it. */
const resultMark = '"type":"result"';
const textMark = '"type":"text_delta"';

/** Looks at lines for the times of a turn that began at `startedAtMs`. */
export function timesOfTurn(startedAtMs: number): (line: string) => TurnTimes | undefined {
  let firstTextMs: number | undefined;
  return (line) => {
    if (firstTextMs === undefined && line.includes(textMark)) firstTextMs = performance.now() - startedAtMs;
    if (!line.includes(resultMark)) return undefined;
    const totalMs = performance.now() - startedAtMs;
    if (firstTextMs === undefined) throw new Error(`a turn without text: ${line.slice(0, 500)}`);
    return { firstTextMs, totalMs };
  };
}
