import { describe, expect, it } from "vitest";
import { differences, median, quantile, ratios, spreadOf } from "../../bench/stats.ts";

describe("the statistics of the bench", () => {
  it("takes the middle sample as median, or the mean of the middle two", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([9, 1, 5, 6])).toBe(5.5);
  });

  it("sorts by value, not by digits", () => {
    expect(spreadOf([100, 9, 20])).toMatchObject({ min: 9, median: 20, max: 100 });
  });

  it("interpolates between neighbours", () => {
    expect(quantile([0, 10], 0.95)).toBeCloseTo(9.5);
    expect(quantile([0, 10, 20, 30], 0.25)).toBeCloseTo(7.5);
  });

  it("leaves the samples in their order", () => {
    const samples = [3, 1, 2];
    spreadOf(samples);
    expect(samples).toEqual([3, 1, 2]);
  });

  it("gives a single sample for every quantile", () => {
    expect(spreadOf([7])).toEqual({ count: 1, min: 7, median: 7, p95: 7, p99: 7, max: 7 });
  });

  it("refuses to make a figure out of nothing", () => {
    expect(() => spreadOf([])).toThrow(RangeError);
  });

  it("compares two sides round by round, so that a slow round weighs on both", () => {
    const one = [
      [10, 12, 11],
      [100, 120, 110],
    ];
    const other = [
      [5, 6, 5.5],
      [50, 60, 55],
    ];
    expect(ratios(one, other)).toEqual([2, 2]);
    expect(differences(one, other)).toEqual([5.5, 55]);
  });

  it("refuses to compare sides of different length", () => {
    expect(() => ratios([[1]], [])).toThrow(RangeError);
  });
});
