/**
 * Servers that are killed with SIGKILL under load, one after the other, on one store. A proof: every accepted turn has
 * its end, and the one that its caller was told; no session is stuck; no request has run twice; the store is whole; no
 * worker and no folder is left.
 *
 *     npm run bench -- --only crashes --seed 1 --kills 200
 */
import { killAndRestart } from "../proofs/crashes.ts";
import { seededRandom } from "../random.ts";
import { defineScenario, figure } from "../scenario.ts";
import { withinLimit } from "../time-limit.ts";

interface Parameters {
  readonly rounds: number;
  readonly kills: number;
  readonly limitSeconds: number;
}

export const crashes = defineScenario<Parameters>({
  name: "crashes",
  about: "Proof: servers are killed under load, and nothing is lost, stuck or run twice",
  isProof: true,
  full: { rounds: 1, kills: 200, limitSeconds: 3_600 },
  quick: { rounds: 1, kills: 5, limitSeconds: 300 },
  estimateMs: ({ kills }) => 10_000 + kills * 6_000,

  run: (parameters, bench) =>
    withinLimit(bench, parameters.limitSeconds, async ({ signal }) => {
      const killCount = bench.amounts.kills ?? parameters.kills;
      const outcome = await killAndRestart({
        folder: bench.folder,
        random: seededRandom(bench.seed),
        killCount,
        signal,
        progress: (count) => bench.progress(`${count} kills`, count / (killCount + 1)),
      });
      const { problems, startMs, acceptedCount } = outcome;
      return {
        figures: [
          figure("kills", "", [outcome.killCount]),
          figure("kills of a server that had not started yet", "", [outcome.killedInStartCount]),
          figure("turns that callers knew to be accepted", "", [acceptedCount]),
          figure("of these, lost with their server", "", [outcome.lostCount]),
          figure("sessions that went on after a kill", "", [outcome.sessionTurnCount]),
          figure("sessions with tools that went on from their transcript after a kill", "", [
            outcome.toolSessionTurnCount,
          ]),
          figure("sessions with tools that a kill suspended", "", [outcome.suspendedCount]),
          figure("requests with an id, made again after a kill", "", [outcome.requestCount]),
          figure("from the start of a server to where it serves", "ms", startMs),
        ],
        targets: [
          {
            name: "what was not as it must be after a kill",
            wanted: "nothing",
            measured: problems.length === 0 ? "nothing" : `${problems.length}: ${problems.slice(0, 5).join("; ")}`,
            reached: problems.length === 0,
          },
          {
            name: "turns that a kill ended",
            wanted: "some, or the proof says little",
            measured: String(outcome.lostCount),
            reached: outcome.lostCount > 0 && outcome.sessionTurnCount > 0 && outcome.toolSessionTurnCount > 0,
          },
        ],
        samples: { "start, ms": startMs },
        notes: problems,
      };
    }),
});
