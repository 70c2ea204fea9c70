/**
 * How fast a health check is answered while every worker is busy, against a quiet server. A probe that is late looks like
 * a dead server to whoever restarts it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { BenchLoad } from "../load.ts";
import { type Bench, defineScenario, figure } from "../scenario.ts";
import { BenchServer, BenchStandin } from "../server.ts";
import { quantile } from "../stats.ts";
import { type HealthClient, healthClient } from "../turn-client.ts";
import { prompt } from "../workload.ts";

interface Parameters {
  readonly rounds: number;
  readonly windowMs: number;
  readonly checkEveryMs: number;
  readonly workerCount: number;
}

export const health = defineScenario<Parameters>({
  name: "health",
  about: "Latency of a health check while every worker is busy",
  full: { rounds: 3, windowMs: 4_000, checkEveryMs: 20, workerCount: 8 },
  quick: { rounds: 1, windowMs: 2_000, checkEveryMs: 20, workerCount: 8 },
  estimateMs: ({ rounds, windowMs }) => 7_000 + rounds * (2 * windowMs + 300),

  async run({ rounds, windowMs, checkEveryMs, workerCount }, bench) {
    await using standin = await BenchStandin.start(bench);
    await using server = await BenchServer.start({
      bench,
      baseUrl: standin.url,
      profiles: { default: { minSpares: 0, maxWorkers: workerCount } },
    });
    await using load = new BenchLoad(bench);
    using client = healthClient(server.target);
    const work = () =>
      load.open({ target: server.target, protocol: "grpc", streamCount: workerCount, request: { prompt } });

    bench.progress("warming up", 0);
    await work();
    await load.turns(workerCount * 20);
    await load.close();

    const quiet: number[] = [];
    const busy: number[] = [];
    for (let round = 0; round < rounds; round++) {
      bench.progress(`round ${round + 1} of ${rounds}`, 0.2 + (0.8 * round) / rounds);
      quiet.push(...(await checks(client, windowMs, checkEveryMs, bench)));
      await work();
      busy.push(...(await checks(client, windowMs, checkEveryMs, bench)));
      await load.close();
    }
    const p99 = quantile(busy, 0.99);
    return {
      figures: [
        figure("health check, quiet", "ms", quiet),
        figure(`health check, ${workerCount} workers busy`, "ms", busy),
        figure("its 99th percentile, quiet", "ms", [quantile(quiet, 0.99)]),
        figure("its 99th percentile, busy", "ms", [p99]),
      ],
      targets: [
        {
          name: "health check with every worker busy, 99th percentile",
          wanted: "< 50 ms",
          measured: `${p99.toFixed(1)} ms`,
          reached: p99 < 50,
        },
      ],
      samples: { "quiet, ms": quiet, "busy, ms": busy },
    };
  },
});

/** Checks at fixed moments, whether or not the last one was answered: a slow one must not hide the next. */
async function checks(client: HealthClient, windowMs: number, everyMs: number, { signal }: Bench): Promise<number[]> {
  const answers: Promise<number>[] = [];
  const endsAtMs = performance.now() + windowMs;
  while (performance.now() < endsAtMs) {
    const answer = client.checkMs();
    answer.catch(() => undefined); // Told by `all`.
    answers.push(answer);
    await sleep(everyMs, undefined, { signal });
  }
  return Promise.all(answers);
}
