import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Share } from "../../../src/server/calls/share.ts";

/** Everybody in turn takes one until nobody gets any more. */
function greedy(share: Share, holders: readonly string[]): Record<string, number> {
  const got = Object.fromEntries(holders.map((holder) => [holder, 0]));
  let isOver = false;
  while (!isOver) {
    isOver = true;
    for (const holder of holders) {
      if (share.take([holder], 1) !== undefined) continue;
      got[holder] = (got[holder] ?? 0) + 1;
      isOver = false;
    }
  }
  return got;
}

describe("a total that is shared out", () => {
  it("is half for who comes alone, a third each for two, a quarter each for three", () => {
    expect(greedy(new Share(1_000), ["a"])).toEqual({ a: 500 });
    expect(greedy(new Share(999), ["a", "b"])).toEqual({ a: 333, b: 333 });
    expect(greedy(new Share(1_000), ["a", "b", "c"])).toEqual({ a: 250, b: 250, c: 250 });
  });

  it("has something left for whoever comes next, as long as there are fewer greedy ones than places", () => {
    const share = new Share(1_000);
    greedy(share, ["a"]);
    greedy(share, ["b", "c"]);
    expect(share.take(["honest"], 1)).toBeUndefined();
  });

  it("says who holds too much, and what would be right", () => {
    const share = new Share(10);
    share.take(["a"], 5);
    expect(share.take(["a"], 1)).toEqual({ holder: "a", held: 6, limit: 5 });
    share.take(["b"], 2);
    share.take(["c"], 1);
    expect(share.take(["d"], 2)).toEqual({ holder: undefined, held: 10, limit: 10 });
    expect(share.take([], 3)).toEqual({ holder: undefined, held: 11, limit: 10 });
  });

  it("never gives out more than there is, never lets one have more than half, and forgets who holds nothing", () => {
    const step = fc.record({ holder: fc.integer({ min: 0, max: 5 }), amount: fc.integer({ min: 1, max: 40 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const share = new Share(100);
        const taken: { holders: string[]; amount: number }[] = [];
        for (const { holder, amount } of steps) {
          if (amount > 30) {
            const back = taken.shift();
            if (back !== undefined) share.give(back.holders, back.amount);
            continue;
          }
          const holders = [`tenant ${holder}`, `address ${holder % 2}`];
          if (share.take(holders, amount) === undefined) taken.push({ holders, amount });
          const heldBy = new Map<string, number>();
          for (const one of taken)
            for (const name of one.holders) heldBy.set(name, (heldBy.get(name) ?? 0) + one.amount);
          expect(share.used).toBe(taken.reduce((sum, one) => sum + one.amount, 0));
          expect(share.used).toBeLessThanOrEqual(100);
          for (const held of heldBy.values()) expect(held).toBeLessThanOrEqual(50);
          expect(share.holderCount).toBe(heldBy.size);
        }
        for (const { holders, amount } of taken) share.give(holders, amount);
        expect([share.used, share.holderCount]).toEqual([0, 0]);
      }),
    );
  });
});
