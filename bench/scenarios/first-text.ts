/**
 * How long a caller waits for the first text, one turn at a time: a process per turn, a fresh spare, a reused worker over
 * three protocols, and the floor without a server.
 *
 * The sides take turns within each round. Each reused side has a worker of its own, so that all of them and the floor are
 * equally old; between turns there is a pause in which the reset, which no caller waits for, is over.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { FloorWorker } from "../floor.ts";
import { turnInProcessOfItsOwn } from "../process-per-turn.ts";
import type { TurnTimes } from "../raw-cli.ts";
import { type Bench, defineScenario, figure } from "../scenario.ts";
import { BenchServer, BenchStandin } from "../server.ts";
import { differences, median, ratios } from "../stats.ts";
import { connectClient, grpcClient, grpcWebClient, type TurnClient } from "../turn-client.ts";
import { prompt } from "../workload.ts";

interface Side {
  readonly name: string;
  /** Turns in each round. */
  readonly turns: number;
  readonly isKept: boolean;
  turn(): Promise<TurnTimes>;
  /** Waits until the next measurement, of any side, is undisturbed. */
  settle(): Promise<unknown>;
}

interface Parameters {
  readonly rounds: number;
  readonly turnsPerRound: number;
  readonly warmUpTurns: number;
  readonly pauseMs: number;
}

const processPerTurn = "process per turn";
const spare = "fresh spare, gRPC";
const reused = "reused worker, gRPC";
const floor = "floor: raw pipes";

export const firstText = defineScenario<Parameters>({
  name: "first-text",
  about: "Time to the first text and to the result, one turn at a time",
  full: { rounds: 24, turnsPerRound: 5, warmUpTurns: 50, pauseMs: 20 },
  quick: { rounds: 4, turnsPerRound: 4, warmUpTurns: 50, pauseMs: 10 },
  estimateMs: ({ rounds, turnsPerRound, warmUpTurns, pauseMs }) =>
    5_000 + warmUpTurns * 4 * (pauseMs + 25) + rounds * (1_600 + turnsPerRound * 4 * (pauseMs + 20)),

  async run(parameters, bench) {
    await using standin = await BenchStandin.start(bench);
    await using server = await BenchServer.start({
      bench,
      baseUrl: standin.url,
      profiles: {
        grpc: { minSpares: 0 },
        connect: { minSpares: 0 },
        "grpc-web": { minSpares: 0 },
        fresh: { minSpares: 2, reuse: false },
      },
    });
    const raw = { cliPath: bench.cliPath, baseUrl: standin.url };
    await using kept = await FloorWorker.start({ ...raw, folder: join(bench.folder, "floor") });
    using grpc = grpcClient(server.target);
    using connect = connectClient(server.target);
    using grpcWeb = grpcWebClient(server.target);
    const pause = () => sleep(parameters.pauseMs, undefined, { signal: bench.signal });
    const keptSide = (name: string, turn: () => Promise<TurnTimes>): Side => ({
      name,
      turns: parameters.turnsPerRound,
      isKept: true,
      turn,
      settle: pause,
    });
    let lastExit = Promise.resolve();
    const sides: readonly Side[] = [
      {
        name: processPerTurn,
        turns: 1,
        isKept: false,
        async turn() {
          const { times, exited } = await turnInProcessOfItsOwn(prompt, { ...raw, folder: join(bench.folder, "own") });
          lastExit = exited;
          return times;
        },
        settle: () => lastExit.then(pause),
      },
      {
        name: spare,
        turns: 1,
        isKept: false,
        turn: () => served(grpc, "fresh", "SPARE"),
        settle: () => server.spares("fresh", 2).then(pause),
      },
      keptSide(reused, () => served(grpc, "grpc", "REUSED")),
      keptSide("reused worker, Connect", () => served(connect, "connect", "REUSED")),
      keptSide("reused worker, gRPC-Web", () => served(grpcWeb, "grpc-web", "REUSED")),
      keptSide(floor, () => kept.turn(prompt)),
    ];

    bench.progress("warming up", 0);
    for (const [client, profile] of [
      [grpc, "grpc"],
      [connect, "connect"],
      [grpcWeb, "grpc-web"],
    ] as const) {
      await client.turn({ profile, prompt });
      await pause();
    }
    await server.spares("fresh", 2);
    await warmUp(sides, parameters, bench);
    return evaluate(sides, await measure(sides, parameters, bench));
  },
});

/** A turn that has to get its worker in the way that is measured. */
async function served(client: TurnClient, profile: string, claimSource: string): Promise<TurnTimes> {
  const turn = await client.turn({ profile, prompt });
  if (turn.claimSource !== claimSource) throw new Error(`a turn was ${turn.claimSource} instead of ${claimSource}`);
  return turn;
}

async function warmUp(sides: readonly Side[], { warmUpTurns, rounds }: Parameters, bench: Bench): Promise<void> {
  const share = 1 / (1 + rounds / 10);
  for (let turn = 0; turn < warmUpTurns; turn++) {
    bench.progress(`warm-up turn ${turn + 1} of ${warmUpTurns}`, (share * turn) / warmUpTurns);
    for (const side of sides.filter(({ isKept }) => isKept)) {
      await side.turn();
      await side.settle();
    }
  }
}

type Measured = ReadonlyMap<string, readonly (readonly TurnTimes[])[]>;

async function measure(sides: readonly Side[], { rounds, turnsPerRound }: Parameters, bench: Bench): Promise<Measured> {
  const measured = new Map<string, TurnTimes[][]>(sides.map(({ name }) => [name, []]));
  const share = 1 / (1 + rounds / 10);
  for (let round = 0; round < rounds; round++) {
    bench.progress(`round ${round + 1} of ${rounds}`, share + ((1 - share) * round) / rounds);
    for (const samples of measured.values()) samples.push([]);
    // Who comes behind whom must not decide.
    const order = round % 2 === 0 ? sides : sides.toReversed();
    for (let turn = 0; turn < turnsPerRound; turn++) {
      for (const side of order) {
        if (turn >= side.turns) continue;
        measured
          .get(side.name)!
          .at(-1)!
          .push(await side.turn());
        await side.settle();
      }
    }
  }
  return measured;
}

function evaluate(sides: readonly Side[], measured: Measured) {
  const series = (name: string, member: keyof TurnTimes) =>
    measured.get(name)!.map((round) => round.map((times) => times[member]));
  const first = (name: string) => series(name, "firstTextMs");
  const overFloor = ratios(first(reused), first(floor));
  const aboveFloor = differences(first(reused), first(floor));
  const fasterThanProcess = ratios(first(processPerTurn), first(reused));
  const fasterThanSpare = ratios(first(spare), first(reused));
  return {
    figures: [
      ...sides.map(({ name }) => figure(`first text: ${name}`, "ms", first(name).flat())),
      ...sides.map(({ name }) => figure(`result: ${name}`, "ms", series(name, "totalMs").flat())),
      figure("first text, reused gRPC over floor", "×", overFloor),
      figure("first text, reused gRPC minus floor", "ms", aboveFloor),
      figure("first text, process per turn over reused gRPC", "×", fasterThanProcess),
      figure("first text, fresh spare over reused gRPC", "×", fasterThanSpare),
    ],
    targets: [
      {
        name: "first text of a reused worker, against the floor",
        wanted: "within 1.25× or 3 ms",
        measured: `${median(overFloor).toFixed(2)}×, ${median(aboveFloor).toFixed(1)} ms more`,
        reached: median(overFloor) <= 1.25 || median(aboveFloor) <= 3,
      },
      {
        name: "first text, against a process per turn",
        wanted: "≥ 10× faster",
        measured: `${median(fasterThanProcess).toFixed(1)}×`,
        reached: median(fasterThanProcess) >= 10,
      },
    ],
    samples: Object.fromEntries(
      sides.flatMap(({ name }) => [
        [`${name}: first text, ms`, first(name)],
        [`${name}: result, ms`, series(name, "totalMs")],
      ]),
    ),
  };
}
