/**
 * A server in a process of its own that is told to end, hurried, or killed; and what the next one makes of what is left.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Code } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Outcome, TurnResultSchema } from "../../gen/claude/runner/v1/result_pb.ts";
import { HealthCheckResponse_ServingStatus as Status } from "../../gen/grpc/health/v1/health_pb.ts";
import { sha256Of } from "../../src/policy/auth.ts";
import { type ContractClient, failureOf, grpcJsClient, transportKinds } from "../contract/transports.ts";
import { readTurn } from "../contract/turn.ts";
import type { LogLine } from "../e2e/log-book.ts";
import { tenants } from "../e2e/scene.ts";
import { type FakeCli, makeFakeCli } from "../fakes/fake-cli.ts";
import { until } from "../until.ts";
import { openFakeScene, recorded, slowAnswer } from "./fake-scene.ts";
import { isAlive, untilGone } from "./processes.ts";

const program = fileURLToPath(new URL("../../bin/claude-runner.js", import.meta.url));

interface Server {
  readonly process: ChildProcess;
  readonly lines: readonly LogLine[];
  readonly client: ContractClient;
  readonly webPort: number;
  /** A log line, there or to come. */
  said(message: string): Promise<LogLine>;
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
}

describe("a server in its own process", () => {
  let folder: string;
  let fake: FakeCli;
  const servers: Server[] = [];
  beforeEach(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), "runner-server-")));
    fake = await makeFakeCli();
  });
  afterEach(async () => {
    for (const server of servers.splice(0)) {
      server.client.close();
      server.process.kill("SIGKILL");
      await server.exited;
    }
    for (const { pid } of await recorded(fake, ({ started }) => started !== undefined)) {
      if (isAlive(pid)) process.kill(pid, "SIGKILL");
    }
    await rm(folder, { recursive: true, force: true });
    await fake[Symbol.asyncDispose]();
  });

  const serve = async (
    options: { readonly shutdown?: object; readonly maxDescriptors?: number } = {},
  ): Promise<Server> => {
    const config = join(folder, "claude-runner.yaml");
    const settings = {
      grpc: { port: 0 },
      web: { port: 0 },
      admin: { enabled: false },
      cli: { path: fake.path, workFolder: folder },
      credentials: { default: { baseUrl: "http://127.0.0.1:9", apiKeyEnv: "STANDIN_KEY" } },
      profiles: { default: { minSpares: 1, maxWorkers: 40 } },
      auth: { tokens: [{ tenant: "acme", sha256: sha256Of(tenants.acme) }], maxTurnsInFlightPerTenant: 100 },
      pool: { startFailuresToBreak: 2, startRetryMs: 200 },
      shutdown: options.shutdown ?? {},
    };
    await writeFile(config, JSON.stringify(settings));
    const command = [process.execPath, program, "serve", "--config", config];
    const limited = ["/bin/sh", "-c", `ulimit -n ${options.maxDescriptors}; exec "$@"`, "sh", ...command];
    const [file = "", ...args] = options.maxDescriptors === undefined ? command : limited;
    const child = spawn(file, args, {
      cwd: folder,
      env: { PATH: process.env.PATH, HOME: folder, STANDIN_KEY: "none" },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const lines: LogLine[] = [];
    createInterface({ input: child.stderr }).on("line", (line) => lines.push(JSON.parse(line) as LogLine));
    const said = async (message: string) => {
      const find = () => lines.find((line) => line.message === message);
      await until(() => find() !== undefined || child.exitCode !== null);
      const found = find();
      if (found === undefined) throw new Error(`the server ended and never said: ${message}`);
      return found;
    };
    const exited = once(child, "exit").then(([code, signal]) => ({ code, signal }) as Awaited<Server["exited"]>);
    const started = await said("claude-runner has started");
    const portOf = (address: unknown) => Number(String(address).split(":").at(-1));
    const server = {
      process: child,
      lines,
      client: grpcJsClient(`ipv4:127.0.0.1:${portOf(started.grpc)}`, tenants.acme),
      webPort: portOf(started.web),
      said,
      exited,
    };
    servers.push(server);
    return server;
  };

  /** A turn that runs; resolves when it has begun. */
  const begin = async ({ client }: Server, prompt: string) => {
    const started = Promise.withResolvers<string>();
    const reading = readTurn(client.streamChat({ prompt }), ({ event }) => {
      if (event.case === "started") started.resolve(event.value.workerId);
    });
    await Promise.race([started.promise, reading]);
    return { reading };
  };

  const workerPids = async () => (await recorded(fake, ({ started }) => started !== undefined)).map(({ pid }) => pid);
  const basesOf = async () => (await readdir(folder)).filter((name) => name.startsWith("claude-runner-"));

  it("that is told to end lets running turns end, refuses new ones with a push-back, and leaves nothing", async () => {
    const server = await serve({ shutdown: { noticeMs: 1_500 } });
    const { reading } = await begin(server, '[[fake answer {"flood":{"deltas":250,"chars":10},"perSecond":100}]]');
    server.process.kill("SIGTERM");
    await server.said("stopping: running turns may end; send the signal again to hurry");

    expect((await server.client.checkHealth("")).status).toBe(Status.NOT_SERVING);
    const refused = await failureOf(server.client.streamChat({ prompt: "One more?" }));
    expect(refused).toMatchObject({ code: Code.Unavailable, reason: "POOL_DRAINING", sawHeaders: false });
    expect(refused.pushbackMs).toBeGreaterThan(0);

    const turn = await reading;
    expect(turn.failure).toBeUndefined();
    expect(turn.result.outcome).toBe(Outcome.COMPLETED);
    expect(await server.exited).toEqual({ code: 0, signal: null });
    expect(server.lines.filter(({ message }) => message === "turn ended")).toMatchObject([{ outcome: "completed" }]);
    expect(await basesOf()).toEqual([]);
    for (const pid of await workerPids()) expect(isAlive(pid)).toBe(false);
  });

  it("that is told again hurries, and told once more ends running turns with their result", async () => {
    const server = await serve();
    const { reading } = await begin(server, slowAnswer);
    server.process.kill("SIGTERM");
    await server.said("stopping: running turns may end; send the signal again to hurry");
    server.process.kill("SIGINT");
    await server.said("hurrying: running turns have 10 seconds");
    server.process.kill("SIGTERM");
    await server.said("ending running turns now");

    const turn = await reading;
    expect(turn.failure).toMatchObject({ code: Code.Aborted, reason: "DRAINED", pushbackMs: -1 });
    expect(turn.failure?.facts.turnId).toBe(turn.turnId);
    expect(turn.result.outcome).toBe(Outcome.DRAINED);
    expect(turn.result.text.startsWith(turn.text)).toBe(true);
    expect((await server.exited).code).toBe(0);
    expect(await basesOf()).toEqual([]);
    for (const pid of await workerPids()) expect(isAlive(pid)).toBe(false);
  });

  const canTie = existsSync("/usr/bin/setpriv");
  it.runIf(canTie)("that is killed takes its workers with it, in mid-turn too, where setpriv is", async () => {
    const server = await serve();
    const { reading } = await begin(server, "[[fake ignoreEof]] [[fake ignoreTerm]] [[fake hang]] long enough");
    const pids = await workerPids();
    expect(pids.map(isAlive)).toContain(true);
    server.process.kill("SIGKILL");
    await reading;
    for (const pid of pids) await untilGone(pid);
  });

  it("that is killed leaves folders and what tools started; the next one ends that, sweeps the folders, and serves", async () => {
    const first = await serve();
    const { reading } = await begin(
      first,
      "[[fake ignoreEof]] [[fake ignoreTerm]] [[fake grandchild]] [[fake hang]] long enough",
    );
    const [{ grandchild, pid } = {}] = await recorded(fake, (entry) => entry.grandchild !== undefined);
    const [left] = await basesOf();
    first.process.kill("SIGKILL");
    expect(await first.exited).toMatchObject({ signal: "SIGKILL" });
    expect((await reading).failure?.code).toBe(Code.Unavailable);
    expect(isAlive(grandchild!)).toBe(true);

    const second = await serve();
    const swept = await second.said("removed what a server that was killed had left");
    expect(swept.endedCount).toBeGreaterThanOrEqual(1);
    await untilGone(pid!);
    await untilGone(grandchild!);
    expect(await basesOf()).toHaveLength(1);
    expect(await basesOf()).not.toContain(left);
    const turn = await readTurn(second.client.streamChat({ prompt: "Are you well?" }));
    expect(turn.text).toBe("You said: Are you well?");
  });

  it("out of descriptors refuses what it cannot serve, lives on, and serves again when there are some", async () => {
    const server = await serve({ maxDescriptors: 70 });
    const stop = new AbortController();
    const turns = Array.from({ length: 30 }, () =>
      readTurn(server.client.streamChat({ prompt: slowAnswer }, { signal: stop.signal, timeoutMs: 20_000 })),
    );
    await server.said("worker did not start");
    expect(JSON.stringify(server.lines)).toContain("EMFILE");
    expect(server.process.exitCode).toBeNull();
    stop.abort();
    for (const turn of await Promise.all(turns)) {
      expect([Code.Canceled, Code.Unavailable]).toContain(turn.failure?.code);
    }
    expect(server.lines.filter(({ message }) => /TypeError|uncaught/i.test(message))).toEqual([]);
    const healed = async () => {
      const turn = await readTurn(server.client.streamChat({ prompt: "Are you well?" }));
      return turn.text === "You said: Are you well?";
    };
    await until(healed);
    server.process.kill("SIGTERM");
    expect((await server.exited).code).toBe(0);
    expect(await basesOf()).toEqual([]);
  });

  it("does not touch the folders and workers of one that lives", async () => {
    const first = await serve();
    const { reading } = await begin(first, '[[fake answer {"flood":{"deltas":300,"chars":10},"perSecond":100}]]');
    const [others] = await basesOf();
    const second = await serve();
    expect(await basesOf()).toContain(others);
    expect((await reading).failure).toBeUndefined();
    second.process.kill("SIGQUIT");
    expect((await second.exited).code).toBe(0);
    expect(await basesOf()).toEqual([others]);
  });
});

it("a drain that is over gives every caller the result of the turn and ABORTED, over each transport", async () => {
  const plain = transportKinds.filter(({ tls }) => !tls);
  const scene = await openFakeScene({ profiles: { default: { maxWorkers: plain.length } } });
  const turns = await Promise.all(
    plain.map(async (kind) => {
      const client = kind.connect(scene.target);
      const started = Promise.withResolvers<void>();
      const reading = readTurn(client.streamChat({ prompt: slowAnswer }), ({ event }) => {
        if (event.case === "textDelta") started.resolve();
      });
      await Promise.race([started.promise, reading]);
      return { kind, client, reading };
    }),
  );
  await scene.runner.stop({ drainTimeoutMs: 100 });
  for (const { kind, client, reading } of turns) {
    const turn = await reading;
    expect(turn.failure, kind.name).toMatchObject({ code: Code.Aborted, reason: "DRAINED", pushbackMs: -1 });
    expect(turn.failure?.detail(TurnResultSchema)).toMatchObject({ outcome: Outcome.DRAINED });
    expect(turn.result, kind.name).toMatchObject({ outcome: Outcome.DRAINED });
    client.close();
  }
  expect(await scene.workerPids()).toEqual(new Map());
  await scene.close();
});
