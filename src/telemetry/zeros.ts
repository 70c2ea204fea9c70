/**
 * Counters that are there before they first count.
 *
 * In Prometheus a series that begins at 1 has never risen: an alert on the first refusal, or on the first credential that
 * the model API does not take, would miss it. So what alerts look at begins at 0.
 */
import type { RunnerReason } from "../runner-error.ts";
import { attributeNames, instruments } from "./instruments.ts";
import { label } from "./label.ts";

/** Failures of turns that no retry mends: somebody has to act. */
const lastingFailures = ["UPSTREAM_AUTH", "UPSTREAM_BILLING", "UPSTREAM_USAGE_LIMIT"] as const satisfies RunnerReason[];
/** Turns that were not accepted because what must be kept cannot be. */
const keepFailures = ["STORE_UNAVAILABLE", "QUOTA_EXCEEDED"] as const satisfies RunnerReason[];
const startFailures = ["WORKER_START_FAILED", "CLI_UNAVAILABLE"] as const satisfies RunnerReason[];

/** `shedReasons`: those of the pool. */
export function beginAtZero(profiles: readonly string[], shedReasons: readonly string[]): void {
  const { turns, sheds, workerStartFailures, takeovers, unknownEvents, intakeRefusals } = instruments();
  for (const name of profiles) {
    const profile = { [attributeNames.profile]: name };
    turns.add(0, { ...profile, [attributeNames.outcome]: "completed" });
    for (const reason of lastingFailures) {
      turns.add(0, {
        ...profile,
        [attributeNames.outcome]: label("upstreamError"),
        [attributeNames.errorReason]: label(reason),
      });
    }
    for (const reason of shedReasons) sheds.add(0, { ...profile, [attributeNames.shedReason]: reason });
    for (const reason of startFailures) {
      workerStartFailures.add(0, { ...profile, [attributeNames.errorReason]: label(reason) });
    }
    for (const reason of keepFailures)
      intakeRefusals.add(0, { ...profile, [attributeNames.errorReason]: label(reason) });
    takeovers.add(0, profile);
    unknownEvents.add(0, profile);
  }
}
