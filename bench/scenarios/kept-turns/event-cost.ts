/**
 * What an event costs the server where it is kept: its CPU for each event of turns whose events are in memory only, and of
 * turns that go on without their caller, whose events are written to the store. With `--against FOLDER` also that of an
 * older build, such as one that has no store.
 *
 *     npm run bench -- --only kept-turns/event-cost --against ../older
 *
 * A scripted program says text deltas at the pace of busy chats, so that each delta is an event.
 */
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { OnDisconnect } from "../../../gen/claude/runner/v1/runner_pb.ts";
import { TurnState } from "../../../gen/claude/runner/v1/turn_pb.ts";
import { BenchLoad } from "../../load.ts";
import { clientsOf } from "../../proofs/crash-load.ts";
import { seededRandom } from "../../random.ts";
import { type Bench, defineScenario, figure } from "../../scenario.ts";
import { BenchServer } from "../../server.ts";
import { ratios } from "../../stats.ts";
import { type Measured, roundsOf, type Side, takeTurns } from "../../take-turns.ts";
import { withinLimit } from "../../time-limit.ts";
import { atMostTimes } from "../../verdicts.ts";

interface Parameters {
  readonly rounds: number;
  readonly windowMs: number;
  readonly limitSeconds: number;
}

const fakeCli = fileURLToPath(new URL("../../../test/fakes/claude", import.meta.url));
const streamCount = 16;
const perSecond = 100;
/** More than are said before the streams are ended. */
const deltaCount = 10_000_000;
const prompt = `[[fake answer ${JSON.stringify({ flood: { deltas: deltaCount, chars: 80 }, perSecond })}]]`;
const mostInMemory = 1.1;
const mostStored = 1.5;

const inMemory = "events in memory";
const stored = "events in the store";
const older = "older build";

export const eventCost = defineScenario<Parameters>({
  name: "kept-turns/event-cost",
  about: "Proof: the server's CPU per event, in memory and in the store, and against the build of --against FOLDER",
  isProof: true,
  full: { rounds: 12, windowMs: 2_000, limitSeconds: 600 },
  quick: { rounds: 3, windowMs: 1_000, limitSeconds: 300 },
  estimateMs: ({ rounds, windowMs }) => 15_000 + (rounds + 1) * 3 * (windowMs + 400),

  run: (parameters, bench) =>
    withinLimit(bench, parameters.limitSeconds, async (limited) => {
      const { rounds, windowMs } = parameters;
      await using load = new BenchLoad(limited);
      await using newer = await start(limited, { store: { kind: "sqlite", folder: join(bench.folder, "store") } });
      await using before = bench.against === undefined ? undefined : await start(limited, olderBuild(bench.against));
      const shares: number[] = [];
      const side = (name: string, server: BenchServer, goesOn: boolean): Side => ({
        name,
        sample: () => cpuUsPerEvent(server, load, { goesOn, windowMs, shares }),
      });
      const measured = await takeTurns(
        [
          side(inMemory, newer, false),
          side(stored, newer, true),
          ...(before === undefined ? [] : [side(older, before, false)]),
        ],
        {
          rounds,
          samplesPerRound: 1,
          warmUpRounds: 1,
          random: seededRandom(bench.seed),
          signal: limited.signal,
          progress: (done) => bench.progress(`${streamCount} streams of ${perSecond} events/s`, done),
        },
      );
      return evaluate(measured, shares);
    }),
});

const olderBuild = (folder: string) => ({
  script: pathToFileURL(join(resolve(folder), "bench", "server-process.ts")),
});

function start(bench: Bench, how: { readonly store?: object; readonly script?: URL }): Promise<BenchServer> {
  const unlimited = { maxOutputBytes: 2 ** 40 };
  return BenchServer.start({
    bench,
    cliPath: fakeCli,
    baseUrl: "http://127.0.0.1:9", // The scripted program asks no model.
    profiles: { default: { minSpares: 0, maxWorkers: streamCount, defaultLimits: unlimited, maxLimits: unlimited } },
    pool: { maxStartingWorkers: 4 },
    ...how,
  });
}

/** `shares`: of the deltas that were said, how many came as events. Those that wait together come as one. */
async function cpuUsPerEvent(
  server: BenchServer,
  load: BenchLoad,
  { goesOn, windowMs, shares }: { readonly goesOn: boolean; readonly windowMs: number; readonly shares: number[] },
): Promise<number> {
  await load.open({
    target: server.target,
    protocol: "grpc",
    streamCount,
    request: { prompt, ...(goesOn && { onDisconnect: OnDisconnect.CONTINUE }) },
    namesRequests: goesOn,
  });
  const before = await server.figures();
  const { eventCount, elapsedMs } = await load.during(windowMs);
  const after = await server.figures();
  await load.close();
  // Turns that go on do so without their callers too.
  if (goesOn) await interruptAll(server);
  await server.quiet();
  shares.push((eventCount * 1_000) / (streamCount * perSecond * elapsedMs));
  return (after.cpuUs - before.cpuUs) / eventCount;
}

async function interruptAll(server: BenchServer): Promise<void> {
  const [{ turns: service }] = clientsOf(server.target, server.target.token);
  const { turns } = await service.listTurns({ state: TurnState.RUNNING, pageSize: 1_000 });
  if (turns.length !== streamCount) throw new Error(`${turns.length} turns go on without their callers`);
  await Promise.all(turns.map(({ id }) => service.interruptTurn({ turnId: id })));
}

function evaluate(measured: Measured, shares: readonly number[]) {
  const of = (name: string) => roundsOf(measured, name);
  const storedOverMemory = ratios(of(stored), of(inMemory));
  const memoryOverOlder = measured.has(older) ? ratios(of(inMemory), of(older)) : undefined;
  return {
    figures: [
      ...[...measured.keys()].map((name) => figure(`server CPU per event: ${name}`, "µs", of(name).flat())),
      figure("events per delta that was said", "", shares),
      figure("in the store over in memory", "×", storedOverMemory),
      ...(memoryOverOlder === undefined ? [] : [figure("in memory over the older build", "×", memoryOverOlder)]),
    ],
    targets: [
      atMostTimes("server CPU per event, in the store over in memory", storedOverMemory, mostStored),
      ...(memoryOverOlder === undefined
        ? []
        : [atMostTimes("server CPU per event, in memory over the older build", memoryOverOlder, mostInMemory)]),
    ],
    samples: Object.fromEntries(measured),
    notes: [
      `${streamCount} streams of ${perSecond} events a second, each of 80 characters.`,
      ...(memoryOverOlder === undefined
        ? ["Nothing to compare events in memory with: name a build with --against."]
        : []),
    ],
  };
}
