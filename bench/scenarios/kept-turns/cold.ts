/**
 * A session whose worker is gone: the first text of its next turn, for which a new process reads the transcript of 200 turns
 * with a tool each, against that of a turn without a session on a new process.
 *
 *     npm run bench -- --only kept-turns/cold
 *
 * The 200 turns are made by Claude Code. Then another server opens the store, whose workers end with their turns.
 */
import { join } from "node:path";
import { seededRandom } from "../../random.ts";
import { type Bench, defineScenario, figure } from "../../scenario.ts";
import { BenchServer, BenchStandin } from "../../server.ts";
import { SessionCaller } from "../../session-caller.ts";
import { ratios } from "../../stats.ts";
import { type Measured, roundsOf, type Side, takeTurns } from "../../take-turns.ts";
import { withinLimit } from "../../time-limit.ts";
import { toolProfile } from "../../tool-profile.ts";
import { grpcClient, type ServedTurn, type TurnClient } from "../../turn-client.ts";
import { atMostTimes } from "../../verdicts.ts";
import { prompt, toolMark } from "../../workload.ts";

interface Parameters {
  readonly rounds: number;
  readonly samplesPerRound: number;
  readonly limitSeconds: number;
}

const toolTurnCount = 200;
const most = 1.3;
const sessionId = "cold";
const coldSession = `session of ${toolTurnCount} tool turns on a new process`;
const freshProcess = "new process, without a session";
/** What making the session takes of the time, by a guess. */
const makingShare = 0.6;

export const cold = defineScenario<Parameters>({
  name: "kept-turns/cold",
  about: `Proof: first text of a cold session of ${toolTurnCount} tool turns, against a new process`,
  isProof: true,
  full: { rounds: 10, samplesPerRound: 2, limitSeconds: 600 },
  quick: { rounds: 3, samplesPerRound: 1, limitSeconds: 300 },
  estimateMs: ({ rounds, samplesPerRound }) => 4_000 + toolTurnCount * 120 + (rounds + 1) * samplesPerRound * 2 * 700,

  run: (parameters, bench) =>
    withinLimit(bench, parameters.limitSeconds, async (limited) => {
      await using standin = await BenchStandin.start(limited);
      const start = async (extra: object) =>
        BenchServer.start({
          bench: limited,
          baseUrl: standin.url,
          profiles: {
            session: await toolProfile(limited, "session", extra),
            fresh: await toolProfile(limited, "fresh", { reuse: false }),
          },
          store: { kind: "sqlite", folder: join(bench.folder, "store") },
        });
      await makeSession(await start({}), limited);
      await using server = await start({ parkedIdleMs: 0 });
      using client = grpcClient(server.target);
      using session = new SessionCaller(server.target, "session", sessionId);
      const settle = () => server.empty();
      const preparingMs = new Map<string, number[]>([coldSession, freshProcess].map((name) => [name, []]));
      const side = (name: string, turn: () => Promise<ServedTurn>): Side => ({
        name,
        async sample() {
          const { firstTextMs, cliFirstTextMs } = await turn();
          preparingMs.get(name)!.push(firstTextMs - cliFirstTextMs);
          return firstTextMs;
        },
        settle,
      });
      const measured = await takeTurns(
        [side(coldSession, () => session.turn(prompt, "RESUMED")), side(freshProcess, () => fresh(client))],
        {
          rounds: parameters.rounds,
          samplesPerRound: parameters.samplesPerRound,
          warmUpRounds: 1,
          random: seededRandom(bench.seed),
          signal: limited.signal,
          progress: (done) => bench.progress("turns on new processes", makingShare + (1 - makingShare) * done),
        },
      );
      // Without the round that does not count.
      for (const samples of preparingMs.values()) samples.splice(0, parameters.samplesPerRound);
      return evaluate(measured, preparingMs);
    }),
});

async function makeSession(server: BenchServer, { signal, progress }: Bench): Promise<void> {
  await using made = server;
  using session = new SessionCaller(made.target, "session", sessionId);
  for (let turn = 0; turn < toolTurnCount; turn += 1) {
    signal.throwIfAborted();
    progress(`turn ${turn + 1} of ${toolTurnCount} with a tool`, (makingShare * turn) / toolTurnCount);
    await session.turn(`${toolMark} ${prompt}`, turn === 0 ? "NEW" : "KEPT");
  }
}

async function fresh(client: TurnClient): Promise<ServedTurn> {
  const turn = await client.turn({ profile: "fresh", prompt });
  if (turn.claimSource !== "COLD_POOL_OFF") throw new Error(`a turn was ${turn.claimSource} instead of COLD_POOL_OFF`);
  return turn;
}

/** `preparingMs`: until the process had its prompt, by side; a guess of where the time goes. */
function evaluate(measured: Measured, preparingMs: ReadonlyMap<string, readonly number[]>) {
  const over = ratios(roundsOf(measured, coldSession), roundsOf(measured, freshProcess));
  return {
    figures: [
      ...[...measured].map(([name, rounds]) => figure(`first text: ${name}`, "ms", rounds.flat())),
      ...[...preparingMs].map(([name, samples]) => figure(`of it until the prompt: ${name}`, "ms", samples)),
      figure("cold session over new process", "×", over),
    ],
    targets: [
      atMostTimes(`first text of a cold session of ${toolTurnCount} tool turns over a new process's`, over, most),
    ],
    samples: Object.fromEntries(measured),
  };
}
