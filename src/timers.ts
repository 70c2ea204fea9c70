/**
 * The timers of one owner, which end together.
 */
import type { CancelTimer, Clock } from "./clock.ts";

export class Timers {
  readonly #clock: Clock;
  readonly #running = new Set<CancelTimer>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  after(ms: number, fire: () => void): void {
    const cancel = this.#clock.after(ms, () => {
      this.#running.delete(cancel);
      fire();
    });
    this.#running.add(cancel);
  }

  clear(): void {
    for (const cancel of this.#running) cancel();
    this.#running.clear();
  }
}
