/**
 * What is said of samples: their spread, and how one side of a comparison relates to the other round by round.
 *
 * Pure arithmetic; knows no units and no clocks.
 */

export interface Spread {
  readonly count: number;
  readonly min: number;
  readonly median: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/**
 * The value below which the given share of the samples lies, between neighbours by linear interpolation.
 * Throws a RangeError for no samples: a figure that was not measured must not look like one.
 */
export function quantile(samples: readonly number[], share: number): number {
  if (samples.length === 0) throw new RangeError("no samples");
  const sorted = samples.toSorted((a, b) => a - b);
  const position = (sorted.length - 1) * share;
  const below = Math.floor(position);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (position - below);
}

export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5);
}

export function spreadOf(samples: readonly number[]): Spread {
  return {
    count: samples.length,
    min: quantile(samples, 0),
    median: median(samples),
    p95: quantile(samples, 0.95),
    p99: quantile(samples, 0.99),
    max: quantile(samples, 1),
  };
}

/** The samples of one side of a comparison, round by round. */
export type Rounds = readonly (readonly number[])[];

/**
 * How two sides relate in each round, by the medians of their samples there. What disturbed the machine in one round
 * disturbed both sides, so that the median of these says more than the relation of two overall medians.
 */
export function byRound(one: Rounds, other: Rounds, relate: (one: number, other: number) => number): number[] {
  if (one.length !== other.length) throw new RangeError(`${one.length} rounds against ${other.length}`);
  return one.map((samples, round) => relate(median(samples), median(other[round]!)));
}

/** `one / other` in each round. */
export function ratios(one: Rounds, other: Rounds): number[] {
  return byRound(one, other, (a, b) => a / b);
}

/** `one - other` in each round. */
export function differences(one: Rounds, other: Rounds): number[] {
  return byRound(one, other, (a, b) => a - b);
}
