/**
 * A whole server for a test file: the composition root on free loopback ports, the stand-in in the model's place, a log
 * that can be waited for, clients of any kind. `close` ends all of it.
 *
 * The real CLI runs unless `cli.path` names another program. Nothing of the user's environment reaches it.
 */
import { mkdtemp, readdir, readFile, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { z } from "zod";
import { settingsSchema } from "../../src/config/settings.ts";
import { type Runner, startRunner } from "../../src/main.ts";
import { sha256Of } from "../../src/policy/auth.ts";
import type { PoolSnapshot } from "../../src/pool/worker-pool.ts";
import { type Standin, startStandin } from "../../src/standin/standin-server.ts";
import { type ContractClient, grpcJsClient, type TransportTarget } from "../contract/transports.ts";
import { LogBook } from "./log-book.ts";

export type SettingsInput = z.input<typeof settingsSchema>;
export type ProfileInput = NonNullable<SettingsInput["profiles"]>[string];

export const tenants = { acme: "test-token-of-acme", umbrella: "test-token-of-umbrella" } as const;
/** What the server takes for an API key. The stand-in wants none. */
export const canaryKey = "sk-ant-api03-canary-key-of-the-operator";
/** The same for a bearer token. */
export const canaryBearer = "gw-canary-bearer-of-the-operator-0123456789";
export const model = "claude-opus-5-5";

export interface SceneOptions {
  /** Added to what a test server has, section by section. */
  readonly settings?: SettingsInput;
  /** The same for what depends on the stand-in's address. */
  readonly settingsFor?: (standinUrl: string) => SettingsInput;
  /** Variables of the server's environment that depend on it. */
  readonly env?: (standinUrl: string) => NodeJS.ProcessEnv;
  /** The name of a further credential, with a bearer token in the place of a key. */
  readonly bearerCredential?: string;
  /** Waits until workers can be reset and used again, and a spare is ready. Default true. */
  readonly untilWarm?: boolean;
}

export interface Scene {
  readonly runner: Runner;
  readonly standin: Standin;
  readonly book: LogBook;
  /** Where the workers' private folders are made. */
  readonly workFolder: string;
  readonly target: TransportTarget;
  /** A client of tenant `acme` on the gRPC port; closed with the scene. */
  readonly client: ContractClient;
  /** How many workers were given to turns so far. */
  claimCount(): number;
  /** The living processes of the workers, by worker id. */
  workerPids(): Promise<ReadonlyMap<string, number>>;
  workers(profile?: string): PoolSnapshot["profiles"][number]["workers"];
  /** The ids of the workers in a state, both by the log: `bound_idle`. */
  workersIn(state: string): readonly string[];
  close(): Promise<void>;
}

/** Starts it, and waits until it is warm. */
export async function openScene(options: SceneOptions = {}): Promise<Scene> {
  const { bearerCredential, untilWarm = true } = options;
  await using opened = new AsyncDisposableStack();
  const workFolder = await realpath(await mkdtemp(join(tmpdir(), "runner-e2e-")));
  opened.defer(() => rm(workFolder, { recursive: true, force: true }));
  const standin = await startStandin();
  opened.defer(() => standin.close());
  const bearer = bearerCredential !== undefined && {
    [bearerCredential]: { baseUrl: standin.url, authTokenEnv: "STANDIN_TOKEN" },
  };
  const settings: SettingsInput = {
    ...options.settings,
    ...options.settingsFor?.(standin.url),
    ...(bearer && { credentials: { ...options.settings?.credentials, ...bearer } }),
  };
  const book = new LogBook();
  const runner = await startRunner({
    settings: testSettings(standin.url, workFolder, settings),
    env: {
      PATH: process.env.PATH,
      HOME: workFolder,
      STANDIN_KEY: canaryKey,
      STANDIN_TOKEN: canaryBearer,
      ...options.env?.(standin.url),
    },
    log: book.log,
  });
  opened.defer(() => runner.stop({ drainTimeoutMs: 0 }));
  const target = {
    grpcPort: runner.grpcAddress.port,
    webPort: runner.webAddress?.port ?? 0,
    token: tenants.acme,
  };
  const client = grpcJsClient(`ipv4:127.0.0.1:${target.grpcPort}`, tenants.acme, settings.grpc?.tls !== undefined);
  opened.defer(() => client.close());
  const snapshotOf = (profile: string) => runner.pool.snapshot().profiles.find((of) => of.profile === profile);
  if (untilWarm) await untilSettled(book, runner);

  const parts = opened.move();
  return {
    runner,
    standin,
    book,
    workFolder,
    target,
    client,
    claimCount: () =>
      // A claimed worker whose turn is over becomes claimed once more, with the word that it is finishing.
      book.lines.filter(
        ({ message, from, to }) => message === "worker changed state" && to === "claimed" && from !== "claimed",
      ).length,
    workerPids: () => workerPids(workFolder),
    workers(profile = "default") {
      const found = snapshotOf(profile);
      if (found === undefined) throw new Error(`there is no profile ${profile}`);
      return found.workers;
    },
    workersIn(state) {
      const states = new Map<unknown, unknown>();
      for (const { message, workerId, to } of book.lines) {
        if (message === "worker changed state") states.set(workerId, to);
      }
      return [...states].flatMap(([workerId, to]) => (to === state ? String(workerId) : []));
    },
    close: () => parts.disposeAsync(),
  };
}

/** Settings of a test server: free ports, two tenants, one warm profile, no repeated upstream requests. */
export function testSettings(standinUrl: string, workFolder: string, change: SettingsInput = {}) {
  const { profiles, ...sections } = change;
  return settingsSchema.parse({
    ...sections,
    grpc: { port: 0, ...change.grpc },
    web: { port: 0, ...change.web },
    admin: { enabled: false, port: 0, ...change.admin },
    auth: {
      tokens: Object.entries(tenants).map(([tenant, token]) => ({ tenant, sha256: sha256Of(token) })),
      ...change.auth,
    },
    cli: { workFolder, ...change.cli },
    credentials: { default: { baseUrl: standinUrl, apiKeyEnv: "STANDIN_KEY" }, ...change.credentials },
    pool: { startTimeoutMs: 60_000, ...change.pool },
    profiles: Object.fromEntries(
      Object.entries(profiles ?? { default: {} }).map(([name, profile]) => [
        name,
        // A test counts on every place, whoever has the others.
        { model, minSpares: 1, maxWorkers: 4, keptPlaces: 0, upstreamMaxRetries: 0, ...profile },
      ]),
    ),
    telemetry: { prometheus: false, ...change.telemetry },
  });
}

/** Until the CLI was probed, and every profile that keeps spares has one. Where none does, nothing happens before a turn. */
async function untilSettled(book: LogBook, runner: Runner): Promise<void> {
  if (runner.pool.snapshot().profiles.every(({ workers }) => workers.starting === 0)) return;
  await book.wait(({ message }) => message.startsWith("Claude Code can"));
  const isWarm = () => runner.pool.snapshot().profiles.every(({ workers }) => workers.starting === 0);
  while (!isWarm()) await book.wait(({ from }) => from === "starting", book.position);
}

/** Every worker's folder says which process works in it. */
async function workerPids(workFolder: string): Promise<ReadonlyMap<string, number>> {
  const pids = new Map<string, number>();
  for (const base of await readdir(workFolder)) {
    for (const id of await readdir(join(workFolder, base)).catch(() => [])) {
      try {
        const mark = JSON.parse(await readFile(join(workFolder, base, id, "process.json"), "utf8")) as { pid: number };
        pids.set(id, mark.pid);
      } catch {
        // Its folder is just being made or swept.
      }
    }
  }
  return pids;
}
