import { describe, expect, it } from "vitest";
import type { ResetCase } from "../../src/verify/case.ts";
import type { CaseOutcome } from "../../src/verify/case-outcome.ts";
import { walk } from "../../src/verify/walk.ts";

const cases = ["a", "b", "c", "d"].map(
  (name): ResetCase => ({ name, lane: "plain", reset: "clean", play: () => Promise.resolve() }),
);

/** Notes what is played; `leaksAt` is the lease that leaks. */
function notingLane(leaksAt = Number.POSITIVE_INFINITY) {
  const played: { readonly name: string; readonly isCompared: boolean }[] = [];
  return {
    played,
    playOnce: async ({ name }: ResetCase, isCompared: boolean): Promise<CaseOutcome> => {
      played.push({ name, isCompared });
      return played.length === leaksAt ? { kind: "leak", what: "something" } : { kind: "identical" };
    },
  };
}

describe("a random walk", () => {
  it("goes the same way with the same seed, and another with another", async () => {
    const ways: string[] = [];
    for (const seed of [7, 7, 8]) {
      const lane = notingLane();
      await walk(lane, { cases, leaseCount: 30, seed });
      ways.push(JSON.stringify(lane.played));
    }
    expect(ways[1]).toBe(ways[0]);
    expect(ways[2]).not.toBe(ways[0]);
  });

  it("plays every kind of case, compares now and then, and always at the end", async () => {
    const lane = notingLane();
    expect(await walk(lane, { cases, leaseCount: 30, seed: 1 })).toEqual({ kind: "identical" });
    expect(new Set(lane.played.map(({ name }) => name)).size).toBe(cases.length);
    const compared = lane.played.filter(({ isCompared }) => isCompared).length;
    expect(compared).toBeGreaterThan(5);
    expect(compared).toBeLessThan(25);
    expect(lane.played.at(-1)?.isCompared).toBe(true);
  });

  it("stops at a leak and names the way there", async () => {
    const lane = notingLane(3);
    const outcome = await walk(lane, { cases, leaseCount: 30, seed: 1 });
    expect(lane.played).toHaveLength(3);
    const way = lane.played.map(({ name }) => name).join(" → ");
    expect(outcome).toEqual({ kind: "leak", what: `something, after 3 leases, the last ones: ${way}` });
  });
});
