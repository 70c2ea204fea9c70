/**
 * What it costs a caller that its turn is written down before the prompt: the first text with a store in memory, with one
 * in files (the turn survives the server's process), and with a `request_id` (it survives the machine, which takes an
 * fsync). How long an fsync takes on this disk is measured in between.
 *
 *     npm run bench -- --only kept-turns/durability
 *
 * A scripted program is in the place of Claude Code, so that its own time does not hide the difference.
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { DiskProbe } from "../../disk-probe.ts";
import { seededRandom } from "../../random.ts";
import { defineScenario, figure } from "../../scenario.ts";
import { BenchServer } from "../../server.ts";
import { differences, median } from "../../stats.ts";
import { type Measured, roundsOf, type Side, takeTurns } from "../../take-turns.ts";
import { withinLimit } from "../../time-limit.ts";
import { grpcClient, type TurnClient, type TurnRequest } from "../../turn-client.ts";
import { atMostMsMore } from "../../verdicts.ts";

interface Parameters {
  readonly rounds: number;
  readonly samplesPerRound: number;
  readonly warmUpRounds: number;
  readonly pauseMs: number;
  readonly limitSeconds: number;
}

const fakeCli = fileURLToPath(new URL("../../../test/fakes/claude", import.meta.url));
const profiles = { default: { minSpares: 0, maxWorkers: 1 } };
const prompt = '[[fake answer {"flood":{"deltas":1,"chars":10}}]]';
/** What being written down may add to the first text, in milliseconds; the fsync of a power-safe turn comes on top. */
const mostMs = 1;

const inMemory = "store in memory";
const processSafe = "store in files, process-safe";
const namedInMemory = "store in memory, with a request_id";
const powerSafe = "store in files, with a request_id: power-safe";
const fsync = "fsync of this disk";
const turnNames = [inMemory, processSafe, namedInMemory, powerSafe] as const;

export const durability = defineScenario<Parameters>({
  name: "kept-turns/durability",
  about: "Proof: first text of a turn that is written down, process-safe and power-safe",
  isProof: true,
  full: { rounds: 20, samplesPerRound: 15, warmUpRounds: 3, pauseMs: 10, limitSeconds: 300 },
  quick: { rounds: 4, samplesPerRound: 10, warmUpRounds: 2, pauseMs: 5, limitSeconds: 300 },
  estimateMs: ({ rounds, samplesPerRound, warmUpRounds, pauseMs }) =>
    4_000 + (rounds + warmUpRounds) * samplesPerRound * 5 * (pauseMs + 8),

  run: (parameters, bench) =>
    withinLimit(bench, parameters.limitSeconds, async (limited) => {
      const { rounds, samplesPerRound, warmUpRounds, pauseMs } = parameters;
      const storeFolder = join(bench.folder, "store");
      const started = { bench: limited, cliPath: fakeCli, baseUrl: "http://127.0.0.1:9", profiles };
      await using memory = await BenchServer.start({ ...started, store: { kind: "memory" } });
      await using files = await BenchServer.start({ ...started, store: { kind: "sqlite", folder: storeFolder } });
      using disk = new DiskProbe(join(storeFolder, "fsync-probe"));
      using toMemory = grpcClient(memory.target);
      using toFiles = grpcClient(files.target);
      const settle = () => sleep(pauseMs, undefined, { signal: limited.signal });
      const side = (name: string, client: TurnClient, request: () => TurnRequest): Side => ({
        name,
        sample: async () => (await client.turn(request())).firstTextMs,
        settle,
      });
      const plain = () => ({ prompt });
      const named = () => ({ prompt, requestId: randomUUID() });
      const measured = await takeTurns(
        [
          side(inMemory, toMemory, plain),
          side(processSafe, toFiles, plain),
          side(namedInMemory, toMemory, named),
          side(powerSafe, toFiles, named),
          { name: fsync, sample: async () => disk.fsyncMs(), settle },
        ],
        {
          rounds,
          samplesPerRound,
          warmUpRounds,
          random: seededRandom(bench.seed),
          signal: limited.signal,
          progress: (done) => bench.progress("turns and fsyncs", done),
        },
      );
      return evaluate(measured);
    }),
});

function evaluate(measured: Measured) {
  const of = (name: string) => roundsOf(measured, name);
  const processSafeMore = differences(of(processSafe), of(inMemory));
  const powerSafeMore = differences(of(powerSafe), of(inMemory));
  const fsyncMs = of(fsync).map(median);
  const besideFsync = powerSafeMore.map((ms, round) => ms - fsyncMs[round]!);
  return {
    figures: [
      ...turnNames.map((name) => figure(`first text: ${name}`, "ms", of(name).flat())),
      figure(fsync, "ms", of(fsync).flat()),
      figure("process-safe, over memory", "ms", processSafeMore),
      figure("power-safe, over memory", "ms", powerSafeMore),
      figure("power-safe, over memory and one fsync", "ms", besideFsync),
    ],
    targets: [
      atMostMsMore("first text of a process-safe turn, over a store in memory", processSafeMore, mostMs),
      atMostMsMore(
        "first text of a power-safe turn, over a store in memory and one fsync",
        besideFsync,
        mostMs,
        `≤ ${mostMs} ms and one fsync more, which took ${median(fsyncMs).toFixed(2)} ms`,
      ),
    ],
    samples: Object.fromEntries(measured),
  };
}
