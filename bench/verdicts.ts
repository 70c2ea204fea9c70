/**
 * Whether a comparison is within its bound: the median by round decides, and the verdict shows how far the rounds are apart.
 * Pure.
 */
import type { Target } from "./scenario.ts";
import { median, quantile } from "./stats.ts";

/** `ratios` by round; at most so many times. */
export function atMostTimes(name: string, ratios: readonly number[], limit: number): Target {
  return {
    name,
    wanted: `≤ ${limit}×`,
    measured: spreadIn(ratios, (ratio) => `${ratio.toFixed(2)}×`),
    reached: median(ratios) <= limit,
  };
}

/** `differences` by round, in milliseconds; at most so many more. `wanted` says the bound in other words. */
export function atMostMsMore(
  name: string,
  differences: readonly number[],
  limitMs: number,
  wanted = `≤ ${limitMs} ms more`,
): Target {
  return {
    name,
    wanted,
    measured: spreadIn(differences, (ms) => `${ms.toFixed(2)} ms`),
    reached: median(differences) <= limitMs,
  };
}

/** The median, and between what the middle half of the rounds is. */
function spreadIn(samples: readonly number[], format: (value: number) => string): string {
  return `${format(median(samples))} (${format(quantile(samples, 0.25))} to ${format(quantile(samples, 0.75))})`;
}
