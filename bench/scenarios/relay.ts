/**
 * How many events a second the server passes on, and what each costs it in CPU: from a scripted program in place of the
 * CLI that says text deltas as fast as they are read, and paced like chats, to a client that only counts.
 *
 * Server, workers and client share the machine's cores, as they would; the CPU is the server process's alone.
 */
import { fileURLToPath } from "node:url";
import type { CountedProtocol } from "../event-counter.ts";
import { BenchLoad } from "../load.ts";
import { defineScenario, figure } from "../scenario.ts";
import { BenchServer } from "../server.ts";
import { median } from "../stats.ts";

const fakeCli = fileURLToPath(new URL("../../test/fakes/claude", import.meta.url));
const ports: readonly { readonly name: string; readonly protocol: CountedProtocol }[] = [
  { name: "gRPC port", protocol: "grpc" },
  { name: "web port, Connect", protocol: "connect" },
];

interface Pace {
  readonly streamCount: number;
  /** Deltas per second of each stream; `undefined`: as fast as they are read. */
  readonly perSecond: number | undefined;
}

interface Parameters {
  readonly rounds: number;
  readonly windowMs: number;
  /** Characters of a delta. */
  readonly deltaChars: number;
  readonly paces: readonly Pace[];
}

interface Relayed {
  readonly eventsPerSecond: number;
  readonly cpuUsPerEvent: number;
}

const warmUpMs = 1_500;
const floods = [1, 8, 64].map((streamCount) => ({ streamCount, perSecond: undefined }));
const chats = { streamCount: 64, perSecond: 50 };

export const relay = defineScenario<Parameters>({
  name: "relay",
  about: "Text deltas passed on per second, and the server's CPU for each",
  full: { rounds: 3, windowMs: 2_500, deltaChars: 80, paces: [...floods, chats] },
  quick: { rounds: 1, windowMs: 1_000, deltaChars: 80, paces: [...floods.slice(0, 2), { ...chats, streamCount: 8 }] },
  estimateMs: ({ rounds, windowMs, paces }) =>
    3_000 +
    Math.max(...paces.map(({ streamCount }) => streamCount)) * 150 +
    rounds * paces.length * 2 * (windowMs + 900),

  async run({ rounds, windowMs, deltaChars, paces }, bench) {
    const most = Math.max(...paces.map(({ streamCount }) => streamCount));
    const unlimited = { maxOutputBytes: 2 ** 40 };
    await using server = await BenchServer.start({
      bench,
      cliPath: fakeCli,
      baseUrl: "http://127.0.0.1:9", // The scripted program asks no model.
      profiles: { default: { minSpares: 0, maxWorkers: most, defaultLimits: unlimited, maxLimits: unlimited } },
      pool: { maxStartingWorkers: 8, memoryBudgetBytes: 2 ** 40 },
    });
    await using load = new BenchLoad(bench);
    const measured = new Map<string, Relayed[]>();

    // Starts the workers, and lets the server's code become as fast as it gets.
    for (const { name, protocol } of ports) {
      bench.progress(`warming up, ${name}`, 0);
      const pace = { streamCount: most, perSecond: undefined };
      await relayed(server, load, { protocol, pace, windowMs: warmUpMs, deltaChars });
    }

    const total = rounds * paces.length * ports.length;
    let done = 0;
    for (let round = 0; round < rounds; round++) {
      for (const pace of paces) {
        for (const { name, protocol } of round % 2 === 0 ? ports : ports.toReversed()) {
          const key = `${nameOf(pace)}, ${name}`;
          bench.progress(`round ${round + 1} of ${rounds}, ${key}`, 0.15 + (0.85 * done++) / total);
          const found = await relayed(server, load, { protocol, pace, windowMs, deltaChars });
          measured.set(key, [...(measured.get(key) ?? []), found]);
        }
      }
    }
    return evaluate(measured);
  },
});

/** More than are said before the streams are cancelled. */
const deltaCount = 10_000_000;

async function relayed(
  server: BenchServer,
  load: BenchLoad,
  asked: {
    readonly protocol: CountedProtocol;
    readonly pace: Pace;
    readonly windowMs: number;
    readonly deltaChars: number;
  },
): Promise<Relayed> {
  const { protocol, pace, windowMs, deltaChars } = asked;
  const answer = {
    flood: { deltas: deltaCount, chars: deltaChars },
    ...(pace.perSecond !== undefined && { perSecond: pace.perSecond }),
  };
  await load.open({
    target: server.target,
    protocol,
    streamCount: pace.streamCount,
    request: { prompt: `[[fake answer ${JSON.stringify(answer)}]]` },
  });
  const before = await server.figures();
  const { eventCount, elapsedMs } = await load.during(windowMs);
  const after = await server.figures();
  await load.close();
  return {
    eventsPerSecond: (eventCount / elapsedMs) * 1_000,
    cpuUsPerEvent: (after.cpuUs - before.cpuUs) / eventCount,
  };
}

function nameOf({ streamCount, perSecond }: Pace): string {
  const streams = `${streamCount} ${streamCount === 1 ? "stream" : "streams"}`;
  return perSecond === undefined ? streams : `${streams} of ${perSecond} events/s`;
}

function evaluate(measured: ReadonlyMap<string, readonly Relayed[]>) {
  const rates = (key: string) => measured.get(key)!.map(({ eventsPerSecond }) => eventsPerSecond);
  const costs = (key: string) => measured.get(key)!.map(({ cpuUsPerEvent }) => cpuUsPerEvent);
  const rate = median(rates("1 stream, gRPC port"));
  const cost = median(costs("8 streams, gRPC port"));
  return {
    figures: [
      ...[...measured.keys()].map((key) => figure(key, "events/s", rates(key))),
      ...[...measured.keys()].map((key) => figure(`server CPU per event: ${key}`, "µs", costs(key))),
    ],
    targets: [
      {
        name: "text deltas per second through one stream",
        wanted: "≥ 25 000",
        measured: rate.toFixed(0),
        reached: rate >= 25_000,
      },
      {
        name: "server CPU per event with 8 streams on the gRPC port",
        wanted: "≤ 15 µs",
        measured: `${cost.toFixed(1)} µs`,
        reached: cost <= 15,
      },
    ],
    samples: Object.fromEntries(
      [...measured.keys()].flatMap((key) => [
        [`${key}, events/s`, rates(key)],
        [`${key}, server CPU in µs per event`, costs(key)],
      ]),
    ),
  };
}
