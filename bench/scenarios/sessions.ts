/**
 * A thousand sessions of twenty tenants on eight workers. A proof: every session gets all of its turns, in order; no tenant
 * is left behind; the server's memory does not grow with the turns that it has served.
 *
 *     npm run bench -- --only sessions --seed 1
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { serveManySessions } from "../proofs/many-sessions.ts";
import { defineScenario, figure } from "../scenario.ts";
import { BenchServer } from "../server.ts";
import { median } from "../stats.ts";
import { withinLimit } from "../time-limit.ts";

interface Parameters {
  readonly rounds: number;
  readonly tenants: number;
  readonly sessionsPerTenant: number;
  readonly turnsPerSession: number;
  readonly limitSeconds: number;
}

const fakeCli = fileURLToPath(new URL("../../test/fakes/claude", import.meta.url));
const workerCount = 8;
const patienceMs = 3_600_000;
const leastFairness = 0.8;
/** In fewer turns the starts of the workers decide who is served. */
const fairFromTurns = 1_000;
const mostGrowth = 1.1;
const sampleEveryMs = 500;

export const sessions = defineScenario<Parameters>({
  name: "sessions",
  about: "Proof: a thousand sessions of twenty tenants share eight workers, and nobody starves",
  isProof: true,
  full: { rounds: 1, tenants: 20, sessionsPerTenant: 50, turnsPerSession: 30, limitSeconds: 3_600 },
  quick: { rounds: 1, tenants: 5, sessionsPerTenant: 8, turnsPerSession: 3, limitSeconds: 600 },
  estimateMs: ({ tenants, sessionsPerTenant, turnsPerSession }) =>
    10_000 + tenants * sessionsPerTenant * turnsPerSession * 10,

  run: (parameters, bench) =>
    withinLimit(bench, parameters.limitSeconds, async (limited) => {
      const { tenants, sessionsPerTenant, turnsPerSession } = parameters;
      const names = Array.from({ length: tenants }, (_, at) => `tenant-${at}`);
      await using server = await BenchServer.start({
        bench: limited,
        baseUrl: "http://127.0.0.1:9", // the fake CLI asks no model
        cliPath: fakeCli,
        tenants: names,
        profiles: { default: { minSpares: 1, maxWorkers: workerCount } },
        // A tenant keeps its workers to itself for a tenth of the usual time: the run is short.
        queue: { maxLength: 10_000, timeoutMs: patienceMs, maxOvertakeMs: 1_000 },
        calls: { defaultTimeoutMs: patienceMs, sessionQueueTimeoutMs: patienceMs },
        // What ended turns take has its full size long before the second quarter, and not only after ten minutes.
        store: { kind: "sqlite", folder: join(bench.folder, "store"), turnEventsMs: 20_000 },
      });
      await server.spares("default", 1);
      const rssMb: number[] = [];
      const sample = async () => void rssMb.push((await server.figures()).rssBytes / 1e6);
      const timer = setInterval(() => void sample().catch(() => {}), sampleEveryMs);
      const sinceMs = performance.now();
      const outcome = await serveManySessions({
        ports: server.target,
        tokens: new Map(names.map((name) => [name, server.tokenOf(name)])),
        sessionsPerTenant,
        turnsPerSession,
        signal: limited.signal,
        progress: (done) => bench.progress(`${Math.round(done * 100)} % of the turns`, done),
      }).finally(() => clearInterval(timer));
      await sample();
      const elapsedMs = performance.now() - sinceMs;
      // While all sessions are there, and before the last ones are alone.
      const quarter = Math.max(1, Math.floor(rssMb.length / 4));
      const growth = median(rssMb.slice(-quarter)) / median(rssMb.slice(quarter, 2 * quarter + 1));
      const { problems, fairnessAtHalf, turnMs, turnCount } = outcome;
      return {
        figures: [
          figure("sessions", "", [tenants * sessionsPerTenant]),
          figure("turns", "", [turnCount]),
          figure("turns in a second", "turns/s", [(1_000 * turnCount) / elapsedMs]),
          figure("from a message to the end of its turn", "ms", turnMs),
          figure("how alike tenants were served at half time (Jain index)", "", [fairnessAtHalf]),
          figure("RSS of the server", "MB", rssMb),
        ],
        targets: [
          {
            name: "turns that failed, or came out of order",
            wanted: "none",
            measured: problems.length === 0 ? "none" : `${problems.length}: ${problems.slice(0, 5).join("; ")}`,
            reached: problems.length === 0 && turnCount === tenants * sessionsPerTenant * turnsPerSession,
          },
          {
            name: "how alike tenants were served at half time (Jain index)",
            wanted: `at least ${leastFairness}, from ${fairFromTurns} turns on`,
            measured: fairnessAtHalf.toFixed(3),
            reached: turnCount < fairFromTurns || fairnessAtHalf >= leastFairness,
          },
          {
            name: "memory in the last quarter against the second",
            wanted: `at most ${mostGrowth} ×`,
            measured: `${growth.toFixed(2)} ×`,
            reached: growth <= mostGrowth,
          },
        ],
        samples: { "RSS, MB": rssMb, "turn, ms": turnMs },
        notes: problems.slice(0, 50),
      };
    }),
});
