/**
 * How fast a health check is answered while every worker is busy, against a quiet server. A probe that is late looks like
 * a dead server to whoever restarts it.
 *
 * A bare HTTP/2 server is asked in the same moments: what it takes is the machine's doing, the rest is the server's.
 *
 * Workers with the weight on the CPU that they have by default are compared with workers that have the server's own, round
 * by round, and the default with itself once more: what is no further apart than those two is no difference. What the
 * lower weight costs is measured beside it: turns per second, and the first text of one more caller.
 */
import { connect } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { Child } from "../child.ts";
import type { EchoCommands } from "../echo-process.ts";
import { BenchLoad } from "../load.ts";
import { type Bench, defineScenario, figure } from "../scenario.ts";
import { BenchServer, BenchStandin } from "../server.ts";
import { median, quantile, ratios } from "../stats.ts";
import { grpcClient, healthClient } from "../turn-client.ts";
import { prompt } from "../workload.ts";

interface Parameters {
  readonly rounds: number;
  readonly windowMs: number;
  readonly checkEveryMs: number;
  readonly workerCount: number;
}

const shipped = "as shipped";
const again = "as shipped, again";
const equal = "workers with the server's weight";
const variants: readonly { readonly name: string; readonly pool: object }[] = [
  { name: shipped, pool: {} },
  { name: equal, pool: { workerNice: 0 } },
  { name: again, pool: {} },
];

/** What one variant did, a sample for each round. */
class Measured {
  readonly busy: Answers = { server: [], bare: [] };
  readonly serverP99: number[] = [];
  readonly bareP99: number[] = [];
  readonly turnsPerSecond: number[] = [];
  readonly firstTextMs: number[] = [];
}

export const health = defineScenario<Parameters>({
  name: "health",
  about: "Latency of a health check while every worker is busy",
  full: { rounds: 5, windowMs: 4_000, checkEveryMs: 20, workerCount: 8 },
  quick: { rounds: 1, windowMs: 2_000, checkEveryMs: 20, workerCount: 8 },
  estimateMs: ({ rounds, windowMs }) => 3 * 7_000 + rounds * (4 * windowMs + 1_200),

  async run({ rounds, windowMs, checkEveryMs, workerCount }, bench) {
    await using standin = await BenchStandin.start(bench);
    await using echo = new Child<EchoCommands>({
      name: "echo",
      script: new URL("../echo-process.ts", import.meta.url),
      folder: bench.folder,
      signal: bench.signal,
    });
    using bare = bareClient((await echo.call("start")).port);
    await using load = new BenchLoad(bench);
    await using stack = new AsyncDisposableStack();
    // The last worker is for the caller whose first text is measured.
    const streamCount = workerCount - 1;
    const servers = new Map<string, BenchServer>();
    for (const { name, pool } of variants) {
      bench.progress(`warming up, ${name}`, 0);
      const profiles = { default: { minSpares: 0, maxWorkers: workerCount } };
      const server = stack.use(await BenchServer.start({ bench, baseUrl: standin.url, profiles, pool }));
      servers.set(name, server);
      await load.open({ target: server.target, protocol: "grpc", streamCount: workerCount, request: { prompt } });
      await load.turns(workerCount * 20);
      await load.close();
    }

    const quiet: Answers = { server: [], bare: [] };
    const measured = new Map(variants.map(({ name }) => [name, new Measured()]));
    using quietClient = healthClient(servers.get(shipped)!.target);
    for (let round = 0; round < rounds; round++) {
      bench.progress(`round ${round + 1} of ${rounds}`, 0.2 + (0.8 * round) / rounds);
      await during(windowMs, checkEveryMs, bench, [
        { ask: () => quietClient.checkMs(), into: quiet.server },
        { ask: () => bare.askMs(), into: quiet.bare },
      ]);
      for (const { name } of round % 2 === 0 ? variants : variants.toReversed()) {
        const { target } = servers.get(name)!;
        const into = measured.get(name)!;
        using client = healthClient(target);
        using caller = grpcClient(target);
        await load.open({ target, protocol: "grpc", streamCount, request: { prompt } });
        const found: Answers = { server: [], bare: [] };
        const over = new AbortController();
        const calling = firstTexts(caller, over.signal, into.firstTextMs);
        const [{ turnCount, elapsedMs }] = await Promise.all([
          load.during(windowMs),
          during(windowMs, checkEveryMs, bench, [
            { ask: () => client.checkMs(), into: found.server },
            { ask: () => bare.askMs(), into: found.bare },
          ]),
        ]);
        over.abort();
        await calling;
        await load.close();
        into.turnsPerSecond.push((turnCount / elapsedMs) * 1_000);
        into.serverP99.push(quantile(found.server, 0.99));
        into.bareP99.push(quantile(found.bare, 0.99));
        into.busy.server.push(...found.server);
        into.busy.bare.push(...found.bare);
      }
    }
    return evaluate(quiet, measured, workerCount);
  },
});

/** One turn after the other, with a moment in between, until it is enough. */
async function firstTexts(caller: ReturnType<typeof grpcClient>, over: AbortSignal, into: number[]): Promise<void> {
  while (!over.aborted) {
    into.push((await caller.turn({ prompt })).firstTextMs);
    await sleep(50);
  }
}

function evaluate(quiet: Answers, measured: ReadonlyMap<string, Measured>, workerCount: number) {
  const of = (name: string) => measured.get(name)!;
  const p99 = quantile(of(shipped).busy.server, 0.99);
  const bareP99 = quantile(of(shipped).busy.bare, 0.99);
  const overBare = p99 / bareP99;
  const rounds = (samples: readonly number[]) => samples.map((sample) => [sample]);
  const comparisons = [again, equal].flatMap((name) => [
    figure(
      `turns per second: ${name}, over as shipped`,
      "×",
      ratios(rounds(of(name).turnsPerSecond), rounds(of(shipped).turnsPerSecond)),
    ),
    figure(
      `99th percentile of a check: ${name}, over as shipped`,
      "×",
      ratios(rounds(of(name).serverP99), rounds(of(shipped).serverP99)),
    ),
    figure(`median first text: ${name}, over as shipped`, "×", [
      median(of(name).firstTextMs) / median(of(shipped).firstTextMs),
    ]),
  ]);
  return {
    figures: [
      figure("health check, quiet", "ms", quiet.server),
      figure("bare HTTP/2 server, quiet", "ms", quiet.bare),
      ...[...measured].flatMap(([name, { busy, serverP99, bareP99, turnsPerSecond, firstTextMs }]) => [
        figure(`health check, ${workerCount} workers busy, ${name}`, "ms", busy.server),
        figure(`bare HTTP/2 server beside it, ${name}`, "ms", busy.bare),
        figure(`99th percentile of a check, ${name}`, "ms", serverP99),
        figure(`99th percentile of the bare server, ${name}`, "ms", bareP99),
        figure(`turns per second, ${name}`, "turns/s", turnsPerSecond),
        figure(`first text, ${name}`, "ms", firstTextMs),
      ]),
      ...comparisons,
    ],
    targets: [
      {
        name: "health check with every worker busy, 99th percentile, over a bare HTTP/2 server's",
        wanted: "≤ 2×",
        measured: `${overBare.toFixed(1)}× (${p99.toFixed(1)} ms over ${bareP99.toFixed(1)} ms)`,
        reached: overBare <= 2,
      },
      {
        name: "the same in milliseconds, where the bare server's is below 25",
        wanted: "< 50 ms",
        measured: `${p99.toFixed(1)} ms`,
        reached: p99 < 50 || bareP99 >= 25,
      },
    ],
    samples: {
      "quiet, ms": quiet.server,
      "bare server, quiet, ms": quiet.bare,
      ...Object.fromEntries(
        [...measured].flatMap(([name, { busy, turnsPerSecond, firstTextMs }]) => [
          [`busy, ${name}, ms`, busy.server],
          [`bare server, ${name}, ms`, busy.bare],
          [`turns/s, ${name}`, turnsPerSecond],
          [`first text, ${name}, ms`, firstTextMs],
        ]),
      ),
    },
  };
}

/** Milliseconds to each answer. */
interface Answers {
  readonly server: number[];
  readonly bare: number[];
}

interface Asking {
  ask(): Promise<number>;
  readonly into: number[];
}

/** Asks at fixed moments, whether or not the last answer came: a slow one must not hide the next. */
async function during(windowMs: number, everyMs: number, { signal }: Bench, all: readonly Asking[]): Promise<void> {
  const answers: Promise<unknown>[] = [];
  const endsAtMs = performance.now() + windowMs;
  while (performance.now() < endsAtMs) {
    for (const { ask, into } of all) {
      const answer = ask().then((ms) => into.push(ms));
      answer.catch(() => undefined); // Told by `all`.
      answers.push(answer);
      // Each in a moment of its own, so that one is not in the way of the other.
      await sleep(everyMs / all.length, undefined, { signal });
    }
  }
  await Promise.all(answers);
}

function bareClient(port: number): { askMs(): Promise<number> } & Disposable {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on("error", () => undefined); // Told by the request.
  return {
    askMs: () =>
      new Promise((resolve, reject) => {
        const startedAtMs = performance.now();
        const request = session.request({ ":path": "/" });
        request.on("error", reject).on("end", () => resolve(performance.now() - startedAtMs));
        request.resume().end();
      }),
    [Symbol.dispose]: () => session.destroy(),
  };
}
