/**
 * A server under test as a scenario sees it: where it is, what opens it, what its workers do.
 */
import { createHash, randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Child } from "./child.ts";
import type { Commands } from "./child-commands.ts";
import type { Bench } from "./scenario.ts";
import type { ServerCommands } from "./server-process.ts";
import type { StandinCommands } from "./standin-process.ts";
import type { ServerTarget } from "./turn-client.ts";

export interface ServerOptions {
  readonly bench: Bench;
  /** Profiles as an operator writes them. */
  readonly profiles: Readonly<Record<string, object>>;
  /** Where the model API is. */
  readonly baseUrl: string;
  /** The program of the workers. Default: the one under test. */
  readonly cliPath?: string;
  /** Who may call. Default: one tenant, whose token is the target's. */
  readonly tenants?: readonly string[];
  readonly pool?: object;
  readonly queue?: object;
  readonly telemetry?: object;
  /** Where turns and sessions are kept. Default: in memory. */
  readonly store?: object;
  readonly calls?: object;
  /** Default: `server-process.ts`. */
  readonly script?: URL;
}

/** Starts may take this long, in milliseconds; then something is wrong. */
const readyTimeoutMs = 60_000;
const apiKeyFileName = "api-key";

export class BenchServer implements AsyncDisposable {
  readonly target: ServerTarget;
  readonly #tokens: ReadonlyMap<string, string>;
  readonly #child: Child<ServerCommands>;
  readonly #bench: Bench;

  static async start(options: ServerOptions): Promise<BenchServer> {
    const { bench, script = new URL("server-process.ts", import.meta.url) } = options;
    const tokens = new Map((options.tenants ?? ["bench"]).map((tenant) => [tenant, randomUUID()]));
    await writeFile(join(bench.folder, apiKeyFileName), "none-is-needed", { mode: 0o600 });
    const child = new Child<ServerCommands>({
      name: "server",
      script,
      folder: bench.folder,
      signal: bench.signal,
      nodeFlags: [...bench.nodeFlags, ...profiling(bench)],
    });
    try {
      const ports = await child.call("start", settings(options, tokens));
      return new BenchServer(ports, tokens, child, bench);
    } catch (error) {
      await child[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor(
    ports: Omit<ServerTarget, "token">,
    tokens: ReadonlyMap<string, string>,
    child: Child<ServerCommands>,
    bench: Bench,
  ) {
    const [token = ""] = tokens.values();
    this.target = { ...ports, token };
    this.#tokens = tokens;
    this.#child = child;
    this.#bench = bench;
  }

  get pid(): number {
    return this.#child.pid;
  }

  tokenOf(tenant: string): string {
    const token = this.#tokens.get(tenant);
    if (token === undefined) throw new Error(`the server has no tenant ${tenant}`);
    return token;
  }

  /** The pool as it is. */
  pool() {
    return this.#child.call("workers");
  }

  figures() {
    return this.#child.call("figures");
  }

  /** Waits until a profile has so many spares, and nothing of it is starting or ending. */
  async spares(profile: string, count: number): Promise<void> {
    await this.#until(`${count} spares of ${profile}`, async () => {
      const { profiles } = await this.#child.call("workers");
      const found = profiles.find((one) => one.profile === profile);
      return (
        found !== undefined && found.workers.spare >= count && found.workers.starting + found.workers.stopping === 0
      );
    });
  }

  /** Waits until no worker is left, in any profile. */
  async empty(): Promise<void> {
    await this.#until("the end of all workers", async () => (await this.pool()).workers.length === 0);
  }

  /** Waits until no turn has a worker, and none waits for one. */
  async quiet(): Promise<void> {
    await this.#until("the end of all turns", async () => {
      const { workers, profiles } = await this.pool();
      return workers.every(({ turnId }) => turnId === undefined) && profiles.every((one) => one.waitingCount === 0);
    });
  }

  async #until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    const giveUpAtMs = performance.now() + readyTimeoutMs;
    while (!(await isSo())) {
      if (performance.now() > giveUpAtMs) throw new Error(`waited for ${what} in vain`);
      await sleep(20, undefined, { signal: this.#bench.signal });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }
}

/** The defaults, but for ports, credential and bounds that the load of a bench would meet. */
function settings(options: ServerOptions, tokens: ReadonlyMap<string, string>): object {
  const { profiles, baseUrl, cliPath, bench, pool = {}, queue = {}, telemetry = {}, store, calls = {} } = options;
  return {
    grpc: { port: 0, maxConcurrentStreams: 2_000 },
    web: { port: 0 },
    admin: { port: 0 },
    auth: {
      tokens: [...tokens].map(([tenant, token]) => ({
        tenant,
        sha256: createHash("sha256").update(token).digest("hex"),
      })),
      maxTurnsInFlightPerTenant: 10_000,
    },
    cli: { path: cliPath ?? bench.cliPath },
    credentials: { default: { baseUrl, apiKeyFile: join(bench.folder, apiKeyFileName) } },
    profiles,
    pool,
    queue,
    telemetry,
    calls,
    ...(store && { store }),
  };
}

function profiling({ cpuProfileFolder }: Bench): readonly string[] {
  return cpuProfileFolder === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${cpuProfileFolder}`];
}

/** The stand-in for the model API. */
export class BenchStandin implements AsyncDisposable {
  readonly url: string;
  readonly #child: Child<Commands>;

  static async start(bench: Bench): Promise<BenchStandin> {
    const child = new Child<StandinCommands>({
      name: "standin",
      script: new URL("standin-process.ts", import.meta.url),
      folder: bench.folder,
      signal: bench.signal,
    });
    try {
      const { url } = await child.call("start");
      return new BenchStandin(url, child);
    } catch (error) {
      await child[Symbol.asyncDispose]();
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid;
  }

  private constructor(url: string, child: Child<StandinCommands>) {
    this.url = url;
    this.#child = child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }
}
