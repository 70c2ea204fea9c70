/**
 * The memory of the server with 0, 100 and 1,000 open streams, each of which says something once a second. The workers
 * are no processes, so that the server alone is measured; nobody collects garbage for it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { CountedProtocol } from "../event-counter.ts";
import { BenchLoad } from "../load.ts";
import { type Bench, defineScenario, figure } from "../scenario.ts";
import { BenchServer } from "../server.ts";
import { median } from "../stats.ts";
import { prompt } from "../workload.ts";

const streamCounts = [0, 100, 1_000] as const;
const ports: readonly { readonly name: string; readonly protocol: CountedProtocol }[] = [
  { name: "gRPC port", protocol: "grpc" },
  { name: "web port, Connect", protocol: "connect" },
];

interface Parameters {
  readonly rounds: number;
  /** How long streams are open before it counts, and how long it counts. */
  readonly settleMs: number;
  readonly windowMs: number;
  readonly sampleEveryMs: number;
}

export const memory = defineScenario<Parameters>({
  name: "memory",
  about: "Memory of the server with 0, 100 and 1,000 open streams",
  full: { rounds: 2, settleMs: 2_000, windowMs: 2_000, sampleEveryMs: 250 },
  quick: { rounds: 1, settleMs: 1_000, windowMs: 1_000, sampleEveryMs: 250 },
  estimateMs: ({ rounds, settleMs, windowMs }) => rounds * ports.length * (2_500 + 3 * (settleMs + windowMs)),

  async run(parameters, bench) {
    const samples = new Map<string, number[]>();
    const { rounds } = parameters;
    for (let round = 0; round < rounds; round++) {
      for (const [at, { name, protocol }] of ports.entries()) {
        const done = (round * ports.length + at) / (rounds * ports.length);
        bench.progress(`round ${round + 1} of ${rounds}, ${name}`, done);
        // A new server each time: memory that was needed once is not given back.
        for (const [streamCount, found] of await measure(protocol, parameters, bench)) {
          const key = `${streamCount} streams, ${name}`;
          samples.set(key, [...(samples.get(key) ?? []), ...found]);
        }
      }
    }
    const atHundred = median(samples.get("100 streams, gRPC port")!);
    return {
      figures: [...samples].map(([name, found]) => figure(`RSS with ${name}`, "MB", found)),
      targets: [
        {
          name: "memory of the server with 100 open streams",
          wanted: "< 150 MB",
          measured: `${atHundred.toFixed(0)} MB`,
          reached: atHundred < 150,
        },
      ],
      samples: Object.fromEntries([...samples].map(([name, found]) => [`RSS with ${name}, MB`, found])),
    };
  },
});

async function measure(
  protocol: CountedProtocol,
  { settleMs, windowMs, sampleEveryMs }: Parameters,
  bench: Bench,
): Promise<ReadonlyMap<number, readonly number[]>> {
  await using server = await BenchServer.start({
    bench,
    script: new URL("../idle-server-process.ts", import.meta.url),
    baseUrl: "http://127.0.0.1:9", // Nobody asks a model here.
    profiles: { default: { minSpares: 0, maxWorkers: Math.max(...streamCounts) } },
    pool: { maxStartingWorkers: 64, memoryBudgetBytes: 2 ** 40 },
    queue: { maxLength: Math.max(...streamCounts) },
  });
  await using load = new BenchLoad(bench);
  const found = new Map<number, number[]>();
  for (const streamCount of streamCounts) {
    if (streamCount > 0) await load.open({ target: server.target, protocol, streamCount, request: { prompt } });
    await sleep(settleMs, undefined, { signal: bench.signal });
    const rss: number[] = [];
    for (let waitedMs = 0; waitedMs < windowMs; waitedMs += sampleEveryMs) {
      rss.push((await server.figures()).rssBytes / 1e6);
      await sleep(sampleEveryMs, undefined, { signal: bench.signal });
    }
    found.set(streamCount, rss);
    if (streamCount > 0) {
      await load.counted(); // Throws when a stream has failed.
      await load.close();
    }
  }
  return found;
}
