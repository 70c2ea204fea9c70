/**
 * Attached streams that are cut at random, over both ports, and read on after the last event that came. A proof: no
 * event is lost, doubled, out of order or another than the turn's caller was sent, and the first message of AttachTurn
 * comes within twice the round trip of GetInfo.
 *
 *     npm run bench -- --only rejoin --seed 1 --cuts 10000
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { grpcJsClient } from "../../test/contract/transports.ts";
import { readerKinds } from "../proofs/attach-readers.ts";
import { cutAndRejoin, type RejoinOutcome } from "../proofs/rejoin.ts";
import { seededRandom } from "../random.ts";
import { type Bench, defineScenario, figure } from "../scenario.ts";
import { BenchServer } from "../server.ts";
import { median, type Rounds, ratios } from "../stats.ts";
import { withinLimit } from "../time-limit.ts";

interface Parameters {
  /** Of the comparison with GetInfo. */
  readonly rounds: number;
  readonly cuts: number;
  readonly limitSeconds: number;
}

const fakeCli = fileURLToPath(new URL("../../test/fakes/claude", import.meta.url));
const workerCount = 6;
const turnsAtOnce = 4;
const readersPerKind = 3;
const lateReaders = 2;
const samplesPerRound = 50;
const mostRoundTrips = 2;

export const rejoin = defineScenario<Parameters>({
  name: "rejoin",
  about: "Proof: attached streams are cut at random, and no event is lost or doubled",
  isProof: true,
  full: { rounds: 7, cuts: 10_000, limitSeconds: 1_800 },
  quick: { rounds: 3, cuts: 200, limitSeconds: 300 },
  estimateMs: ({ cuts }) => 20_000 + cuts * 20,

  run: (parameters, bench) =>
    withinLimit(bench, parameters.limitSeconds, async (limited) => {
      const cutCount = bench.amounts.cuts ?? parameters.cuts;
      await using server = await BenchServer.start({
        bench: limited,
        baseUrl: "http://127.0.0.1:9", // the fake CLI asks no model
        cliPath: fakeCli,
        profiles: { default: { minSpares: 1, maxWorkers: workerCount } },
        // Little memory for events, so that those of earlier turns come from the store.
        store: { kind: "sqlite", folder: join(bench.folder, "store"), maxMemoryEventBytes: 2 ** 20 },
        calls: { maxTurnReadersPerTenant: 1_000 },
      });
      await server.spares("default", 1);
      bench.progress("the first message against GetInfo", 0);
      const trips = await compareWithInfo(server, parameters.rounds, limited);
      const outcome = await cutAndRejoin({
        target: server.target,
        random: seededRandom(bench.seed),
        cutCount,
        turnsAtOnce,
        readersPerKind,
        lateReaders,
        prompt: (random) => answerOf(Math.floor(150 + 350 * random()), Math.floor(100 + 200 * random())),
        signal: limited.signal,
        progress: (count) => bench.progress(`${count} cuts`, 0.1 + (0.9 * count) / cutCount),
      });
      return evaluate(outcome, trips, cutCount);
    }),
});

const answerOf = (deltas: number, perSecond: number) =>
  `[[fake answer {"thinking":"Let me see.","flood":{"deltas":${deltas},"chars":40},"perSecond":${perSecond}}]]`;

interface Trips {
  readonly infoMs: Rounds;
  readonly attachMs: Rounds;
}

/** Times of GetInfo, and of AttachTurn of a turn that has ended up to its first message, in turns on one connection each. */
async function compareWithInfo(server: BenchServer, rounds: number, { signal }: Bench): Promise<Trips> {
  const { grpcPort, token } = server.target;
  const infos = grpcJsClient(`ipv4:127.0.0.1:${grpcPort}`, token);
  using reader = readerKinds[0]!.connect(grpcPort, token);
  try {
    const { turnId } = await infos.chat({ prompt: "[[fake answer {}]]" });
    const attach = async () => {
      const leave = new AbortController();
      const sinceMs = performance.now();
      for await (const { message } of reader.attach({ turnId, afterSequence: 0, signal: leave.signal })) {
        if (message.case !== "state") throw new Error(`the first message is ${message.case}`);
        break;
      }
      return performance.now() - sinceMs;
    };
    const info = async () => {
      const sinceMs = performance.now();
      await infos.getInfo();
      return performance.now() - sinceMs;
    };
    const infoMs: number[][] = [];
    const attachMs: number[][] = [];
    for (let round = -1; round < rounds; round += 1) {
      signal.throwIfAborted();
      const [infoRound, attachRound]: [number[], number[]] = [[], []];
      for (let at = 0; at < samplesPerRound; at += 1) {
        infoRound.push(await info());
        attachRound.push(await attach());
      }
      if (round < 0) continue; // warming up
      infoMs.push(infoRound);
      attachMs.push(attachRound);
    }
    return { infoMs, attachMs };
  } finally {
    infos.close();
  }
}

function evaluate(outcome: RejoinOutcome, { infoMs, attachMs }: Trips, cutsWanted: number) {
  const cutCount = [...outcome.cuts.values()].reduce((sum, count) => sum + count, 0);
  const { lostCount, doubledCount, disorderedCount, differentCount, gapCount, failures } = outcome;
  const trips = ratios(attachMs, infoMs);
  const wrong = lostCount + doubledCount + disorderedCount + differentCount + gapCount;
  return {
    figures: [
      ...[...outcome.cuts].map(([kind, count]) => figure(`cuts: ${kind}`, "", [count])),
      figure("cuts that broke a connection", "", [outcome.brokenWireCount]),
      figure("cuts before the reader had come to what happens now", "", [outcome.cutInReplayCount]),
      figure("turns", "", [outcome.turnCount]),
      figure("events that were read", "events", [outcome.eventCount]),
      figure("GetInfo", "ms", infoMs.flat()),
      figure("AttachTurn to its first message", "ms", attachMs.flat()),
      figure("the same in round trips of GetInfo", "×", trips),
    ],
    targets: [
      {
        name: "cuts, over every kind of reader",
        wanted: String(cutsWanted),
        measured: String(cutCount),
        reached: cutCount >= cutsWanted && readerKinds.every(({ name }) => (outcome.cuts.get(name) ?? 0) > 0),
      },
      {
        name: "events that are not as they were sent",
        wanted: "none",
        measured:
          `${lostCount} lost, ${doubledCount} doubled, ${disorderedCount} out of order, ` +
          `${differentCount} different, ${gapCount} gaps`,
        reached: wrong === 0 && outcome.eventCount > 0,
      },
      {
        name: "streams that failed without a cut",
        wanted: "none",
        measured: failures.length === 0 ? "none" : `${failures.length}: ${failures.slice(0, 3).join("; ")}`,
        reached: failures.length === 0,
      },
      {
        name: "first message of AttachTurn",
        wanted: `at most ${mostRoundTrips} round trips of GetInfo`,
        measured: `${median(trips).toFixed(2)} round trips`,
        reached: median(trips) <= mostRoundTrips,
      },
    ],
    samples: { "GetInfo, ms": infoMs, "AttachTurn to its first message, ms": attachMs },
  };
}
