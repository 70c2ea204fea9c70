/**
 * What a client in each language gets: the time to the first text of a reused worker, and the events of one stream per
 * second, beside a bare grpc-js client in the same run.
 *
 * The drivers of the behaviour suite are the clients (`npm run clients -- --only build` builds them); they measure by
 * themselves, from the call to the event in their caller's hands. Clients take turns within each round and share the
 * worker, the server and the machine's cores, so that a ratio says what the language's runtime and its thin layer cost.
 */
import { fileURLToPath } from "node:url";
import { Driver } from "../../clients/suite/driver.ts";
import { languages, obstacle } from "../../clients/suite/languages.ts";
import { type Bench, defineScenario, figure } from "../scenario.ts";
import { BenchServer, BenchStandin } from "../server.ts";
import { median, ratios } from "../stats.ts";
import { grpcClient, type ServerTarget } from "../turn-client.ts";
import { prompt } from "../workload.ts";

const fakeCli = fileURLToPath(new URL("../../test/fakes/claude", import.meta.url));
const baseline = "grpc-js";

interface Parameters {
  readonly rounds: number;
  readonly turnsPerRound: number;
  readonly warmUpTurns: number;
  /** Text deltas of a long turn, and characters of each. */
  readonly deltaCount: number;
  readonly deltaChars: number;
}

/** A client under measurement: so many turns, one after the other. */
interface Side {
  readonly name: string;
  turns(server: ServerTarget, prompt: string, count: number): Promise<Times>;
}

interface Times {
  readonly firstTextMs: readonly number[];
  readonly totalMs: readonly number[];
}

/** Samples of each side, round by round. */
type Measured = ReadonlyMap<string, number[][]>;

export const clients = defineScenario<Parameters>({
  name: "clients",
  about: "First text and events per second with the client of each language, against grpc-js",
  full: { rounds: 12, turnsPerRound: 5, warmUpTurns: 60, deltaCount: 20_000, deltaChars: 80 },
  quick: { rounds: 3, turnsPerRound: 4, warmUpTurns: 20, deltaCount: 10_000, deltaChars: 80 },
  estimateMs: ({ rounds, turnsPerRound, warmUpTurns, deltaCount }) =>
    20_000 + 6 * (warmUpTurns * 30 + rounds * (turnsPerRound * 30 + deltaCount / 20)),

  async run(parameters, bench) {
    await using opened = new AsyncDisposableStack();
    const missing = languages.flatMap((language) => obstacle(language) ?? []);
    const sides: Side[] = [grpcJs()];
    for (const language of languages.filter((one) => obstacle(one) === undefined)) {
      bench.progress(`starting the ${language.title} driver`, 0);
      const driver = new Driver(language);
      opened.defer(() => driver.kill());
      await driver.hello.catch((error: Error) => {
        throw new Error(`${error.message}; \`npm run clients -- --only build\` builds the drivers`, {
          cause: driver.stderr,
        });
      });
      sides.push(driven(language.title, driver));
    }
    const first = await firstTexts(sides, parameters, bench);
    const rates = await eventRates(sides, parameters, bench);
    return evaluate(sides, first, rates, missing);
  },
});

function grpcJs(): Side {
  return {
    name: baseline,
    async turns(server, text, count) {
      using client = grpcClient(server);
      await client.turn({ prompt: text }); // opens the connection, as a driver keeps its own
      const times = { firstTextMs: [] as number[], totalMs: [] as number[] };
      for (let turn = 0; turn < count; turn++) {
        const { firstTextMs, totalMs } = await client.turn({ prompt: text });
        times.firstTextMs.push(firstTextMs);
        times.totalMs.push(totalMs);
      }
      return times;
    },
  };
}

function driven(name: string, driver: Driver): Side {
  return {
    name,
    async turns({ grpcPort, token }, text, count) {
      const answer = await driver.call<"bench">({
        do: "bench",
        target: { address: `127.0.0.1:${grpcPort}`, token },
        request: { prompt: text },
        warmUpCount: 1,
        turnCount: count,
      });
      if (answer.error !== undefined) throw new Error(`${name}: ${answer.error.code}: ${answer.error.message}`);
      return answer;
    },
  };
}

/** On the real Claude Code, with the stand-in in the model's place. */
async function firstTexts(sides: readonly Side[], parameters: Parameters, bench: Bench): Promise<Measured> {
  await using standin = await BenchStandin.start(bench);
  await using server = await BenchServer.start({
    bench,
    baseUrl: standin.url,
    profiles: { default: { minSpares: 0, maxWorkers: 1 } },
  });
  const { rounds, turnsPerRound, warmUpTurns } = parameters;
  for (const [at, side] of sides.entries()) {
    bench.progress(`warming up ${side.name}`, (0.3 * at) / sides.length);
    await side.turns(server.target, prompt, warmUpTurns);
  }
  // Awaited here, since the server ends with this function.
  return await interleaved(sides, rounds, bench, [0.3, 0.65], async (side) => {
    const { firstTextMs } = await side.turns(server.target, prompt, turnsPerRound);
    return firstTextMs;
  });
}

/** From a scripted program that writes as fast as it is read. */
async function eventRates(sides: readonly Side[], parameters: Parameters, bench: Bench): Promise<Measured> {
  const { rounds, deltaCount, deltaChars } = parameters;
  const unlimited = { maxOutputBytes: 2 ** 40 };
  await using server = await BenchServer.start({
    bench,
    cliPath: fakeCli,
    baseUrl: "http://127.0.0.1:9", // The scripted program asks no model.
    profiles: { default: { minSpares: 0, maxWorkers: 1, defaultLimits: unlimited, maxLimits: unlimited } },
    pool: { memoryBudgetBytes: 2 ** 40 },
  });
  const flood = `[[fake answer ${JSON.stringify({ flood: { deltas: deltaCount, chars: deltaChars } })}]]`;
  return await interleaved(sides, rounds, bench, [0.65, 1], async (side) => {
    const { totalMs } = await side.turns(server.target, flood, 1);
    return totalMs.map((tookMs) => (deltaCount / tookMs) * 1_000);
  });
}

async function interleaved(
  sides: readonly Side[],
  rounds: number,
  bench: Bench,
  [from, to]: readonly [number, number],
  measure: (side: Side) => Promise<readonly number[]>,
): Promise<Measured> {
  const measured = new Map<string, number[][]>(sides.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    // Who comes behind whom must not decide.
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
      bench.signal.throwIfAborted();
      bench.progress(`round ${round + 1} of ${rounds}, ${side.name}`, from + ((to - from) * round) / rounds);
      measured.get(side.name)!.push([...(await measure(side))]);
    }
  }
  return measured;
}

function evaluate(sides: readonly Side[], first: Measured, rates: Measured, missing: readonly string[]) {
  const others = sides.filter(({ name }) => name !== baseline);
  return {
    figures: [
      ...sides.map(({ name }) => figure(`first text: ${name}`, "ms", first.get(name)!.flat())),
      ...sides.map(({ name }) => figure(`events of one stream: ${name}`, "events/s", rates.get(name)!.flat())),
      ...others.map(({ name }) =>
        figure(`first text, ${name} over ${baseline}`, "×", ratios(first.get(name)!, first.get(baseline)!)),
      ),
      ...others.map(({ name }) =>
        figure(`events, ${name} over ${baseline}`, "×", ratios(rates.get(name)!, rates.get(baseline)!)),
      ),
    ],
    targets: others.map(({ name }) => {
      const ratio = median(ratios(first.get(name)!, first.get(baseline)!));
      const rate = median(rates.get(name)!.flat());
      return {
        name: `${name} client`,
        wanted: "first text within 2× of grpc-js, and more than 1,000 events/s",
        measured: `${ratio.toFixed(2)}×, ${Math.round(rate).toLocaleString("en-US")} events/s`,
        reached: ratio <= 2 && rate > 1_000,
      };
    }),
    samples: Object.fromEntries(
      sides.flatMap(({ name }) => [
        [`${name}: first text, ms`, first.get(name)!],
        [`${name}: events per second`, rates.get(name)!],
      ]),
    ),
    notes: [
      "Events of one stream come from a scripted program; server and client share the machine's cores.",
      ...missing.map((why) => `Not measured: ${why}.`),
    ],
  };
}
