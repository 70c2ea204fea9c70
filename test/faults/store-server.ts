/**
 * A server in a process of its own with its store in files, for what goes wrong with them while it serves: what callers,
 * probes and operators are told then, and what is true when it is all over.
 */
import { mkdtemp, readdir, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { WorkerState } from "../../gen/claude/runner/v1/pool_pb.ts";
import type { TurnResult } from "../../gen/claude/runner/v1/result_pb.ts";
import type { StreamChatResponse } from "../../gen/claude/runner/v1/runner_pb.ts";
import { TurnState } from "../../gen/claude/runner/v1/turn_pb.ts";
import { storePaths } from "../../src/store/sqlite/store-files.ts";
import { type SettingsInput, tenants } from "../e2e/scene.ts";
import { all, type Clients, clients, reasonOf } from "../e2e/session-clients.ts";
import { problemsIn } from "../store/store-folder.ts";
import { until } from "../until.ts";
import { isAlive } from "./processes.ts";
import { serverOf, type TakeoverServer, TakeoverServers } from "./takeover-servers.ts";

export interface StoreServer extends TakeoverServer {
  readonly pid: number;
  readonly clients: Clients;
}

/** What a worker is doing while no turn has it. */
const atRest: ReadonlySet<unknown> = new Set([WorkerState.SPARE, WorkerState.BOUND_IDLE]);

/** A turn whose `started` was received. */
export interface BegunTurn {
  readonly turnId: string;
  /** All of its events. */
  readonly events: Promise<readonly StreamChatResponse[]>;
}

export class StoreServers implements AsyncDisposable {
  readonly folder: string;
  readonly storeFolder: string;
  readonly servers: TakeoverServers;

  static async open(): Promise<StoreServers> {
    const folder = await realpath(await mkdtemp(join(tmpdir(), "runner-store-")));
    return new StoreServers(folder, await TakeoverServers.open(folder));
  }

  private constructor(folder: string, servers: TakeoverServers) {
    this.folder = folder;
    this.storeFolder = join(folder, "store");
    this.servers = servers;
  }

  get paths() {
    return storePaths(this.storeFolder);
  }

  settings(more: SettingsInput = {}): SettingsInput {
    return { ...more, store: { kind: "sqlite", folder: this.storeFolder, ...more.store } };
  }

  /** Starts one, and waits until it takes turns. */
  async serve(more: SettingsInput = {}, wrap: readonly string[] = []): Promise<StoreServer> {
    const server = await serverOf(await this.servers.launch([], this.settings(more), wrap));
    const target = { grpcPort: server.grpcPort, webPort: server.webPort, token: tenants.acme };
    const served = { ...server, pid: server.process.pid as number, clients: clients({ target }) };
    await until(async () => (await saidOf(served)).status === 200);
    return served;
  }

  /**
   * Ends a server, and looks whether anything is left that should not be: a worker with a turn, a turn that waits or has no
   * end; afterwards a process, a folder of one, a sum in the store that is not that of its parts. `isInMounts`: its store is where only the server could see it.
   */
  async expectNothingLeft(server: StoreServer, { isInMounts = false } = {}): Promise<void> {
    const { pool, turns } = server.clients;
    const states = async () =>
      ((await pool.getPool({})).pool?.profiles ?? []).flatMap(({ workerCounts, waitingCount }) => [
        ...workerCounts.map(({ state }) => state),
        ...(waitingCount > 0 ? ["waiting"] : []),
      ]);
    await until(async () => (await states()).every((state) => atRest.has(state)));
    const { turns: all } = await turns.listTurns({});
    expect(all.filter(({ state }) => state !== TurnState.ENDED)).toEqual([]);
    server.process.kill("SIGTERM");
    expect(await server.exited).toBe(0);
    for (const { pid, started } of await this.servers.fake.record()) {
      if (started !== undefined) await until(() => !isAlive(pid));
    }
    const left = await readdir(this.folder);
    expect(left.filter((name) => name.startsWith("claude-runner-"))).toEqual([]);
    if (!isInMounts) expect(problemsIn(this.storeFolder)).toEqual([]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.servers[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Begins a turn and reads it on. */
export async function begin(
  { clients: { runner } }: StoreServer,
  request: Parameters<Clients["runner"]["streamChat"]>[0],
): Promise<BegunTurn> {
  const begun = Promise.withResolvers<string>();
  const stream = runner.streamChat(request);
  const events = (async () => {
    const seen: StreamChatResponse[] = [];
    for await (const event of stream) {
      seen.push(event);
      begun.resolve(event.turnId);
    }
    return seen;
  })();
  events.catch(begun.reject);
  return { turnId: await begun.promise, events };
}

/** A prompt that is answered in so many pieces, a piece each hundredth of a second. */
export const pieces = (count: number, perSecond = 100) =>
  `[[fake answer {"flood":{"deltas":${count},"chars":10},"perSecond":${perSecond}}]]`;

/** The result that every turn ends with, once, after events without a hole in them. */
export function resultOf(events: readonly StreamChatResponse[]): TurnResult {
  const numbers = events.filter(({ event }) => event.case !== "heartbeat").map(({ sequence }) => sequence);
  expect(numbers).toEqual(numbers.map((_, at) => at + 1));
  const results = events.flatMap(({ event }) => (event.case === "result" ? [event.value] : []));
  expect(results).toHaveLength(1);
  expect(events.at(-1)?.event.case).toBe("result");
  return results[0] as TurnResult;
}

/** What is said about the store on the admin port and to callers. */
export async function saidOf({ adminPort, clients: { runner } }: StoreServer) {
  const ready = await fetch(`http://127.0.0.1:${adminPort}/readyz`);
  const { storage } = await runner.getInfo({});
  return { status: ready.status, words: (await ready.text()).trim(), toCallers: storage?.problem ?? "" };
}

/** Asks for new turns of every kind, and returns the reasons for which they are refused. */
export async function refusals({ clients: { runner, sessions } }: StoreServer, id: string) {
  return await Promise.all([
    reasonOf(all(runner.streamChat({ prompt: "plain" }))),
    reasonOf(all(runner.streamChat({ prompt: "in a session", session: { id, allowMissing: true } }))),
    reasonOf(all(runner.streamChat({ prompt: "named", requestId: id }))),
    reasonOf(runner.chat({ prompt: "at once", requestId: `${id}-chat` })),
    reasonOf(sessions.createSession({ id: `${id}-new` })),
  ]);
}

/** What all of them are refused for while nothing new can be written down. */
export const allUnavailable = Array.from({ length: 5 }, () => "STORE_UNAVAILABLE");
