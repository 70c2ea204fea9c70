/**
 * Proof: this build against an older one (`--against FOLDER`, a checkout with its node_modules), side by side in one run.
 *
 * Three servers take turns within each round: the older build, this one, and this one again, which shows how far the same
 * build is apart from itself on this machine in this run. All have the same Claude Code, the same model API, the same
 * scripted program and the same client; only the server is another.
 */
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { BenchLoad } from "../load.ts";
import { type Bench, defineScenario, figure, type Target, type Unit } from "../scenario.ts";
import { BenchServer, BenchStandin } from "../server.ts";
import { median, quantile, type Rounds, ratios } from "../stats.ts";
import { grpcClient } from "../turn-client.ts";
import { prompt } from "../workload.ts";

const fakeCli = fileURLToPath(new URL("../../test/fakes/claude", import.meta.url));
const ownServer = new URL("../server-process.ts", import.meta.url);
const concurrencies = [1, 4, 8] as const;
const most = Math.max(...concurrencies);
/** Paced, so that each delta is an event: of a flood, those that wait together come as one. */
const paced = { streamCount: 16, perSecond: 100 } as const;
/** How long streams are open before it counts, in milliseconds. */
const rampMs = 300;
const warmUpTurnCount = 30;
/** The most by which what a server pays may grow. */
const wantedGrowth = 1.02;

interface Parameters {
  readonly rounds: number;
  readonly windowMs: number;
  readonly singleTurnCount: number;
}

/** What is measured of each build in each round. */
interface Measure {
  readonly name: string;
  readonly unit: Unit;
  readonly betterIs: "less" | "more";
  /** Whether it must not grow beyond `wantedGrowth`, or beyond what the same build is apart from itself. */
  readonly bound: "growth" | "spread";
}

const perEvent: Measure = {
  name: `server CPU per event, ${paced.streamCount} streams of ${paced.perSecond} events/s`,
  unit: "µs",
  betterIs: "less",
  bound: "growth",
};
const perTurn = (concurrency: number): Measure => ({
  name: `server CPU per turn, ${concurrency} at once`,
  unit: "ms",
  betterIs: "less",
  bound: "growth",
});
const turnRate = (concurrency: number): Measure => ({
  name: `turns per second, ${concurrency} at once`,
  unit: "turns/s",
  betterIs: "more",
  bound: "spread",
});
const firstText: Measure = { name: "first text, one turn at a time", unit: "ms", betterIs: "less", bound: "spread" };
const measures = [perEvent, ...concurrencies.flatMap((each) => [perTurn(each), turnRate(each)]), firstText];

const [older, newer, again] = ["older build", "this build", "this build, again"] as const;
const sideNames = [older, newer, again] as const;

/** The servers of one build, with their workers started and warm. */
class Side implements AsyncDisposable {
  readonly name: string;
  readonly #deltas: BenchServer;
  readonly #turns: BenchServer;
  readonly #load: BenchLoad;
  readonly #bench: Bench;

  static async start(name: string, script: URL, baseUrl: string, load: BenchLoad, bench: Bench): Promise<Side> {
    const unlimited = { maxOutputBytes: 2 ** 40 };
    const deltas = await BenchServer.start({
      bench,
      script,
      cliPath: fakeCli,
      baseUrl: "http://127.0.0.1:9", // The scripted program asks no model.
      profiles: {
        default: { minSpares: 0, maxWorkers: paced.streamCount, defaultLimits: unlimited, maxLimits: unlimited },
      },
      pool: { maxStartingWorkers: 4 },
    });
    const turns = await BenchServer.start({
      bench,
      script,
      baseUrl,
      profiles: { default: { minSpares: 0, maxWorkers: most }, single: { minSpares: 0, maxWorkers: 1 } },
    });
    return new Side(name, deltas, turns, load, bench);
  }

  private constructor(name: string, deltas: BenchServer, turns: BenchServer, load: BenchLoad, bench: Bench) {
    this.name = name;
    this.#deltas = deltas;
    this.#turns = turns;
    this.#load = load;
    this.#bench = bench;
  }

  async warmUp(windowMs: number): Promise<void> {
    await this.events(windowMs);
    await this.#open(most);
    await this.#load.turns(most * warmUpTurnCount);
    await this.#load.close();
    await this.singleTurns(warmUpTurnCount);
  }

  /** Server CPU for each of many text deltas, in microseconds. */
  async events(windowMs: number): Promise<number> {
    const answer = { flood: { deltas: 10_000_000, chars: 80 }, perSecond: paced.perSecond };
    await this.#load.open({
      target: this.#deltas.target,
      protocol: "grpc",
      streamCount: paced.streamCount,
      request: { prompt: `[[fake answer ${JSON.stringify(answer)}]]` },
    });
    const before = await this.#deltas.figures();
    const { eventCount } = await this.#load.during(windowMs);
    const after = await this.#deltas.figures();
    await this.#load.close();
    return (after.cpuUs - before.cpuUs) / eventCount;
  }

  /** Turns per second with so many callers, and the server's CPU for each in milliseconds. */
  async turns(concurrency: number, windowMs: number): Promise<{ readonly rate: number; readonly cpuMs: number }> {
    await this.#open(concurrency);
    await sleep(rampMs, undefined, { signal: this.#bench.signal });
    const before = await this.#turns.figures();
    const { turnCount, elapsedMs } = await this.#load.during(windowMs);
    const after = await this.#turns.figures();
    await this.#load.close();
    return { rate: (turnCount / elapsedMs) * 1_000, cpuMs: (after.cpuUs - before.cpuUs) / 1_000 / turnCount };
  }

  /** The times to the first text of so many turns, one after the other, in milliseconds. */
  async singleTurns(count: number): Promise<number[]> {
    using client = grpcClient(this.#turns.target);
    const times: number[] = [];
    for (let turn = 0; turn < count; turn++) {
      times.push((await client.turn({ profile: "single", prompt })).firstTextMs);
      await sleep(20, undefined, { signal: this.#bench.signal }); // in which the reset is over
    }
    return times;
  }

  #open(streamCount: number): Promise<void> {
    return this.#load.open({ target: this.#turns.target, protocol: "grpc", streamCount, request: { prompt } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#deltas[Symbol.asyncDispose](), this.#turns[Symbol.asyncDispose]()]);
  }
}

export const against = defineScenario<Parameters>({
  name: "against",
  about: "Proof: this build against the older one of --against FOLDER, side by side",
  isProof: true,
  full: { rounds: 9, windowMs: 2_000, singleTurnCount: 15 },
  quick: { rounds: 2, windowMs: 1_000, singleTurnCount: 5 },
  estimateMs: ({ rounds, windowMs, singleTurnCount }) =>
    90_000 + rounds * sideNames.length * (4 * (windowMs + 1_200) + singleTurnCount * 45),

  async run({ rounds, windowMs, singleTurnCount }, bench) {
    if (bench.against === undefined) throw new RangeError("name the older checkout with --against FOLDER");
    const olderServer = pathToFileURL(join(resolve(bench.against), "bench", "server-process.ts"));
    await using standin = await BenchStandin.start(bench);
    await using load = new BenchLoad(bench);
    await using opened = new AsyncDisposableStack();
    const sides: Side[] = [];
    for (const name of sideNames) {
      bench.progress(`starting and warming up, ${name}`, 0.15 * (sides.length / sideNames.length));
      const script = name === older ? olderServer : ownServer;
      const side = opened.use(await Side.start(name, script, standin.url, load, bench));
      await side.warmUp(windowMs);
      sides.push(side);
    }

    const measured = new Map<string, number[][]>();
    const note = (measure: Measure, side: Side, samples: number[]) => {
      const key = keyOf(measure, side.name);
      measured.set(key, [...(measured.get(key) ?? []), samples]);
    };
    for (let round = 0; round < rounds; round++) {
      bench.progress(`round ${round + 1} of ${rounds}`, 0.15 + (0.85 * round) / rounds);
      // Each side is first, second and last equally often.
      const order = sides.map((_, at) => sides[(at + round) % sides.length]!);
      for (const side of order) note(perEvent, side, [await side.events(windowMs)]);
      for (const concurrency of concurrencies) {
        for (const side of order) {
          const { rate, cpuMs } = await side.turns(concurrency, windowMs);
          note(turnRate(concurrency), side, [rate]);
          note(perTurn(concurrency), side, [cpuMs]);
        }
      }
      for (const side of order) note(firstText, side, await side.singleTurns(singleTurnCount));
    }
    return evaluate(measured);
  },
});

const keyOf = ({ name }: Measure, side: string) => `${name}, ${side}`;

function evaluate(measured: ReadonlyMap<string, Rounds>) {
  const of = (measure: Measure, side: string) => measured.get(keyOf(measure, side))!;
  const compared = measures.map((measure) => ({
    measure,
    change: ratios(of(measure, newer), of(measure, older)),
    spread: ratios(of(measure, again), of(measure, newer)),
  }));
  return {
    figures: compared.flatMap(({ measure, change, spread }) => [
      ...sideNames.map((side) => figure(keyOf(measure, side), measure.unit, of(measure, side).flat())),
      figure(`${measure.name}: this over older`, "×", change),
      figure(`${measure.name}: this again over this`, "×", spread),
    ]),
    targets: compared.map(({ measure, change, spread }) => targetOf(measure, median(change), spread)),
    samples: Object.fromEntries([...measured].map(([key, rounds]) => [key, rounds])),
    notes: [
      "“This over older” is by round, in the order of the rounds; its median is what counts. “This again over this” is the " +
        "same build against itself in the same rounds.",
    ],
  };
}

/** Turned round so that more than 1 is worse. */
function targetOf({ name, betterIs, bound }: Measure, change: number, spread: readonly number[]): Target {
  const worse = betterIs === "less" ? change : 1 / change;
  // How far the same build is apart from itself in three rounds of four, whichever way.
  const apart = quantile(
    spread.map((ratio) => Math.max(ratio, 1 / ratio)),
    0.75,
  );
  const limit = bound === "growth" ? wantedGrowth : apart;
  const wanted = betterIs === "less" ? `≤ ${limit.toFixed(3)}×` : `≥ ${(1 / limit).toFixed(3)}×`;
  return {
    name: `${name}, this over older${bound === "spread" ? " (within what the same is apart)" : ""}`,
    wanted,
    measured: `${change.toFixed(3)}×`,
    reached: worse <= limit,
  };
}
