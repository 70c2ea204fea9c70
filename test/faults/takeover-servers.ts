/**
 * Servers in processes of their own that take over from each other: `claude-runner serve --takeover` with one settings
 * file, on the fake CLI.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { sha256Of } from "../../src/policy/auth.ts";
import type { LogLine } from "../e2e/log-book.ts";
import { type SettingsInput, tenants } from "../e2e/scene.ts";
import { type FakeCli, makeFakeCli, type RecordEntry } from "../fakes/fake-cli.ts";
import { until } from "../until.ts";
import { isAlive } from "./processes.ts";

const program = fileURLToPath(new URL("../../bin/claude-runner.js", import.meta.url));

export interface TakeoverServer extends StartedProcess {
  readonly grpcPort: number;
  readonly webPort: number;
  readonly adminPort: number;
}

/** A process, whether or not it becomes a server. */
export interface StartedProcess {
  readonly process: ChildProcess;
  readonly lines: readonly LogLine[];
  /** Everything on stderr that is no log line. */
  readonly words: readonly string[];
  readonly exited: Promise<number | null>;
  said(message: string | RegExp): Promise<LogLine>;
}

export class TakeoverServers implements AsyncDisposable {
  readonly folder: string;
  readonly fake: FakeCli;
  readonly #started: StartedProcess[] = [];

  /** `folder`: for everything that the servers keep; the caller's to remove. */
  static async open(folder: string): Promise<TakeoverServers> {
    return new TakeoverServers(folder, await makeFakeCli());
  }

  private constructor(folder: string, fake: FakeCli) {
    this.folder = folder;
    this.fake = fake;
  }

  get socketFile(): string {
    return join(this.folder, "state", "takeover.sock");
  }

  /** Starts `serve`, with the settings that all have and those that this one has. */
  async launch(
    args: readonly string[] = [],
    settings: SettingsInput = {},
    wrap: readonly string[] = [],
  ): Promise<StartedProcess> {
    const config = join(this.folder, `settings-${this.#started.length}.yaml`);
    const all: SettingsInput = {
      grpc: { port: 0 },
      web: { port: 0 },
      admin: { port: 0 },
      profiles: { default: { minSpares: 1, maxWorkers: 12 } },
      ...settings,
      cli: { path: this.fake.path, workFolder: this.folder },
      credentials: settings.credentials ?? { default: { baseUrl: "http://127.0.0.1:9", apiKeyEnv: "STANDIN_KEY" } },
      auth: { tokens: [{ tenant: "acme", sha256: sha256Of(tenants.acme) }], maxTurnsInFlightPerTenant: 100 },
      takeover: { socketFile: this.socketFile, ...settings.takeover },
    };
    await writeFile(config, JSON.stringify(all));
    const [file = "", ...rest] = [...wrap, process.execPath, program, "serve", "--config", config, ...args];
    const child = spawn(file, rest, {
      cwd: this.folder,
      env: { PATH: process.env.PATH, HOME: this.folder, STANDIN_KEY: "none" },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const lines: LogLine[] = [];
    const words: string[] = [];
    createInterface({ input: child.stderr }).on("line", (line) => {
      if (line.startsWith("{")) lines.push(JSON.parse(line) as LogLine);
      else words.push(line);
    });
    const fits = (message: string | RegExp) => (line: LogLine) =>
      typeof message === "string" ? line.message === message : message.test(line.message);
    const started: StartedProcess = {
      process: child,
      lines,
      words,
      exited: once(child, "close").then(([code]) => code as number | null),
      async said(message) {
        await until(() => lines.some(fits(message)) || child.exitCode !== null);
        const found = lines.find(fits(message));
        if (found === undefined) throw new Error(`the server ended and never said: ${message} ${words.join(" ")}`);
        return found;
      },
    };
    this.#started.push(started);
    return started;
  }

  /** The same until it serves. */
  async serve(args: readonly string[] = [], settings: SettingsInput = {}): Promise<TakeoverServer> {
    return serverOf(await this.launch(args, settings));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { process: child, exited } of this.#started) {
      child.kill("SIGKILL");
      await exited;
    }
    for (const { pid } of (await this.fake.record()).filter(({ started }: RecordEntry) => started !== undefined)) {
      if (isAlive(pid)) process.kill(pid, "SIGKILL");
    }
    await this.fake[Symbol.asyncDispose]();
  }
}

/** A process that has become a server. */
export async function serverOf(started: StartedProcess): Promise<TakeoverServer> {
  const { grpc, web, admin } = await started.said("claude-runner has started");
  const portOf = (address: unknown) => Number(String(address).split(":").at(-1));
  return { ...started, grpcPort: portOf(grpc), webPort: portOf(web), adminPort: portOf(admin) };
}
