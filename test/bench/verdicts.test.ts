import { describe, expect, it } from "vitest";
import { atMostMsMore, atMostTimes } from "../../bench/verdicts.ts";

describe("a verdict on ratios", () => {
  it("is reached at the bound, and not beyond it", () => {
    expect(atMostTimes("a", [1.1, 1.15, 9], 1.15)).toMatchObject({ wanted: "≤ 1.15×", reached: true });
    expect(atMostTimes("a", [1.1, 1.16, 9], 1.15).reached).toBe(false);
  });

  it("is that of the median, and shows where the middle half of the rounds is", () => {
    expect(atMostTimes("a", [1, 2, 3, 4, 5], 1.5)).toMatchObject({
      measured: "3.00× (2.00× to 4.00×)",
      reached: false,
    });
  });

  it("is not reached when a sample is no number, and there is none without samples", () => {
    expect(atMostTimes("a", [Number.NaN], 1.5).reached).toBe(false);
    expect(() => atMostTimes("a", [], 1.5)).toThrow("no samples");
  });
});

describe("a verdict on differences", () => {
  it("is reached when a side is the faster one", () => {
    expect(atMostMsMore("a", [-3, -2, 0], 1)).toMatchObject({ wanted: "≤ 1 ms more", reached: true });
  });

  it("says its bound in the words that it is given", () => {
    expect(atMostMsMore("a", [2], 1, "less than an fsync")).toMatchObject({
      wanted: "less than an fsync",
      measured: "2.00 ms (2.00 ms to 2.00 ms)",
      reached: false,
    });
  });
});
