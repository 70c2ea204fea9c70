/**
 * What a warm turn notices of eight workers that start: turns one after the other on a warm worker, quiet and while
 * another profile's eight turns each wait for a worker of their own.
 *
 * Those eight get their answer so late that nothing but their start is measured.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Bench, defineScenario, figure } from "../scenario.ts";
import { BenchServer, BenchStandin } from "../server.ts";
import { median, ratios } from "../stats.ts";
import { grpcClient, type TurnClient } from "../turn-client.ts";
import { prompt } from "../workload.ts";

interface Parameters {
  readonly rounds: number;
  readonly quietTurns: number;
  readonly warmUpTurns: number;
  readonly startCount: number;
  readonly pauseMs: number;
}

export const starts = defineScenario<Parameters>({
  name: "starts",
  about: "First text of a warm turn while eight workers start",
  full: { rounds: 6, quietTurns: 40, warmUpTurns: 50, startCount: 8, pauseMs: 10 },
  quick: { rounds: 2, quietTurns: 20, warmUpTurns: 50, startCount: 8, pauseMs: 10 },
  estimateMs: ({ rounds, quietTurns, warmUpTurns, pauseMs }) =>
    4_000 + warmUpTurns * (pauseMs + 30) + rounds * (2_500 + quietTurns * (pauseMs + 20)),

  async run({ rounds, quietTurns, warmUpTurns, startCount, pauseMs }, bench) {
    await using standin = await BenchStandin.start(bench);
    await using server = await BenchServer.start({
      bench,
      baseUrl: standin.url,
      profiles: { warm: { minSpares: 0 }, burst: { minSpares: 0, maxWorkers: startCount, reuse: false } },
    });
    using client = grpcClient(server.target);
    const warmTurn = async () => {
      const { firstTextMs } = await client.turn({ profile: "warm", prompt });
      await sleep(pauseMs, undefined, { signal: bench.signal });
      return firstTextMs;
    };

    bench.progress("warming up", 0);
    for (let turn = 0; turn < warmUpTurns; turn++) await warmTurn();

    const quiet: number[][] = [];
    const starting: number[][] = [];
    const windows: number[] = [];
    for (let round = 0; round < rounds; round++) {
      bench.progress(`round ${round + 1} of ${rounds}`, 0.1 + (0.9 * round) / rounds);
      const still: number[] = [];
      for (let turn = 0; turn < quietTurns; turn++) still.push(await warmTurn());
      quiet.push(still);

      await using burst = new Burst(client, startCount, bench);
      const disturbed: number[] = [];
      while (!burst.hasStarted) {
        const firstTextMs = await warmTurn();
        if (!burst.hasStarted) disturbed.push(firstTextMs);
      }
      starting.push(disturbed);
      windows.push(await burst.startedAfterMs);
      await burst[Symbol.asyncDispose]();
      await server.spares("burst", 0);
    }
    const slowdown = ratios(starting, quiet);
    return {
      figures: [
        figure("first text, quiet", "ms", quiet.flat()),
        figure(`first text while ${startCount} workers start`, "ms", starting.flat()),
        figure("slowdown", "×", slowdown),
        figure(`${startCount} turns wait for workers of their own, until the last has started`, "ms", windows),
      ],
      targets: [
        {
          name: `first text of a warm turn while ${startCount} workers start`,
          wanted: "≤ 1.3× quiet",
          measured: `${median(slowdown).toFixed(2)}×`,
          reached: median(slowdown) <= 1.3,
        },
      ],
      samples: { "quiet, ms": quiet, "while workers start, ms": starting, "all started after, ms": windows },
    };
  },
});

/** Their model call is answered after this long, in milliseconds; by then they are cancelled. */
const lateMs = 30_000;

/** Turns that each need a new worker. */
class Burst implements AsyncDisposable {
  readonly startedAfterMs: Promise<number>;
  hasStarted = false;
  readonly #cancel = new AbortController();
  readonly #turns: Promise<unknown>;

  constructor(client: TurnClient, count: number, bench: Bench) {
    const beganAtMs = performance.now();
    const allStarted = Promise.withResolvers<number>();
    this.startedAfterMs = allStarted.promise;
    this.startedAfterMs.catch(() => undefined); // Told by whoever waits for it.
    let startedCount = 0;
    const onStarted = () => {
      startedCount += 1;
      if (startedCount < count) return;
      this.hasStarted = true;
      allStarted.resolve(performance.now() - beganAtMs);
    };
    const request = {
      profile: "burst",
      prompt: `[[scenario text ${JSON.stringify({ text: "late", beforeHeadersMs: lateMs })}]]`,
    };
    const signal = AbortSignal.any([this.#cancel.signal, bench.signal]);
    this.#turns = Promise.all(
      Array.from({ length: count }, () =>
        client.turn(request, { signal, onStarted }).catch((error: unknown) => {
          if (this.#cancel.signal.aborted) return;
          this.hasStarted = true;
          allStarted.reject(error);
        }),
      ),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#cancel.abort();
    await this.#turns;
  }
}
