/**
 * Turns per second with 1, 4 and 8 callers who each send the next turn as soon as the last one has its result: a process
 * per turn, reused workers over gRPC, and the floor, which is as many processes on raw pipes.
 *
 * And what a turn takes of the whole machine's CPU: server, workers, clients and stand-in together, and whatever else runs.
 * Four callers are served by eight workers, by as many as there are callers (twice in each round, to see how far the same
 * is apart), and by one more.
 */
import { cpus } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { FloorWorker } from "../floor.ts";
import { BenchLoad } from "../load.ts";
import { turnInProcessOfItsOwn } from "../process-per-turn.ts";
import { type Bench, defineScenario, figure } from "../scenario.ts";
import { BenchServer, BenchStandin } from "../server.ts";
import { median, type Rounds, ratios } from "../stats.ts";
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
  /** With how many callers; all, unless said otherwise. */
  readonly concurrencies?: readonly number[];
  /** Turns per second with so many callers. */
  rate(concurrency: number): Promise<number>;
}

const processPerTurn = "process per turn";
const reused = "reused workers, gRPC";
const asMany = "as many reused workers as callers";
const asManyAgain = "as many reused workers as callers, again";
const oneMore = "one reused worker more than callers";
/** The number of callers at which these are compared. */
const comparedConcurrency = 4;
/** Their profiles. */
const asManyProfile = "as-many";
const oneMoreProfile = "one-more";
const floor = "floor: raw pipes";
/** How long the streams are open before it counts, in milliseconds. */
const rampMs = 300;

export const throughput = defineScenario<Parameters>({
  name: "throughput",
  about: "Turns per second with 1, 4 and 8 callers",
  full: { rounds: 3, windowMs: 3_000, warmUpTurns: 50 },
  quick: { rounds: 1, windowMs: 1_500, warmUpTurns: 20 },
  estimateMs: ({ rounds, windowMs, warmUpTurns }) => 6_000 + warmUpTurns * 2 * 8 * 14 + rounds * 12 * (windowMs + 900),

  async run({ rounds, windowMs, warmUpTurns }, bench) {
    await using standin = await BenchStandin.start(bench);
    await using server = await BenchServer.start({
      bench,
      baseUrl: standin.url,
      profiles: {
        default: { minSpares: 0, maxWorkers: most },
        [asManyProfile]: { minSpares: 0, maxWorkers: comparedConcurrency },
        [oneMoreProfile]: { minSpares: 0, maxWorkers: comparedConcurrency + 1 },
      },
    });
    await using load = new BenchLoad(bench);
    await using stack = new AsyncDisposableStack();
    const raw = { cliPath: bench.cliPath, baseUrl: standin.url };
    const kept = await Promise.all(
      Array.from({ length: most }, (_, at) =>
        FloorWorker.start({ ...raw, folder: join(bench.folder, `floor-${at}`) }).then((worker) => stack.use(worker)),
      ),
    );
    const streams = (streamCount: number, profile = "default") =>
      load.open({ target: server.target, protocol: "grpc", streamCount, request: { prompt, profile } });

    bench.progress("warming up", 0);
    await streams(most);
    await load.turns(most * warmUpTurns);
    await load.close();
    for (const [profile, workerCount] of [
      [asManyProfile, comparedConcurrency],
      [oneMoreProfile, comparedConcurrency + 1],
    ] as const) {
      await streams(workerCount, profile);
      await load.turns(workerCount * warmUpTurns);
      await load.close();
    }
    await Promise.all(
      kept.map(async (worker) => {
        for (let turn = 0; turn < warmUpTurns; turn++) await worker.turn(prompt);
      }),
    );

    const costs: number[] = [];
    /** What each turn of the side that was measured last took of the machine's CPU, in milliseconds. */
    let cpuOfSide = 0;
    const served = async (concurrency: number, profile: string) => {
      await streams(concurrency, profile);
      await sleep(rampMs, undefined, { signal: bench.signal });
      const before = await server.figures();
      const busyBeforeMs = machineCpuMs();
      const { turnCount, elapsedMs } = await load.during(windowMs);
      cpuOfSide = (machineCpuMs() - busyBeforeMs) / turnCount;
      const after = await server.figures();
      await load.close();
      if (profile === "default") costs.push((after.cpuUs - before.cpuUs) / 1_000 / turnCount);
      return (turnCount / elapsedMs) * 1_000;
    };
    const only = { concurrencies: [comparedConcurrency] };
    const sides: readonly Side[] = [
      {
        name: processPerTurn,
        rate: (concurrency) =>
          rateOf(concurrency, windowMs, bench, async (caller) => {
            const folder = join(bench.folder, `own-${caller}`);
            await turnInProcessOfItsOwn(prompt, { ...raw, folder });
          }),
      },
      { name: reused, rate: (concurrency) => served(concurrency, "default") },
      { name: asMany, ...only, rate: (concurrency) => served(concurrency, asManyProfile) },
      { name: oneMore, ...only, rate: (concurrency) => served(concurrency, oneMoreProfile) },
      { name: asManyAgain, ...only, rate: (concurrency) => served(concurrency, asManyProfile) },
      {
        name: floor,
        async rate(concurrency) {
          const busyBeforeMs = machineCpuMs();
          let turnCount = 0;
          const rate = await rateOf(concurrency, windowMs, bench, async (caller) => {
            await kept[caller]!.turn(prompt);
            turnCount += 1;
          });
          cpuOfSide = (machineCpuMs() - busyBeforeMs) / turnCount;
          return rate;
        },
      },
    ];

    const rates = new Map<string, number[][]>();
    const cpu = new Map<string, number[][]>();
    const of = (concurrency: number) => sides.filter((side) => side.concurrencies?.includes(concurrency) ?? true);
    const total = rounds * concurrencies.reduce((sum, concurrency) => sum + of(concurrency).length, 0);
    let done = 0;
    for (let round = 0; round < rounds; round++) {
      for (const concurrency of concurrencies) {
        for (const { name, rate } of round % 2 === 0 ? of(concurrency) : of(concurrency).toReversed()) {
          const key = `${name} ×${concurrency}`;
          bench.progress(`round ${round + 1} of ${rounds}, ${key}`, 0.1 + (0.9 * done++) / total);
          rates.set(key, [...(rates.get(key) ?? []), [await rate(concurrency)]]);
          cpu.set(key, [...(cpu.get(key) ?? []), [cpuOfSide]]);
        }
      }
    }
    return evaluate(rates, cpu, costs);
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

/** What all processes of the machine have used so far. */
function machineCpuMs(): number {
  return cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);
}

type BySide = ReadonlyMap<string, Rounds>;

function evaluate(rates: BySide, cpu: BySide, costs: readonly number[]) {
  const of = (name: string, concurrency: number) => rates.get(`${name} ×${concurrency}`)!;
  const comparisons = concurrencies.map((concurrency) => ({
    concurrency,
    overProcess: ratios(of(reused, concurrency), of(processPerTurn, concurrency)),
    overFloor: ratios(of(reused, concurrency), of(floor, concurrency)),
  }));
  const compared = (name: string) => `${name} ×${comparedConcurrency}`;
  const overFloor = (of: BySide, name: string) => ratios(of.get(compared(name))!, of.get(compared(floor))!);
  const cpuOverFloor = overFloor(cpu, asMany);
  const rateOverFloor = overFloor(rates, asMany);
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
      ...[asMany, asManyAgain, oneMore].flatMap((name) => [
        figure(`${name}, ${comparedConcurrency} at once`, "turns/s", rates.get(compared(name))!.flat()),
        figure(`${name} over floor, turns per second`, "×", overFloor(rates, name)),
        figure(`${name} over floor, CPU of the machine per turn`, "×", overFloor(cpu, name)),
      ]),
      figure(
        "the same again over itself, turns per second",
        "×",
        ratios(rates.get(compared(asManyAgain))!, rates.get(compared(asMany))!),
      ),
      figure(
        "the same again over itself, CPU of the machine per turn",
        "×",
        ratios(cpu.get(compared(asManyAgain))!, cpu.get(compared(asMany))!),
      ),
      figure("floor, CPU of the machine per turn", "ms", cpu.get(compared(floor))!.flat()),
    ],
    targets: [
      {
        name: "turns per second, 4 at once, against a process per turn",
        wanted: "≥ 10×",
        measured: `${median(atFour).toFixed(1)}×`,
        reached: median(atFour) >= 10,
      },
      {
        name: `CPU per turn, ${comparedConcurrency} at once with as many workers, against raw pipes`,
        wanted: "≤ 1.12×",
        measured: `${median(cpuOverFloor).toFixed(2)}×`,
        reached: median(cpuOverFloor) <= 1.12,
      },
      {
        name: `turns per second, ${comparedConcurrency} at once with as many workers, against raw pipes`,
        wanted: "≥ 0.9×",
        measured: `${median(rateOverFloor).toFixed(2)}×`,
        reached: median(rateOverFloor) >= 0.9,
      },
    ],
    samples: {
      ...Object.fromEntries([...rates].map(([name, rounds]) => [`${name}, turns/s`, rounds.flat()])),
      ...Object.fromEntries(
        [...cpu].map(([name, rounds]) => [`${name}, CPU of the machine per turn, ms`, rounds.flat()]),
      ),
      "server CPU per turn, ms": costs,
    },
  };
}
