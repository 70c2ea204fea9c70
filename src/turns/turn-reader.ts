/**
 * Reads a turn's events and says when there was none for a while, without losing or reordering one.
 *
 * Costs one promise an event: a race against a timer for each event would leave a listener behind each time.
 */
import type { CancelTimer, Clock } from "../clock.ts";
import type { TurnEvent } from "../turn-event.ts";
import type { RunningTurn } from "../worker-process.ts";

/** What came: an event, or a tick of the clock while none came. */
export type Read = { readonly kind: "event"; readonly event: TurnEvent } | { readonly kind: "tick" };

export interface ReaderHooks {
  /** An event is handed to the reader. */
  readonly taken: (event: TurnEvent) => void;
  /** Nobody reads any more. */
  readonly gone: () => void;
}

/** One call at a time. Disposing of it says that nobody reads any more; twice is fine. */
export class TurnReader implements Disposable {
  readonly #source: AsyncIterator<TurnEvent>;
  readonly #takeReady: (() => TurnEvent | undefined) | undefined;
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #hooks: ReaderHooks;
  #cancelTick: CancelTimer | undefined;
  #waiting: { resolve: (read: Read) => void; reject: (error: unknown) => void } | undefined;
  #isAsking = false;
  #isGone = false;
  #kept: { event: TurnEvent } | { error: unknown } | undefined;

  /** `tickMs`: how long a wait lasts until it answers with a tick. */
  constructor(
    running: Pick<RunningTurn, "events" | "takeReady">,
    clock: Clock,
    tickMs: number,
    hooks: ReaderHooks = { taken: () => {}, gone: () => {} },
  ) {
    this.#source = running.events[Symbol.asyncIterator]();
    this.#takeReady = running.takeReady?.bind(running);
    this.#clock = clock;
    this.#tickMs = tickMs;
    this.#hooks = hooks;
  }

  /** The next event if it is there already, without a wait. Not while a `next()` is under way. */
  poll(): TurnEvent | undefined {
    // What was asked for comes first.
    if (this.#isAsking || this.#kept !== undefined) return undefined;
    const event = this.#takeReady?.();
    if (event !== undefined) this.#hooks.taken(event);
    return event;
  }

  /** The next event, or a tick when there was none for a while. After `ended` there is nothing to ask for. */
  next(): Promise<Read> {
    const kept = this.#kept;
    if (kept !== undefined) {
      this.#kept = undefined;
      if ("error" in kept) return Promise.reject(kept.error);
      this.#hooks.taken(kept.event);
      return Promise.resolve({ kind: "event", event: kept.event });
    }
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#cancelTick ??= this.#clock.after(this.#tickMs, this.#tick);
      if (this.#isAsking) return;
      this.#isAsking = true;
      this.#source.next().then(this.#came, this.#failed);
    });
  }

  /** Takes what is left of the events for nobody, so that the worker goes on. After this the reader is used up. */
  async passOver(): Promise<void> {
    for (;;) {
      const event = this.poll();
      const read: Read = event === undefined ? await this.next() : { kind: "event", event };
      if (read.kind === "event" && read.event.kind === "ended") return this.#stopTicking();
    }
  }

  readonly #came = (step: IteratorResult<TurnEvent>): void => {
    this.#isAsking = false;
    if (step.done) {
      this.#failed(new Error("bug: a turn without an end"));
      return;
    }
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) {
      this.#kept = { event: step.value };
      return;
    }
    this.#hooks.taken(step.value);
    waiting.resolve({ kind: "event", event: step.value });
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

  #stopTicking(): void {
    this.#cancelTick?.();
    this.#cancelTick = () => {};
  }

  [Symbol.dispose](): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#stopTicking();
    this.#hooks.gone();
  }
}
