/**
 * Whether a session gets slower with its turns: the first text of its sixtieth turn against that of its first one, with the
 * same new content, on the same worker, without and with thinking in each answer.
 *
 *     npm run bench -- --only kept-turns/long
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Bench, defineScenario, figure } from "../../scenario.ts";
import { BenchServer, BenchStandin } from "../../server.ts";
import { SessionCaller } from "../../session-caller.ts";
import { median, ratios } from "../../stats.ts";
import { withinLimit } from "../../time-limit.ts";
import type { ServedTurn } from "../../turn-client.ts";
import { atMostTimes } from "../../verdicts.ts";
import { prompt, thinkingMark } from "../../workload.ts";

interface Parameters {
  readonly rounds: number;
  readonly pauseMs: number;
  readonly limitSeconds: number;
}

const turnCount = 60;
/** So many first turns, each of a session that ends with it, and so many last ones, in each round. */
const sampleCount = 3;
const most = 1.3;
const kinds = [
  { name: "text", prompt },
  { name: "text with thinking", prompt: `${thinkingMark} ${prompt}` },
] as const;

/** The first texts of one session, turn by turn; before them those of the sessions that ended with their first turn. */
interface Round {
  readonly firstMs: readonly number[];
  readonly eachMs: readonly number[];
}

export const long = defineScenario<Parameters>({
  name: "kept-turns/long",
  about: `Proof: first text of turn ${turnCount} of a session, against its first turn`,
  isProof: true,
  full: { rounds: 10, pauseMs: 15, limitSeconds: 600 },
  quick: { rounds: 2, pauseMs: 5, limitSeconds: 300 },
  estimateMs: ({ rounds, pauseMs }) => 5_000 + kinds.length * (rounds + 1) * turnCount * (pauseMs + 30),

  run: (parameters, bench) =>
    withinLimit(bench, parameters.limitSeconds, async (limited) => {
      const { rounds } = parameters;
      await using standin = await BenchStandin.start(limited);
      await using server = await BenchServer.start({
        bench: limited,
        baseUrl: standin.url,
        profiles: { default: { minSpares: 0, maxWorkers: 1 } },
        store: { kind: "sqlite", folder: join(bench.folder, "store") },
      });
      using session = new SessionCaller(server.target, "default");
      const measured = new Map<string, Round[]>(kinds.map(({ name }) => [name, []]));
      for (let round = -1; round < rounds; round += 1) {
        for (const [at, kind] of kinds.entries()) {
          bench.progress(`round ${round + 1} of ${rounds}, ${kind.name}`, (round + 1 + at / 2) / (rounds + 1));
          const found = await oneRound(session, kind.prompt, parameters, limited);
          // In the first round the worker is new.
          if (round >= 0) measured.get(kind.name)!.push(found);
        }
      }
      return evaluate(measured);
    }),
});

async function oneRound(
  session: SessionCaller,
  text: string,
  { pauseMs }: Parameters,
  { signal }: Bench,
): Promise<Round> {
  const pause = () => sleep(pauseMs, undefined, { signal });
  const firstMs: number[] = [];
  const eachMs: number[] = [];
  for (let at = 0; at < sampleCount; at += 1) {
    firstMs.push((await session.turn(text, "NEW")).firstTextMs);
    await session.leave();
    await pause();
  }
  for (let turn = 1; turn <= turnCount; turn += 1) {
    const served: ServedTurn = await session.turn(text, turn === 1 ? "NEW" : "KEPT");
    eachMs.push(served.firstTextMs);
    await pause();
  }
  await session.leave();
  await pause();
  return { firstMs, eachMs };
}

function evaluate(measured: ReadonlyMap<string, readonly Round[]>) {
  const compared = [...measured].map(([name, rounds]) => {
    const first = rounds.map(({ firstMs }) => firstMs);
    const last = rounds.map(({ eachMs }) => eachMs.slice(-sampleCount));
    return { name, rounds, first, last, ratios: ratios(last, first) };
  });
  return {
    figures: [
      ...compared.flatMap(({ name, first, last }) => [
        figure(`first text: turn 1, ${name}`, "ms", first.flat()),
        figure(`first text: turns ${turnCount - sampleCount + 1} to ${turnCount}, ${name}`, "ms", last.flat()),
      ]),
      ...compared.map(({ name, ratios }) => figure(`turn ${turnCount} over turn 1, ${name}`, "×", ratios)),
    ],
    targets: compared.map(({ name, ratios }) =>
      atMostTimes(`first text of turn ${turnCount} of a session over turn 1, ${name}`, ratios, most),
    ),
    samples: Object.fromEntries(
      compared.flatMap(({ name, rounds, first }) => [
        [`${name}: turn 1 of a session, ms`, first],
        [`${name}: each turn of a session, ms`, rounds.map(({ eachMs }) => eachMs)],
      ]),
    ),
    notes: [
      `Each turn has the same prompt of ${prompt.length} characters and an answer of 711, so that turn ${turnCount} has ` +
        `${Math.round(((turnCount - 1) * (prompt.length + 711)) / 1_000)},000 characters of conversation before it.`,
      ...compared.map(({ name, rounds }) => {
        const at = (turn: number) => median(rounds.map(({ eachMs }) => eachMs[turn - 1]!)).toFixed(1);
        return `First text by turn, ${name}: ${[2, 15, 30, 45, turnCount].map((turn) => `${turn}: ${at(turn)} ms`).join(", ")}.`;
      }),
    ],
  };
}
