/**
 * How fast a health check is answered while every worker is busy, against a quiet server. A probe that is late looks like
 * a dead server to whoever restarts it.
 *
 * A bare HTTP/2 server is asked in the same moments: what it takes is the machine's doing, the rest is the server's.
 */
import { connect } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { Child } from "../child.ts";
import type { EchoCommands } from "../echo-process.ts";
import { BenchLoad } from "../load.ts";
import { type Bench, defineScenario, figure } from "../scenario.ts";
import { BenchServer, BenchStandin } from "../server.ts";
import { quantile } from "../stats.ts";
import { healthClient } from "../turn-client.ts";
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

    await using echo = new Child<EchoCommands>({
      name: "echo",
      script: new URL("../echo-process.ts", import.meta.url),
      folder: bench.folder,
      signal: bench.signal,
    });
    using bare = bareClient((await echo.call("start")).port);

    const quiet: Answers = { server: [], bare: [] };
    const busy: Answers = { server: [], bare: [] };
    const ask = (into: Answers) =>
      during(windowMs, checkEveryMs, bench, [
        { ask: () => client.checkMs(), into: into.server },
        { ask: () => bare.askMs(), into: into.bare },
      ]);
    for (let round = 0; round < rounds; round++) {
      bench.progress(`round ${round + 1} of ${rounds}`, 0.2 + (0.8 * round) / rounds);
      await ask(quiet);
      await work();
      await ask(busy);
      await load.close();
    }
    const p99 = quantile(busy.server, 0.99);
    return {
      figures: [
        figure("health check, quiet", "ms", quiet.server),
        figure("bare HTTP/2 server, quiet", "ms", quiet.bare),
        figure(`health check, ${workerCount} workers busy`, "ms", busy.server),
        figure(`bare HTTP/2 server, ${workerCount} workers busy`, "ms", busy.bare),
        figure("99th percentile: health check, quiet", "ms", [quantile(quiet.server, 0.99)]),
        figure("99th percentile: bare HTTP/2 server, quiet", "ms", [quantile(quiet.bare, 0.99)]),
        figure("99th percentile: health check, busy", "ms", [p99]),
        figure("99th percentile: bare HTTP/2 server, busy", "ms", [quantile(busy.bare, 0.99)]),
      ],
      targets: [
        {
          name: "health check with every worker busy, 99th percentile",
          wanted: "< 50 ms",
          measured: `${p99.toFixed(1)} ms`,
          reached: p99 < 50,
        },
      ],
      samples: {
        "quiet, ms": quiet.server,
        "busy, ms": busy.server,
        "bare server, quiet, ms": quiet.bare,
        "bare server, busy, ms": busy.bare,
      },
    };
  },
});

/** Milliseconds to each answer. */
interface Answers {
  readonly server: number[];
  readonly bare: number[];
}

interface Asking {
  ask(): Promise<number>;
  readonly into: number[];
}

/** Asks at fixed moments, whether or not the last answer came: a slow one must not hide the next. */
async function during(windowMs: number, everyMs: number, { signal }: Bench, all: readonly Asking[]): Promise<void> {
  const answers: Promise<unknown>[] = [];
  const endsAtMs = performance.now() + windowMs;
  while (performance.now() < endsAtMs) {
    for (const { ask, into } of all) {
      const answer = ask().then((ms) => into.push(ms));
      answer.catch(() => undefined); // Told by `all`.
      answers.push(answer);
      // Each in a moment of its own, so that one is not in the way of the other.
      await sleep(everyMs / all.length, undefined, { signal });
    }
  }
  await Promise.all(answers);
}

function bareClient(port: number): { askMs(): Promise<number> } & Disposable {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on("error", () => undefined); // Told by the request.
  return {
    askMs: () =>
      new Promise((resolve, reject) => {
        const startedAtMs = performance.now();
        const request = session.request({ ":path": "/" });
        request.on("error", reject).on("end", () => resolve(performance.now() - startedAtMs));
        request.resume().end();
      }),
    [Symbol.dispose]: () => session.destroy(),
  };
}
