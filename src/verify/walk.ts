/**
 * A random walk: leases of all kinds in any order on one process, compared now and then.
 *
 * What one lease leaves may only show after another, and a comparison in between could wipe it away. The seed is all that
 * is needed to walk the same way again.
 */
import type { ResetCase } from "./case.ts";
import { type CaseOutcome, isFailure } from "./case-outcome.ts";
import type { Lane } from "./lane.ts";

export interface WalkOptions {
  readonly cases: readonly ResetCase[];
  readonly leaseCount: number;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

/** How many of the last steps are named with a leak. */
const namedSteps = 6;

export async function walk(
  lane: Pick<Lane, "playOnce">,
  { cases, leaseCount, seed, signal }: WalkOptions,
): Promise<CaseOutcome> {
  const random = randomNumbers(seed);
  const steps: string[] = [];
  let unforeseen: CaseOutcome | undefined;
  for (let step = 1; step <= leaseCount; step++) {
    signal?.throwIfAborted();
    const chosen = cases[Math.floor(random() * cases.length)];
    if (chosen === undefined) return { kind: "notApplicable", reason: "there is nothing to choose from" };
    steps.push(chosen.name);
    const outcome = await lane.playOnce(chosen, random() < 0.5 || step === leaseCount);
    if (isFailure(outcome)) return withSteps(outcome, steps);
    if (outcome.kind !== "identical") unforeseen ??= withSteps(outcome, steps);
  }
  return unforeseen ?? { kind: "identical" };
}

function withSteps(outcome: CaseOutcome, steps: readonly string[]): CaseOutcome {
  const way = `after ${steps.length} leases, the last ones: ${steps.slice(-namedSteps).join(" → ")}`;
  switch (outcome.kind) {
    case "leak":
      return { ...outcome, what: `${outcome.what}, ${way}` };
    case "broken":
      return { ...outcome, error: `${outcome.error}, ${way}` };
    case "ended":
      return { ...outcome, why: `${outcome.why}, ${way}` };
    case "notApplicable":
      return { ...outcome, reason: `${outcome.reason}, ${way}` };
    default:
      return outcome;
  }
}

/** Numbers from 0 to 1 that the seed decides (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
