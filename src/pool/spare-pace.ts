/**
 * How fast spares are replaced that start well and then die before anybody has used them.
 *
 * A program that answers and crashes a moment later would otherwise be started for ever, as fast as it starts. Holds
 * back spares only: a turn that waits gets its worker, since what happens to that one is the turn's to find out.
 */

export interface SparePaceLimits {
  readonly startFailuresToBreak: number;
  readonly startRetryMs: number;
}

export class SparePace {
  readonly #limits: SparePaceLimits;
  #deathCount = 0;
  #lastDeathAtMs = Number.NEGATIVE_INFINITY;

  constructor(limits: SparePaceLimits) {
    this.#limits = limits;
  }

  /** A spare died by itself. */
  died(nowMs: number): void {
    this.#deathCount++;
    this.#lastDeathAtMs = nowMs;
  }

  /**
   * A worker has served a turn, or lived for a while. One that is older than the last death proves nothing: those
   * that live are well, and no more of them stay.
   */
  proved(startedAtMs: number): void {
    if (startedAtMs > this.#lastDeathAtMs) this.#deathCount = 0;
  }

  /** When the next spare may be started, if that is held back; it may be past. */
  get nextSpareAtMs(): number | undefined {
    const { startFailuresToBreak, startRetryMs } = this.#limits;
    return this.#deathCount < startFailuresToBreak ? undefined : this.#lastDeathAtMs + startRetryMs;
  }

  /** How many spares may begin to start, with so many workers starting. */
  sparesAllowed(nowMs: number, startingCount: number): number {
    const { nextSpareAtMs } = this;
    if (nextSpareAtMs === undefined) return Number.POSITIVE_INFINITY;
    return startingCount === 0 && nowMs >= nextSpareAtMs ? 1 : 0;
  }
}
