/**
 * Turns per second with 1, 4 and 8 callers who each send the next turn as soon as the last one has its result: a process
 * per turn, reused workers over gRPC, and the floor, which is as many processes on raw pipes.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { FloorWorker } from "../floor.ts";
import { BenchLoad } from "../load.ts";
import { turnInProcessOfItsOwn } from "../process-per-turn.ts";
import { type Bench, defineScenario, figure } from "../scenario.ts";
import { BenchServer, BenchStandin } from "../server.ts";
import { median, ratios } from "../stats.ts";
import { prompt } from "../workload.ts";

const concurrencies = [1, 4, 8] as const;
const most = Math.max(...concurrencies);

interface Parameters {
  readonly rounds: number;
  readonly windowMs: number;
  readonly warmUpTurns: number;
}

interface Side {
  readonly name: string;
  /** Turns per second with so many callers. */
  rate(concurrency: number): Promise<number>;
}

const processPerTurn = "process per turn";
const reused = "reused workers, gRPC";
const floor = "floor: raw pipes";
/** How long the streams are open before it counts, in milliseconds. */
const rampMs = 300;

export const throughput = defineScenario<Parameters>({
  name: "throughput",
  about: "Turns per second with 1, 4 and 8 callers",
  full: { rounds: 3, windowMs: 3_000, warmUpTurns: 50 },
  quick: { rounds: 1, windowMs: 1_500, warmUpTurns: 20 },
  estimateMs: ({ rounds, windowMs, warmUpTurns }) => 6_000 + warmUpTurns * 2 * 8 * 14 + rounds * 9 * (windowMs + 900),

  async run({ rounds, windowMs, warmUpTurns }, bench) {
    await using standin = await BenchStandin.start(bench);
    await using server = await BenchServer.start({
      bench,
      baseUrl: standin.url,
      profiles: { default: { minSpares: 0, maxWorkers: most } },
    });
    await using load = new BenchLoad(bench);
    await using stack = new AsyncDisposableStack();
    const raw = { cliPath: bench.cliPath, baseUrl: standin.url };
    const kept = await Promise.all(
      Array.from({ length: most }, (_, at) =>
        FloorWorker.start({ ...raw, folder: join(bench.folder, `floor-${at}`) }).then((worker) => stack.use(worker)),
      ),
    );
    const streams = (streamCount: number) =>
      load.open({ target: server.target, protocol: "grpc", streamCount, request: { prompt } });

    bench.progress("warming up", 0);
    await streams(most);
    await load.turns(most * warmUpTurns);
    await load.close();
    await Promise.all(
      kept.map(async (worker) => {
        for (let turn = 0; turn < warmUpTurns; turn++) await worker.turn(prompt);
      }),
    );

    const costs: number[] = [];
    const sides: readonly Side[] = [
      {
        name: processPerTurn,
        rate: (concurrency) =>
          rateOf(concurrency, windowMs, bench, async (caller) => {
            const folder = join(bench.folder, `own-${caller}`);
            await turnInProcessOfItsOwn(prompt, { ...raw, folder });
          }),
      },
      {
        name: reused,
        async rate(concurrency) {
          await streams(concurrency);
          await sleep(rampMs, undefined, { signal: bench.signal });
          const before = await server.figures();
          const { turnCount, elapsedMs } = await load.during(windowMs);
          const after = await server.figures();
          await load.close();
          costs.push((after.cpuUs - before.cpuUs) / 1_000 / turnCount);
          return (turnCount / elapsedMs) * 1_000;
        },
      },
      {
        name: floor,
        rate: (concurrency) => rateOf(concurrency, windowMs, bench, (caller) => kept[caller]!.turn(prompt)),
      },
    ];

    const rates = new Map<string, number[][]>();
    const total = rounds * concurrencies.length * sides.length;
    let done = 0;
    for (let round = 0; round < rounds; round++) {
      for (const concurrency of concurrencies) {
        for (const { name, rate } of round % 2 === 0 ? sides : sides.toReversed()) {
          const key = `${name} ×${concurrency}`;
          bench.progress(`round ${round + 1} of ${rounds}, ${key}`, 0.1 + (0.9 * done++) / total);
          rates.set(key, [...(rates.get(key) ?? []), [await rate(concurrency)]]);
        }
      }
    }
    return evaluate(rates, costs);
  },
});

/**
 * How many turns per second so many callers get, each of whom sends one turn after the other. Each caller's last turn is
 * waited for and counts with its time, so that slow turns are not cut into none.
 */
async function rateOf(
  concurrency: number,
  windowMs: number,
  bench: Bench,
  turn: (caller: number) => Promise<unknown>,
): Promise<number> {
  const startedAtMs = performance.now();
  const rates = await Promise.all(
    Array.from({ length: concurrency }, async (_, caller) => {
      let turnCount = 0;
      let elapsedMs = 0;
      while (elapsedMs < windowMs) {
        bench.signal.throwIfAborted();
        await turn(caller);
        turnCount += 1;
        elapsedMs = performance.now() - startedAtMs;
      }
      return (turnCount / elapsedMs) * 1_000;
    }),
  );
  return rates.reduce((sum, rate) => sum + rate, 0);
}

function evaluate(rates: ReadonlyMap<string, readonly (readonly number[])[]>, costs: readonly number[]) {
  const of = (name: string, concurrency: number) => rates.get(`${name} ×${concurrency}`)!;
  const comparisons = concurrencies.map((concurrency) => ({
    concurrency,
    overProcess: ratios(of(reused, concurrency), of(processPerTurn, concurrency)),
    overFloor: ratios(of(reused, concurrency), of(floor, concurrency)),
  }));
  const atFour = comparisons.find(({ concurrency }) => concurrency === 4)!.overProcess;
  return {
    figures: [
      ...[processPerTurn, reused, floor].flatMap((name) =>
        concurrencies.map((concurrency) =>
          figure(`${name}, ${concurrency} at once`, "turns/s", of(name, concurrency).flat()),
        ),
      ),
      ...comparisons.map(({ concurrency, overProcess }) =>
        figure(`reused over process per turn, ${concurrency} at once`, "×", overProcess),
      ),
      ...comparisons.map(({ concurrency, overFloor }) =>
        figure(`reused over floor, ${concurrency} at once`, "×", overFloor),
      ),
      figure("server CPU per turn", "ms", costs),
    ],
    targets: [
      {
        name: "turns per second, 4 at once, against a process per turn",
        wanted: "≥ 10×",
        measured: `${median(atFour).toFixed(1)}×`,
        reached: median(atFour) >= 10,
      },
    ],
    samples: {
      ...Object.fromEntries([...rates].map(([name, rounds]) => [`${name}, turns/s`, rounds.flat()])),
      "server CPU per turn, ms": costs,
    },
  };
}
