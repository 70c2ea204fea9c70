/**
 * Servers that are killed in the middle of their work, one after the other, on one store: what the callers of the last
 * one were told is compared with what the next one knows.
 *
 * For the bench (`bench/scenarios/crashes.ts`) and, with fewer kills, for `npm test`.
 */
import { execFile } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { readdirSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Outcome, OutcomeSchema } from "../../gen/claude/runner/v1/result_pb.ts";
import { TurnState } from "../../gen/claude/runner/v1/turn_pb.ts";
import { makeFakeCli, type RecordEntry } from "../../test/fakes/fake-cli.ts";
import { cleanEnvironment } from "../child.ts";
import { childrenOf, processesIn } from "../processes.ts";
import { Serving } from "../serving.ts";
import { answerOf, type Clients, callUntilKilled, clientsOf, reasonOf, Told } from "./crash-load.ts";

export interface CrashOptions {
  /** A private folder, which is the caller's to remove. */
  readonly folder: string;
  readonly random: () => number;
  readonly killCount: number;
  readonly signal: AbortSignal;
  readonly progress?: (killCount: number) => void;
}

export interface CrashOutcome {
  readonly killCount: number;
  /** Of these, kills of servers that had not started yet. */
  readonly killedInStartCount: number;
  /** Turns that callers knew to be accepted. */
  readonly acceptedCount: number;
  readonly lostCount: number;
  readonly sessionTurnCount: number;
  readonly requestCount: number;
  /** From the start of a server to where it serves, in milliseconds. */
  readonly startMs: readonly number[];
  /** Everything that was not as it must be, in words. */
  readonly problems: readonly string[];
}

const program = fileURLToPath(new URL("../../bin/claude-runner.js", import.meta.url));
const callerCount = 12;
const workerCount = 6;
/** A server is killed a moment after it has accepted so many turns. */
const mostTurns = 60;
const longestMomentMs = 300;
const loadTimeoutMs = 30_000;
const inStartShare = 0.1;
const checkEvery = 10;
/** How long a worker may outlive its server, in milliseconds. */
const workersGoneMs = 5_000;

export async function killAndRestart(options: CrashOptions): Promise<CrashOutcome> {
  const { folder, random, killCount, signal, progress } = options;
  await using fake = await makeFakeCli();
  const rig = await Rig.make(folder, fake.path);
  const audit = new Audit();
  let told: Told | undefined;
  let killedInStartCount = 0;
  for (let kill = 0; kill <= killCount; kill += 1) {
    signal.throwIfAborted();
    progress?.(kill);
    await using server = rig.serve();
    const sinceMs = performance.now();
    if (kill < killCount && random() < inStartShare) {
      killedInStartCount += 1;
      await sleep(800 * random(), undefined, { signal });
      await server.kill();
      continue;
    }
    const ports = await rig.portsOf(server, signal);
    audit.startMs.push(performance.now() - sinceMs);
    await audit.leftovers(server, rig);
    const clients = clientsOf(ports, rig.token);
    if (told !== undefined) await audit.whatWasTold(told, clients[0]);
    if (kill % checkEvery === 0 || kill === killCount) await audit.storeIsWhole(rig);
    if (kill === killCount) break;
    told = new Told();
    const killed = new AbortController();
    const load = callUntilKilled({ clients, random, callerCount, told, killed: killed.signal });
    await accepted(told, 1 + Math.floor(mostTurns * random()), signal);
    await sleep(longestMomentMs * random(), undefined, { signal });
    killed.abort();
    await server.kill();
    await load;
    audit.problems.push(...told.failures.map((why) => `a call failed before the server was killed: ${why}`));
  }
  audit.runs(await fake.record());
  return { killCount, killedInStartCount, ...audit.figures(), startMs: audit.startMs, problems: audit.problems };
}

/** Waits until callers know of so many turns. */
async function accepted(told: Told, count: number, signal: AbortSignal): Promise<void> {
  const giveUpAtMs = performance.now() + loadTimeoutMs;
  while (told.turns.size < count && performance.now() < giveUpAtMs) await sleep(10, undefined, { signal });
}

/** The settings, and what is started with them. */
class Rig {
  readonly folder: string;
  readonly token = randomUUID();
  readonly #config: string;

  static async make(folder: string, cliPath: string): Promise<Rig> {
    const rig = new Rig(folder);
    await mkdir(rig.workFolder);
    await writeFile(join(folder, "key"), "none-is-needed", { mode: 0o600 });
    await writeFile(rig.#config, JSON.stringify(rig.#settings(cliPath)));
    return rig;
  }

  private constructor(folder: string) {
    this.folder = folder;
    this.#config = join(folder, "crashes.yaml");
  }

  get workFolder(): string {
    return join(this.folder, "work");
  }

  get storeFolder(): string {
    return join(this.folder, "store");
  }

  serve(): Serving {
    return new Serving(this.folder, ["--config", this.#config]);
  }

  async portsOf(server: Serving, signal: AbortSignal) {
    const started = await server.said("claude-runner has started", signal);
    const portOf = (name: string) => Number(String(started[name]).split(":").at(-1));
    return { grpcPort: portOf("grpc"), webPort: portOf("web") };
  }

  #settings(cliPath: string): object {
    return {
      grpc: { port: 0 },
      web: { port: 0 },
      admin: { port: 0 },
      auth: {
        tokens: [{ tenant: "bench", sha256: createHash("sha256").update(this.token).digest("hex") }],
        maxTurnsInFlightPerTenant: 1_000,
      },
      calls: { maxUnreadTurnsPerTenant: 1_000 },
      cli: { path: cliPath, workFolder: this.workFolder },
      credentials: { default: { baseUrl: "http://127.0.0.1:9", apiKeyFile: join(this.folder, "key") } },
      profiles: { default: { minSpares: 1, maxWorkers: workerCount } },
      store: { kind: "sqlite", folder: this.storeFolder },
      takeover: { socketFile: join(this.folder, "takeover", "t.sock") },
    };
  }
}

/** Compares, and writes down what is not as it must be. */
class Audit {
  readonly problems: string[] = [];
  readonly startMs: number[] = [];
  readonly #requestIds: string[] = [];
  #acceptedCount = 0;
  #lostCount = 0;
  #sessionTurnCount = 0;

  figures() {
    return {
      acceptedCount: this.#acceptedCount,
      lostCount: this.#lostCount,
      sessionTurnCount: this.#sessionTurnCount,
      requestCount: this.#requestIds.length,
    };
  }

  /** No worker of a server that is dead, and no folder of one. */
  async leftovers(server: Serving, { workFolder }: Rig): Promise<void> {
    const strays = () => {
      const own = new Set(childrenOf(server.pid));
      return processesIn(workFolder).filter((pid) => !own.has(pid) && !childrenOf(server.pid).includes(pid));
    };
    const giveUpAtMs = performance.now() + workersGoneMs;
    while (strays().length > 0 && performance.now() < giveUpAtMs) await sleep(50);
    if (strays().length > 0) this.problems.push(`${strays().length} workers outlived their server`);
    const folders = readdirSync(workFolder).filter((name) => name.startsWith("claude-runner"));
    if (folders.length !== 1) this.problems.push(`${folders.length} work folders are there, of one server`);
  }

  async storeIsWhole({ folder, storeFolder }: Rig): Promise<void> {
    const args = [program, "store", "check", "--folder", storeFolder, "--json"];
    try {
      await promisify(execFile)(process.execPath, args, { cwd: folder, env: cleanEnvironment(folder) });
    } catch (error) {
      this.problems.push(`store check: ${(error as { stdout?: string }).stdout || String(error)}`);
    }
  }

  /** What the callers of the dead server were told is what the next one knows, and everything goes on. */
  async whatWasTold({ turns, requests }: Told, clients: Clients): Promise<void> {
    const { runner, turns: service } = clients;
    for (const [name, state] of [
      ["waiting", TurnState.WAITING],
      ["running", TurnState.RUNNING],
    ] as const) {
      const open = await service.listTurns({ state, pageSize: 1_000 });
      if (open.turns.length > 0) this.problems.push(`${open.turns.length} turns are still ${name}`);
    }
    await each(turns.values(), async ({ turnId, outcome, sessionId, requestId }) => {
      this.#acceptedCount += 1;
      try {
        const { turn } = await service.getTurn({ turn: { case: "turnId", value: turnId } });
        if (turn?.state !== TurnState.ENDED) this.problems.push(`${turnId} has no end`);
        else if (outcome !== undefined && turn.outcome !== outcome && !mayBeLost(sessionId, requestId, turn.outcome)) {
          this.problems.push(`${turnId} was ${nameOf(outcome)} and is ${nameOf(turn.outcome)}`);
        }
        if (turn?.outcome === Outcome.LOST) this.#lostCount += 1;
      } catch (error) {
        this.problems.push(`${turnId} was accepted and is not known: ${reasonOf(error)}`);
      }
    });
    await this.#sessionsGoOn([...turns.values()], clients);
    const known = new Map([...turns.values()].map(({ requestId, turnId }) => [requestId, turnId]));
    await each(requests, async ({ requestId, prompt }) => {
      this.#requestIds.push(requestId);
      let turnId: string | undefined;
      const onHeader = (headers: Headers) => {
        turnId = headers.get("claude-runner-turn-id") ?? undefined;
      };
      try {
        for await (const event of runner.streamChat({ prompt, requestId }, { onHeader })) turnId ??= event.turnId;
      } catch (error) {
        if (!["TURN_LOST", "CANCELLED"].includes(reasonOf(error))) {
          this.problems.push(`a request that was repeated failed: ${reasonOf(error)}`);
        }
      }
      const before = known.get(requestId);
      if (before !== undefined && turnId !== undefined && before !== turnId) {
        this.problems.push(`the request ${requestId} had the turn ${before}, and has ${turnId}`);
      }
    });
  }

  /** No session is stuck, and none has lost a turn that its caller knew to be complete. */
  async #sessionsGoOn(
    told: readonly { readonly turnId: string; readonly sessionId: string | undefined; readonly outcome: unknown }[],
    { runner, turns: service }: Clients,
  ): Promise<void> {
    const ids = new Set(told.flatMap(({ sessionId }) => (sessionId === undefined ? [] : [sessionId])));
    await each(ids, async (id) => {
      try {
        await runner.chat({ prompt: answerOf(0), session: { id } });
        this.#sessionTurnCount += 1;
      } catch (error) {
        this.problems.push(`the session ${id} does not go on: ${reasonOf(error)}`);
      }
      const listed = new Set<string>();
      for (let pageToken = ""; ; ) {
        const page = await service.listTurns({ sessionId: id, pageSize: 1_000, pageToken });
        for (const turn of page.turns) if (turn.inConversation) listed.add(turn.id);
        pageToken = page.nextPageToken;
        if (pageToken === "") break;
      }
      for (const { turnId, sessionId, outcome } of told) {
        if (sessionId !== id || outcome !== Outcome.COMPLETED || listed.has(turnId)) continue;
        this.problems.push(`the session ${id} has lost its completed turn ${turnId}`);
      }
    });
  }

  /** Each request ran once at most, by the account of the processes that ran it. */
  runs(record: readonly RecordEntry[]): void {
    const counts = new Map<string, number>();
    for (const { in: line } of record) {
      if (line?.type !== "user") continue;
      const [, id] = JSON.stringify(line).match(/\]\] ([0-9a-f-]{36})/) ?? [];
      if (id !== undefined) counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    for (const requestId of this.#requestIds) {
      const count = counts.get(requestId) ?? 0;
      if (count > 1) this.problems.push(`the request ${requestId} ran ${count} times`);
    }
  }
}

/** The end of a turn that nobody can ask for again is written while its caller is told it. */
const mayBeLost = (sessionId: string | undefined, requestId: string | undefined, outcome: Outcome) =>
  sessionId === undefined && requestId === undefined && outcome === Outcome.LOST;

const nameOf = (outcome: Outcome) => OutcomeSchema.value[outcome]?.localName ?? String(outcome);

const atOnce = 8;

/** Several at a time. */
async function each<T>(items: Iterable<T>, run: (item: T) => Promise<void>): Promise<void> {
  const left = items[Symbol.iterator]();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let step = left.next(); !step.done; step = left.next()) await run(step.value);
    }),
  );
}
