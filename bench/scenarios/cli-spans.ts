/**
 * What it costs a caller that Claude Code's own spans join the traces: the first text with `telemetry.cliSpans` and without
 * it, one turn at a time, on two servers that both send all their traces.
 *
 * The sides take turns within each round; each has a reused worker of its own, and both are equally old. The collector says
 * whether the spans really came.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Child } from "../child.ts";
import type { CollectorCommands } from "../collector-process.ts";
import type { TurnTimes } from "../raw-cli.ts";
import { defineScenario, figure } from "../scenario.ts";
import { BenchServer, BenchStandin } from "../server.ts";
import { differences, median, ratios } from "../stats.ts";
import { grpcClient } from "../turn-client.ts";
import { prompt } from "../workload.ts";

interface Parameters {
  readonly rounds: number;
  readonly turnsPerRound: number;
  readonly warmUpTurns: number;
  readonly pauseMs: number;
}

/** More than a turn's spans are waited for, and than it takes to send them, in milliseconds. */
const arrivalMs = 3_000;

export const cliSpans = defineScenario<Parameters>({
  name: "cli-spans",
  about: "Time to the first text with and without the spans of Claude Code itself in the traces",
  full: { rounds: 30, turnsPerRound: 10, warmUpTurns: 60, pauseMs: 20 },
  quick: { rounds: 6, turnsPerRound: 5, warmUpTurns: 40, pauseMs: 10 },
  estimateMs: ({ rounds, turnsPerRound, warmUpTurns, pauseMs }) =>
    8_000 + (warmUpTurns + rounds * turnsPerRound) * 2 * (pauseMs + 25),

  async run({ rounds, turnsPerRound, warmUpTurns, pauseMs }, bench) {
    await using standin = await BenchStandin.start(bench);
    await using collector = new Child<CollectorCommands>({
      name: "collector",
      script: new URL("../collector-process.ts", import.meta.url),
      folder: bench.folder,
      signal: bench.signal,
    });
    const { url } = await collector.call("start");
    const start = (name: string, withSpans: boolean) =>
      BenchServer.start({
        bench,
        baseUrl: standin.url,
        profiles: { default: { minSpares: 0 } },
        telemetry: { otlpEndpoint: `${url}/${name}`, cliSpans: withSpans, tracesIntervalMs: 1_000 },
      });
    await using without = await start("without", false);
    await using withThem = await start("with", true);
    const sides = [without, withThem].map((server) => ({
      server,
      client: grpcClient(server.target),
      rounds: [] as TurnTimes[][],
      cpuUs: 0,
    }));
    using _clients = new DisposableStack();
    for (const { client } of sides) _clients.use(client);

    const total = warmUpTurns + rounds * turnsPerRound;
    const pause = () => sleep(pauseMs, undefined, { signal: bench.signal });
    for (let turn = 0; turn < warmUpTurns; turn++) {
      bench.progress(`warm-up turn ${turn + 1} of ${warmUpTurns}`, turn / total);
      for (const { client } of sides) {
        await client.turn({ prompt });
        await pause();
      }
    }
    for (const side of sides) side.cpuUs = (await side.server.figures()).cpuUs;
    for (let round = 0; round < rounds; round++) {
      bench.progress(`round ${round + 1} of ${rounds}`, (warmUpTurns + round * turnsPerRound) / total);
      for (const side of sides) side.rounds.push([]);
      for (let turn = 0; turn < turnsPerRound; turn++) {
        // Who comes behind whom must not decide.
        for (const side of (round + turn) % 2 === 0 ? sides : sides.toReversed()) {
          const times = await side.client.turn({ prompt });
          if (times.claimSource !== "REUSED") throw new Error(`a turn was ${times.claimSource} instead of REUSED`);
          side.rounds.at(-1)!.push(times);
          await pause();
        }
      }
    }
    for (const side of sides) side.cpuUs = (await side.server.figures()).cpuUs - side.cpuUs;
    await sleep(arrivalMs, undefined, { signal: bench.signal });
    const [cameWithout, cameWith] = await Promise.all([
      collector.call("interactionCount", "without"),
      collector.call("interactionCount", "with"),
    ]);
    if (cameWithout > 0) throw new Error(`${cameWithout} turns came with spans of Claude Code without the setting`);
    if (cameWith < 0.98 * total) throw new Error(`${total - cameWith} of ${total} turns came without spans`);

    const series = (side: number, member: keyof TurnTimes) =>
      sides[side]!.rounds.map((round) => round.map((times) => times[member]));
    const first = [series(0, "firstTextMs"), series(1, "firstTextMs")] as const;
    const result = [series(0, "totalMs"), series(1, "totalMs")] as const;
    const ratio = ratios(first[1], first[0]);
    const more = differences(first[1], first[0]);
    const cpuMs = sides.map(({ cpuUs }) => cpuUs / 1_000 / (rounds * turnsPerRound));
    return {
      figures: [
        figure("first text without", "ms", first[0].flat()),
        figure("first text with", "ms", first[1].flat()),
        figure("result without", "ms", result[0].flat()),
        figure("result with", "ms", result[1].flat()),
        figure("first text, with over without", "×", ratio),
        figure("first text, with minus without", "ms", more),
        figure("result, with over without", "×", ratios(result[1], result[0])),
        figure("server CPU of a turn without", "ms", [cpuMs[0]!]),
        figure("server CPU of a turn with", "ms", [cpuMs[1]!]),
      ],
      targets: [
        {
          name: "first text with Claude Code's own spans, against without",
          wanted: "within 1.05× or 1 ms",
          measured: `${median(ratio).toFixed(2)}×, ${median(more).toFixed(1)} ms more`,
          reached: median(ratio) <= 1.05 || median(more) <= 1,
        },
      ],
      samples: {
        "without: first text, ms": first[0],
        "with: first text, ms": first[1],
        "without: result, ms": result[0],
        "with: result, ms": result[1],
      },
      notes: [`${cameWith} of ${total} turns with the setting came with their spans, the warm-up included.`],
    };
  },
});
