/**
 * The limit on how long a turn may run. Time in which it waits for an answer of ours does not count.
 */
import type { CancelTimer, Clock } from "../../clock.ts";

export class DurationLimit {
  readonly #clock: Clock;
  readonly #onReached: () => void;
  #leftMs: number;
  #running: { readonly sinceMs: number; readonly cancel: CancelTimer } | undefined;

  /** Runs from now on. */
  constructor(clock: Clock, limitMs: number, onReached: () => void) {
    this.#clock = clock;
    this.#leftMs = limitMs;
    this.#onReached = onReached;
    this.resume();
  }

  resume(): void {
    if (this.#running !== undefined) return;
    this.#running = { sinceMs: this.#clock.now(), cancel: this.#clock.after(this.#leftMs, this.#onReached) };
  }

  /** Stops for a while, or for good. */
  pause(): void {
    if (this.#running === undefined) return;
    this.#running.cancel();
    this.#leftMs -= this.#clock.now() - this.#running.sinceMs;
    this.#running = undefined;
  }
}
