/**
 * Reads a turn's events and says when there was none for a while, without losing or reordering one.
 *
 * Costs one promise an event: a race against a timer for each event would leave a listener behind each time.
 */
import type { CancelTimer, Clock } from "../clock.ts";

/** What came: an event, a tick of the clock while none came, or the end. */
export type Read<T> =
  | { readonly kind: "event"; readonly event: T }
  | { readonly kind: "tick" }
  | { readonly kind: "end" };

export class QuietReader<T> implements Disposable {
  readonly #source: AsyncIterator<T>;
  readonly #clock: Clock;
  readonly #tickMs: number;
  #cancelTick: CancelTimer | undefined;
  #waiting: { resolve: (read: Read<T>) => void; reject: (error: unknown) => void } | undefined;
  #isAsking = false;
  #kept: { read: Read<T> } | { error: unknown } | undefined;

  readonly #takeReady: (() => T | undefined) | undefined;

  /**
   * `tickMs`: how long a wait lasts until it answers with a tick. `takeReady`: the source's next event if it is there
   * already.
   */
  constructor(source: AsyncIterable<T>, clock: Clock, tickMs: number, takeReady?: () => T | undefined) {
    this.#takeReady = takeReady;
    this.#source = source[Symbol.asyncIterator]();
    this.#clock = clock;
    this.#tickMs = tickMs;
  }

  /** The next event if it is there already, without a wait. Not while a `next()` is under way. */
  poll(): T | undefined {
    // What was asked for comes first.
    return this.#isAsking || this.#kept !== undefined ? undefined : this.#takeReady?.();
  }

  /** The next event, or a tick. One call at a time. */
  next(): Promise<Read<T>> {
    const kept = this.#kept;
    if (kept !== undefined) {
      this.#kept = undefined;
      return "read" in kept ? Promise.resolve(kept.read) : Promise.reject(kept.error);
    }
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#cancelTick ??= this.#clock.after(this.#tickMs, this.#tick);
      if (this.#isAsking) return;
      this.#isAsking = true;
      this.#source.next().then(this.#came, this.#failed);
    });
  }

  readonly #came = (step: IteratorResult<T>): void => {
    this.#isAsking = false;
    const read: Read<T> = step.done ? { kind: "end" } : { kind: "event", event: step.value };
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) this.#kept = { read };
    else waiting.resolve(read);
  };

  readonly #failed = (error: unknown): void => {
    this.#isAsking = false;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) this.#kept = { error };
    else waiting.reject(error);
  };

  // One timer for the whole turn, not one for each event: it ticks also while events come, and nobody waits then.
  readonly #tick = (): void => {
    this.#cancelTick = this.#clock.after(this.#tickMs, this.#tick);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve({ kind: "tick" });
  };

  [Symbol.dispose](): void {
    this.#cancelTick?.();
    this.#cancelTick = () => {};
  }
}
