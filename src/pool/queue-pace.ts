/**
 * How fast the queue of a profile moves: for refusing at once what would only wait in vain, and for telling callers when
 * to come back.
 *
 * It is an average of the time between two turns that left the queue for a worker, over times when turns were waiting.
 * Without enough of them, and recent ones, there is no figure, and nobody is refused because of one.
 */

/** The newest interval counts for a tenth. */
const weight = 0.1;
const minSampleCount = 8;
const maxEvidenceAgeMs = 5 * 60_000;

const minPushBackMs = 250;
const maxPushBackMs = 30_000;
/** What is assumed of a queue of which nothing is known. */
const unknownWaitMs = 1_000;

export class QueuePace {
  #meanIntervalMs = 0;
  #sampleCount = 0;
  #lastMs = 0;

  /** The first turn begins to wait. */
  begin(nowMs: number): void {
    if (this.#sampleCount > 0 && nowMs - this.#lastMs > maxEvidenceAgeMs) this.#sampleCount = 0;
    this.#lastMs = nowMs;
  }

  /** A waiting turn got its worker. */
  served(nowMs: number): void {
    const intervalMs = nowMs - this.#lastMs;
    this.#lastMs = nowMs;
    this.#sampleCount++;
    // The plain mean until there are enough samples, so that the first one does not weigh more than the others.
    this.#meanIntervalMs += (intervalMs - this.#meanIntervalMs) * Math.max(weight, 1 / this.#sampleCount);
  }

  /** How long a turn waits that so many others are ahead of. `undefined`: there is no telling. */
  waitMs(aheadCount: number, nowMs: number): number | undefined {
    if (this.#sampleCount < minSampleCount || nowMs - this.#lastMs > maxEvidenceAgeMs) return undefined;
    return aheadCount * this.#meanIntervalMs;
  }

  /** When a refused caller should come back: once the queue will have drained, not all of them at one moment. */
  pushBackMs(queueLength: number, nowMs: number, random: () => number): number {
    return jitteredPushBackMs(this.waitMs(queueLength, nowMs) ?? unknownWaitMs, random);
  }
}

/** A time to come back, spread by ±20 % and within bounds that make sense to a caller. */
export function jitteredPushBackMs(aboutMs: number, random: () => number): number {
  return Math.round(Math.min(maxPushBackMs, Math.max(minPushBackMs, aboutMs * (0.8 + 0.4 * random()))));
}
