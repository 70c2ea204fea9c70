/**
 * A storm: somebody kills a random worker about once a second, those that are starting included, while callers of four
 * tenants send turns, cancel some and have little time for others. A proof: turns are refused by the queue alone, a
 * worker serves again within three cold starts of this run, and nothing is left behind.
 *
 *     npm run bench -- --only storm --seed 1 --seconds 120 --busy-loops 4
 */
import { readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { BusyLoops } from "../busy-loops.ts";
import { type CallOutcome, OutcomeClient, requestBody } from "../outcome-client.ts";
import { childrenOf, descriptorCountOf, processesIn } from "../processes.ts";
import { seededRandom } from "../random.ts";
import { type Bench, defineScenario, figure } from "../scenario.ts";
import { BenchServer, BenchStandin } from "../server.ts";
import { median } from "../stats.ts";
import { prompt } from "../workload.ts";

interface Parameters {
  readonly rounds: number;
  readonly seconds: number;
}

const tenants = ["acme", "umbrella", "initech", "globex"] as const;
const callerCount = 24;
const workerCount = 6;
const coldStartCount = 3;
const startsToServe = 3;
/** How long the load goes on after the last kill, in milliseconds, and how long everything may take to come to rest. */
const afterMs = 12_000;
const restTimeoutMs = 60_000;
/** Descriptors that a server may have more of than before, for each worker that is there more and besides. */
const descriptorsPerWorker = 6;
const descriptorSlack = 4;

/** Refusals that are the queue's, ends that are the caller's own doing, and those of turns whose worker was killed. */
const expectedReasons = ["OK", "QUEUE_FULL", "QUEUE_TIMEOUT", "CANCELLED", "DEADLINE_EXCEEDED", "WORKER_DIED"];

export const storm = defineScenario<Parameters>({
  name: "storm",
  about: "Proof: workers are killed at random, and turns are refused by the queue alone",
  isProof: true,
  full: { rounds: 1, seconds: 120 },
  quick: { rounds: 1, seconds: 6 },
  estimateMs: ({ seconds }) => 40_000 + seconds * 1_000,

  async run(parameters, bench) {
    const seconds = bench.seconds ?? parameters.seconds;
    const random = seededRandom(bench.seed);
    using _loops = new BusyLoops(bench.busyLoopCount);
    await using standin = await BenchStandin.start(bench);
    bench.progress("cold starts", 0);
    const coldMs = await measureColdStarts(standin.url, bench);

    const weather = new Weather();
    let rest: Rest;
    let serverFolders: readonly string[];
    {
      await using server = await BenchServer.start({
        bench,
        baseUrl: standin.url,
        tenants,
        profiles: { default: { minSpares: 1, maxWorkers: workerCount } },
      });
      await server.spares("default", 1);
      using client = new OutcomeClient(server.target.grpcPort);
      const over = new AbortController();
      const callers = Array.from({ length: callerCount }, (_, at) =>
        call(client, server.tokenOf(tenants[at % tenants.length]!), random, over.signal, weather),
      );
      bench.progress("warming up", 0.1);
      await sleep(3_000, undefined, { signal: bench.signal });
      const before = await atRest(server, undefined);

      const endsAtMs = performance.now() + seconds * 1_000;
      while (performance.now() < endsAtMs) {
        bench.progress(`${weather.killCount} kills`, 0.9 - (0.8 * (endsAtMs - performance.now())) / (seconds * 1_000));
        await sleep(600 + 800 * random(), undefined, { signal: bench.signal });
        const workers = childrenOf(server.pid);
        const victim = workers[Math.floor(random() * workers.length)];
        if (victim !== undefined) weather.kill(victim);
      }
      bench.progress("after the storm", 0.9);
      await sleep(Math.max(afterMs, startsToServe * median(coldMs)), undefined, { signal: bench.signal });
      weather.isServing = (await server.pool()).isServing;
      over.abort();
      await Promise.all(callers);
      rest = await atRest(server, before);
      serverFolders = workFolders(bench.folder);
    }
    return evaluate(weather, coldMs, {
      ...rest,
      foldersWhileIdle: serverFolders.length,
      processesLeft: processesIn(bench.folder).filter((pid) => pid !== standin.pid).length,
      foldersLeft: workFolders(bench.folder).length,
    });
  },
});

/** What happened. */
class Weather {
  killCount = 0;
  isServing = false;
  readonly outcomes = new Map<string, number>();
  #lastKillAtMs = Number.POSITIVE_INFINITY;
  /** From the last kill to the next turn that was served. */
  serveAgainMs: number | undefined;

  kill(pid: number): void {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      return; // It ended just now.
    }
    this.killCount++;
    this.#lastKillAtMs = performance.now();
    this.serveAgainMs = undefined;
  }

  saw({ reason }: CallOutcome): void {
    this.outcomes.set(reason, (this.outcomes.get(reason) ?? 0) + 1);
    const sinceMs = performance.now() - this.#lastKillAtMs;
    if (reason === "OK" && sinceMs > 0) this.serveAgainMs ??= sinceMs;
  }

  count(reason: string): number {
    return this.outcomes.get(reason) ?? 0;
  }
}

/** One turn after the other; some are cancelled, some have little time. */
async function call(
  client: OutcomeClient,
  token: string,
  random: () => number,
  over: AbortSignal,
  weather: Weather,
): Promise<void> {
  const body = requestBody({ prompt });
  while (!over.aborted) {
    const cancel = new AbortController();
    const timer = random() < 0.1 ? setTimeout(() => cancel.abort(), 1_000 * random()) : undefined;
    const deadlineMs = random() < 0.2 ? 20 + 2_000 * random() : 120_000;
    const outcome = await client.call(body, { token, deadlineMs, signal: cancel.signal });
    clearTimeout(timer);
    weather.saw(outcome);
    if (outcome.reason !== "OK") await sleep(50);
  }
}

/** How long a turn takes that needs a worker started, under the same circumstances. */
async function measureColdStarts(baseUrl: string, bench: Bench): Promise<readonly number[]> {
  await using server = await BenchServer.start({
    bench,
    baseUrl,
    profiles: { default: { minSpares: 0, maxWorkers: coldStartCount } },
  });
  using client = new OutcomeClient(server.target.grpcPort);
  const found: number[] = [];
  for (let at = 0; at < coldStartCount; at++) {
    const sinceMs = performance.now();
    const { reason } = await client.call(requestBody({ prompt, systemPrompt: `You are number ${at}.` }), server.target);
    if (reason !== "OK") throw new Error(`a cold start ended as ${reason}`);
    found.push(performance.now() - sinceMs);
  }
  return found;
}

interface Rest {
  readonly workerCount: number;
  /** Children of the server that the pool does not know. */
  readonly strayCount: number;
  readonly descriptorCount: number;
  /** Descriptors beyond what the workers explain. */
  readonly strayDescriptorCount: number;
}

/** Waits until no worker is starting or ending, and counts what there is. */
async function atRest(server: BenchServer, before: Rest | undefined): Promise<Rest> {
  const giveUpAtMs = performance.now() + restTimeoutMs;
  for (;;) {
    const { workers } = await server.pool();
    const isQuiet = workers.every(({ kind }) => kind !== "starting" && kind !== "stopping");
    const strayCount = childrenOf(server.pid).length - workers.length;
    const isIdle = before === undefined || workers.every(({ kind }) => kind === "spare" || kind === "boundIdle");
    if ((isQuiet && isIdle && strayCount === 0) || performance.now() > giveUpAtMs) {
      const descriptorCount = descriptorCountOf(server.pid);
      const explained =
        (before?.descriptorCount ?? descriptorCount) +
        descriptorsPerWorker * Math.max(0, workers.length - (before?.workerCount ?? workers.length)) +
        descriptorSlack;
      const strayDescriptorCount = Math.max(0, descriptorCount - explained);
      return { workerCount: workers.length, strayCount, descriptorCount, strayDescriptorCount };
    }
    await sleep(50);
  }
}

function workFolders(folder: string): readonly string[] {
  return readdirSync(folder).filter((name) => name.startsWith("claude-runner"));
}

interface Left extends Rest {
  readonly foldersWhileIdle: number;
  readonly processesLeft: number;
  readonly foldersLeft: number;
}

function evaluate(weather: Weather, coldMs: readonly number[], left: Left) {
  const list = [...weather.outcomes].sort(([, one], [, other]) => other - one);
  const others = list.filter(([reason]) => !expectedReasons.includes(reason));
  const starts = (weather.serveAgainMs ?? Number.POSITIVE_INFINITY) / median(coldMs);
  const leftovers = left.strayCount + left.strayDescriptorCount + left.processesLeft + left.foldersLeft;
  const words = (of: readonly (readonly [string, number])[]) =>
    of.map(([reason, count]) => `${count} ${reason}`).join(", ") || "none";
  return {
    figures: [
      figure("kills", "", [weather.killCount]),
      ...list.map(([reason, count]) => figure(`turns: ${reason}`, "", [count])),
      figure("a cold start", "ms", coldMs),
      figure("from the last kill to a served turn", "ms", [weather.serveAgainMs ?? Number.NaN]),
      figure("the same in cold starts", "×", [starts]),
    ],
    targets: [
      {
        name: "turns that were refused by anything but the queue",
        wanted: "none",
        measured: words(others),
        reached: others.length === 0,
      },
      {
        name: "turns that a kill ended",
        wanted: `at most one for each of ${weather.killCount} kills`,
        measured: String(weather.count("WORKER_DIED")),
        reached: weather.count("WORKER_DIED") <= weather.killCount,
      },
      {
        name: "time to serve again after the last kill",
        wanted: `at most ${startsToServe} cold starts`,
        measured: `${starts.toFixed(2)} cold starts`,
        reached: starts <= startsToServe,
      },
      {
        name: "health after the storm",
        wanted: "serving",
        measured: weather.isServing ? "serving" : "NOT serving",
        reached: weather.isServing,
      },
      {
        name: "what is left",
        wanted: "nothing",
        measured:
          `${left.strayCount} processes and ${left.strayDescriptorCount} descriptors while it runs; ` +
          `${left.processesLeft} processes and ${left.foldersLeft} folders after it`,
        reached: leftovers === 0,
      },
    ],
    samples: { "cold start, ms": coldMs },
    notes: [words(list)],
  };
}
