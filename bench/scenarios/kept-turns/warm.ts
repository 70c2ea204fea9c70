/**
 * The next turn of a session whose worker still has its conversation, against a turn without a session on a worker that was
 * reset: the first text, without and with thinking in each answer, and in a profile with tools, where the session's worker is
 * parked between its turns.
 *
 *     npm run bench -- --only kept-turns/warm
 *
 * Each round has a new session, so that it is its being kept that is measured, and not its length. In the profile with tools
 * both sides have a new process in each round, since a process gets faster over its first turns; the first turns of a round
 * are not measured.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { seededRandom } from "../../random.ts";
import { type Bench, defineScenario, figure } from "../../scenario.ts";
import { BenchServer, BenchStandin } from "../../server.ts";
import { SessionCaller } from "../../session-caller.ts";
import { ratios } from "../../stats.ts";
import { type Measured, roundsOf, type Side, takeTurns } from "../../take-turns.ts";
import { withinLimit } from "../../time-limit.ts";
import { toolProfile } from "../../tool-profile.ts";
import { grpcClient, type TurnClient } from "../../turn-client.ts";
import { atMostTimes } from "../../verdicts.ts";
import { prompt, thinkingMark, toolMark } from "../../workload.ts";

interface Parameters {
  readonly rounds: number;
  readonly samplesPerRound: number;
  /** Rounds before those that count, where workers live on from round to round. */
  readonly warmUpRounds: number;
  readonly pauseMs: number;
  readonly limitSeconds: number;
}

/** At the beginning of each round. */
const unmeasuredTurns = 4;

interface Kind {
  readonly name: string;
  readonly firstPrompt: string;
  readonly prompt: string;
  /** The most that the session's first text may take, in those of a turn without a session. */
  readonly most: number;
  readonly hasTools: boolean;
}

const kinds: readonly Kind[] = [
  { name: "text", firstPrompt: prompt, prompt, most: 1.15, hasTools: false },
  {
    name: "text with thinking",
    firstPrompt: `${thinkingMark} ${prompt}`,
    prompt: `${thinkingMark} ${prompt}`,
    most: 1.15,
    hasTools: false,
  },
  { name: "tools", firstPrompt: `${toolMark} ${prompt}`, prompt, most: 1.1, hasTools: true },
];

const statelessOf = (kind: Kind) => `${kind.name}: reused worker, without a session`;
const sessionOf = (kind: Kind) => `${kind.name}: next turn of a session`;

export const warm = defineScenario<Parameters>({
  name: "kept-turns/warm",
  about: "Proof: first text of a warm session's next turn, against a turn without a session",
  isProof: true,
  full: { rounds: 10, samplesPerRound: 10, warmUpRounds: 4, pauseMs: 20, limitSeconds: 600 },
  quick: { rounds: 3, samplesPerRound: 5, warmUpRounds: 2, pauseMs: 5, limitSeconds: 300 },
  estimateMs: ({ rounds, samplesPerRound, warmUpRounds, pauseMs }) =>
    8_000 + kinds.length * ((rounds + warmUpRounds) * (samplesPerRound + unmeasuredTurns) * 2 * (pauseMs + 25) + 2_000),

  run: (parameters, bench) =>
    withinLimit(bench, parameters.limitSeconds, async (limited) => {
      await using standin = await BenchStandin.start(limited);
      const measured = new Map<string, readonly (readonly number[])[]>();
      for (const [at, kind] of kinds.entries()) {
        const progress = (done: number) => bench.progress(kind.name, (at + done) / kinds.length);
        const found = await measure(kind, standin.url, parameters, {
          ...limited,
          progress: (_, done) => progress(done),
        });
        for (const [name, rounds] of found) measured.set(name, rounds);
      }
      return evaluate(measured);
    }),
});

async function measure(kind: Kind, baseUrl: string, parameters: Parameters, bench: Bench): Promise<Measured> {
  const { rounds, samplesPerRound, warmUpRounds, pauseMs } = parameters;
  const text = { minSpares: 0, maxWorkers: 1 };
  await using server = await BenchServer.start({
    bench,
    baseUrl,
    profiles: kind.hasTools
      ? {
          stateless: await toolProfile(bench, "stateless", { reuse: true }),
          session: await toolProfile(bench, "session"),
        }
      : { stateless: text, session: text },
    // Then both sides have a new process in the next round.
    pool: kind.hasTools ? { maxTurnsPerWorker: unmeasuredTurns + samplesPerRound } : {},
    store: { kind: "sqlite", folder: join(bench.folder, `store ${kind.name}`) },
  });
  using client = grpcClient(server.target);
  using session = new SessionCaller(server.target, "session");
  const settle = () => sleep(pauseMs, undefined, { signal: bench.signal });
  const stateless: Side = {
    name: statelessOf(kind),
    async begin() {
      for (let turn = 0; turn < unmeasuredTurns; turn += 1) {
        await client.turn({ profile: "stateless", prompt: turn === 0 ? kind.firstPrompt : kind.prompt });
        await settle();
      }
    },
    sample: () => reused(client, kind.prompt),
    settle,
  };
  const next: Side = {
    name: sessionOf(kind),
    async begin() {
      await session.turn(kind.firstPrompt, "NEW");
      for (let turn = 1; turn < unmeasuredTurns; turn += 1) {
        await settle();
        await session.turn(kind.prompt, "KEPT");
      }
    },
    sample: async () => (await session.turn(kind.prompt, "KEPT")).firstTextMs,
    settle,
    end: () => session.leave(),
  };
  return await takeTurns([stateless, next], {
    rounds,
    samplesPerRound,
    warmUpRounds: kind.hasTools ? 1 : warmUpRounds,
    random: seededRandom(bench.seed),
    signal: bench.signal,
    progress: (done) => bench.progress(kind.name, done),
  });
}

async function reused(client: TurnClient, prompt: string): Promise<number> {
  const turn = await client.turn({ profile: "stateless", prompt });
  if (turn.claimSource !== "REUSED") throw new Error(`a turn was ${turn.claimSource} instead of REUSED`);
  return turn.firstTextMs;
}

function evaluate(measured: Measured) {
  const compared = kinds.map((kind) => ({
    kind,
    ratios: ratios(roundsOf(measured, sessionOf(kind)), roundsOf(measured, statelessOf(kind))),
  }));
  return {
    figures: [
      ...[...measured].map(([name, rounds]) => figure(name, "ms", rounds.flat())),
      ...compared.map(({ kind, ratios }) => figure(`${kind.name}: session over reused worker`, "×", ratios)),
    ],
    targets: compared.map(({ kind, ratios }) =>
      atMostTimes(`first text of a session's next turn over a reused worker's, ${kind.name}`, ratios, kind.most),
    ),
    samples: Object.fromEntries(measured),
    notes: ["Answers have 711 characters, as everywhere in this bench, and those with thinking 231 more of it."],
  };
}
