/**
 * Servers that take over from each other under half load: unary and streaming calls over every protocol and both ports,
 * and turns that are longer than the drain of a shutdown. A proof: no call fails.
 *
 *     npm run bench -- --only restart --seed 1
 */
import { createHash, randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { callAllTheTime } from "../../test/faults/takeover-load.ts";
import { seededRandom } from "../random.ts";
import { defineScenario, figure } from "../scenario.ts";
import { Serving } from "../serving.ts";

interface Parameters {
  /** Takeovers. */
  readonly rounds: number;
}

const fakeCli = fileURLToPath(new URL("../../test/fakes/claude", import.meta.url));
const drainTimeoutMs = 1_000;
const workerCount = 12;
const callersPerKind = 2;
/** Pieces of a short and of a long answer, so many in a second: 0.2 s, and 5 s, which no drain waits for. */
const perSecond = 50;
const shortDeltas = 10;
const longDeltas = 250;
const longShare = 0.25;
/** Between two calls of a caller, on average; with this half of the workers are busy. */
const pauseMs = 3_000;
const betweenTakeoversMs = 3_000;

export const restart = defineScenario<Parameters>({
  name: "restart",
  about: "Proof: servers take over from each other under half load, and no call fails",
  isProof: true,
  full: { rounds: 10 },
  quick: { rounds: 2 },
  estimateMs: ({ rounds }) => 20_000 + rounds * 9_000,

  async run({ rounds }, bench) {
    const random = seededRandom(bench.seed);
    const token = randomUUID();
    const config = join(bench.folder, "restart.yaml");
    await writeFile(config, JSON.stringify(settings(bench.folder, token)));
    await writeFile(join(bench.folder, keyFileName), "none-is-needed", { mode: 0o600 });

    await using servers = new AsyncDisposableStack();
    const serve = async (...args: string[]) => {
      const server = servers.use(new Serving(bench.folder, ["--config", config, ...args]));
      const started = await server.said("claude-runner has started", bench.signal);
      return { server, started };
    };
    bench.progress("the first server", 0);
    const first = await serve();
    const portOf = (name: string) => Number(String(first.started[name]).split(":").at(-1));
    const over = new AbortController();
    const load = callAllTheTime({
      target: { grpcPort: portOf("grpc"), webPort: portOf("web"), token },
      callersPerKind,
      prompt: () => {
        const deltas = random() < longShare ? longDeltas : shortDeltas;
        return `[[fake answer {"flood":{"deltas":${deltas},"chars":10},"perSecond":${perSecond}}]]`;
      },
      pauseMs: () => 2 * pauseMs * random(),
      over: over.signal,
    });
    const all = [first.server];
    const takeoverMs: number[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      bench.progress(`takeover ${round} of ${rounds}`, round / (rounds + 1));
      await sleep(betweenTakeoversMs * (0.5 + random()), undefined, { signal: bench.signal });
      // The store is for two servers at a time.
      await all.at(-2)?.ended(bench.signal);
      const sinceMs = performance.now();
      const { server } = await serve("--takeover");
      await server.said("took over from the running server", bench.signal);
      takeoverMs.push(performance.now() - sinceMs);
      all.push(server);
    }
    bench.progress("until the old servers have ended", 1);
    await sleep(betweenTakeoversMs, undefined, { signal: bench.signal });
    over.abort();
    const { served, failures, unsentCount } = await load;
    const old = all.slice(0, -1);
    for (const server of old) await server.ended(bench.signal);

    const servedCount = [...served.values()].reduce((sum, count) => sum + count, 0);
    const lateCount = old.reduce((sum, server) => sum + lateTurnCount(server), 0);
    const failedEnds = old.filter(({ exitCode }) => exitCode !== 0).length;
    return {
      figures: [
        figure("calls that were served", "", [servedCount]),
        figure("kinds of client and call", "", [served.size]),
        figure("takeovers", "", [rounds]),
        figure("turns that ended later after a takeover than a drain waits", "", [lateCount]),
        figure("calls that their client had not sent, and made once more", "", [unsentCount]),
        figure("from the start of a server to its takeover", "ms", takeoverMs),
      ],
      targets: [
        {
          name: "calls that failed",
          wanted: "none",
          measured: failures.length === 0 ? "none" : `${failures.length}: ${failures.slice(0, 5).join("; ")}`,
          reached: failures.length === 0 && servedCount > 0,
        },
        {
          name: "turns that would have been cut by a drain",
          wanted: "some, or the proof says little",
          measured: String(lateCount),
          reached: lateCount > 0,
        },
        {
          name: "old servers that ended by themselves and well",
          wanted: String(rounds),
          measured: String(rounds - failedEnds),
          reached: failedEnds === 0,
        },
      ],
      samples: { "takeover, ms": takeoverMs },
    };
  },
});

const keyFileName = "key";

/** Turns that a drain of its own would have cut. */
function lateTurnCount(server: Serving): number {
  const [takenOverAtMs = Number.POSITIVE_INFINITY] = server.timesOf("another server has taken over");
  return server.timesOf("turn ended").filter((endedAtMs) => endedAtMs > takenOverAtMs + drainTimeoutMs).length;
}

function settings(folder: string, token: string): object {
  return {
    grpc: { port: 0 },
    web: { port: 0 },
    admin: { port: 0 },
    auth: {
      tokens: [{ tenant: "bench", sha256: createHash("sha256").update(token).digest("hex") }],
      maxTurnsInFlightPerTenant: 1_000,
    },
    cli: { path: fakeCli, workFolder: folder },
    credentials: { default: { baseUrl: "http://127.0.0.1:9", apiKeyFile: join(folder, keyFileName) } },
    profiles: { default: { minSpares: 2, maxWorkers: workerCount } },
    shutdown: { drainTimeoutMs },
    takeover: { socketFile: join(folder, "takeover", "t.sock") },
  };
}
