/**
 * A clock that stands still until a test moves it.
 *
 * `advance` fires the timers that fall due one after another, in the order of their time, and lets everything that
 * hangs on promises run to its end in between, so that what a timer sets off happens at that timer's moment.
 */
import { setImmediate as nextTask } from "node:timers/promises";
import type { CancelTimer, Clock } from "../src/clock.ts";

interface PendingTimer {
  readonly dueMs: number;
  readonly fire: () => void;
}

export class FakeClock implements Clock {
  #nowMs = 0;
  readonly #wallStartMs: number;
  /** In the order in which they were set. */
  readonly #timers = new Set<PendingTimer>();

  constructor(options: { readonly wallStartMs?: number } = {}) {
    this.#wallStartMs = options.wallStartMs ?? Date.UTC(2026, 0, 1);
  }

  now(): number {
    return this.#nowMs;
  }

  wallNow(): number {
    return this.#wallStartMs + this.#nowMs;
  }

  after(afterMs: number, fire: () => void): CancelTimer {
    const timer: PendingTimer = { dueMs: this.#nowMs + Math.max(0, afterMs), fire };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  /** Timers that have neither fired nor been cancelled. */
  get pendingTimerCount(): number {
    return this.#timers.size;
  }

  /** Moves time on. Timers that are set meanwhile fire too when they fall due. */
  async advance(byMs: number): Promise<void> {
    if (!(byMs >= 0)) throw new Error(`time does not go back: ${byMs}`);
    const untilMs = this.#nowMs + byMs;
    await this.settle();
    for (let next = this.#next(untilMs); next !== undefined; next = this.#next(untilMs)) {
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.fire();
      await this.settle();
    }
    this.#nowMs = untilMs;
  }

  /** Moves time on without firing anything: an event loop that was blocked. The timers fire with the next `advance`. */
  jump(byMs: number): void {
    this.#nowMs += byMs;
  }

  /** Lets everything run that waits for nothing but promises. */
  async settle(): Promise<void> {
    await nextTask();
  }

  #next(untilMs: number): PendingTimer | undefined {
    let first: PendingTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs <= untilMs && (first === undefined || timer.dueMs < first.dueMs)) first = timer;
    }
    return first;
  }
}
