/**
 * What handing over a history costs: the first text of a reused worker with 0, 10, 50 and 200 pairs of question and
 * answer before the prompt, beside the same on raw pipes.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Role } from "../../gen/claude/runner/v1/runner_pb.ts";
import { FloorWorker, type HistoryPair } from "../floor.ts";
import { defineScenario, figure } from "../scenario.ts";
import { BenchServer, BenchStandin } from "../server.ts";
import { ratios } from "../stats.ts";
import { grpcClient } from "../turn-client.ts";
import { prompt } from "../workload.ts";

const pairCounts = [0, 10, 50, 200] as const;

interface Parameters {
  readonly rounds: number;
  readonly warmUpTurns: number;
  readonly pauseMs: number;
}

export const history = defineScenario<Parameters>({
  name: "history",
  about: "First text with 10, 50 and 200 pairs of history",
  full: { rounds: 8, warmUpTurns: 30, pauseMs: 30 },
  quick: { rounds: 2, warmUpTurns: 10, pauseMs: 30 },
  estimateMs: ({ rounds, warmUpTurns, pauseMs }) => 4_000 + warmUpTurns * 2 * (pauseMs + 25) + rounds * 2_600,

  async run({ rounds, warmUpTurns, pauseMs }, bench) {
    await using standin = await BenchStandin.start(bench);
    await using server = await BenchServer.start({
      bench,
      baseUrl: standin.url,
      profiles: { default: { minSpares: 0 } },
    });
    await using kept = await FloorWorker.start({
      cliPath: bench.cliPath,
      baseUrl: standin.url,
      folder: join(bench.folder, "floor"),
    });
    using client = grpcClient(server.target);
    const pause = () => sleep(pauseMs, undefined, { signal: bench.signal });
    const served = (pairs: readonly HistoryPair[]) =>
      client.turn({
        prompt,
        history: pairs.flatMap(({ question, answer }) => [
          { role: Role.USER, text: question },
          { role: Role.ASSISTANT, text: answer },
        ]),
      });

    for (let turn = 0; turn < warmUpTurns; turn++) {
      bench.progress(`warm-up turn ${turn + 1} of ${warmUpTurns}`, (0.2 * turn) / warmUpTurns);
      await served(pairsOf(turn % 2));
      await pause();
      await kept.turn(prompt, pairsOf(turn % 2));
      await pause();
    }

    const series = new Map(
      pairCounts.map((count) => [count, { served: [] as number[], seed: [] as number[], floor: [] as number[] }]),
    );
    for (let round = 0; round < rounds; round++) {
      bench.progress(`round ${round + 1} of ${rounds}`, 0.2 + (0.8 * round) / rounds);
      for (const [count, samples] of series) {
        const turn = await served(pairsOf(count));
        samples.served.push(turn.firstTextMs);
        samples.seed.push(turn.seedMs);
        await pause();
        samples.floor.push((await kept.turn(prompt, pairsOf(count))).firstTextMs);
        await pause();
      }
    }
    const each = [...series];
    const rounded = (samples: readonly number[]) => samples.map((sample) => [sample]);
    return {
      figures: [
        ...each.map(([count, samples]) => figure(`first text with ${count} pairs, gRPC`, "ms", samples.served)),
        ...each.slice(1).map(([count, samples]) => figure(`of it seeding ${count} pairs`, "ms", samples.seed)),
        ...each.map(([count, samples]) => figure(`first text with ${count} pairs, floor`, "ms", samples.floor)),
        ...each.map(([count, { served, floor }]) =>
          figure(`${count} pairs, gRPC over floor`, "×", ratios(rounded(served), rounded(floor))),
        ),
      ],
      targets: [],
      samples: Object.fromEntries(
        each.flatMap(([count, samples]) => [
          [`${count} pairs: first text by gRPC, ms`, samples.served],
          [`${count} pairs: seeding, ms`, samples.seed],
          [`${count} pairs: first text on raw pipes, ms`, samples.floor],
        ]),
      ),
    };
  },
});

/** 40 characters of question and 150 of answer each. */
function pairsOf(count: number): readonly HistoryPair[] {
  return Array.from({ length: count }, (_, at) => ({
    question: `What did I ask you as question ${at + 1}?`.padEnd(40),
    answer: `As number ${at + 1} you asked for something that needs a short answer. `.repeat(3).slice(0, 150).trim(),
  }));
}
