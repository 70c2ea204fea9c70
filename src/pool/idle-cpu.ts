/**
 * The share of a core that a process uses while it is idle: one that loops shows, and one that cleans up after its turn
 * does not.
 */

/** Shorter, and the garbage collection after a turn looks like a loop. */
const windowMs = 10_000;

export class IdleCpu {
  #percent: number | undefined;
  #baseline: { readonly idleness: number; readonly atMs: number; readonly cpuMs: number } | undefined;

  /** In the last full window of the idleness that was looked at last. */
  get percent(): number | undefined {
    return this.#percent;
  }

  /** What the process has used up to now, in one of its times of idleness. */
  sample(idleness: number, atMs: number, cpuMs: number): void {
    const baseline = this.#baseline;
    if (baseline?.idleness !== idleness) {
      this.#percent = undefined;
    } else if (atMs - baseline.atMs < windowMs) {
      return;
    } else {
      this.#percent = (100 * (cpuMs - baseline.cpuMs)) / (atMs - baseline.atMs);
    }
    this.#baseline = { idleness, atMs, cpuMs };
  }
}
