/**
 * Reads a turn's events one by one, those that are there already without a wait.
 */
import type { TurnEvent } from "../turn-event.ts";
import type { RunningTurn } from "../worker-process.ts";

/** One call at a time. */
export class TurnReader {
  readonly #source: AsyncIterator<TurnEvent>;
  readonly #takeReady: (() => TurnEvent | undefined) | undefined;
  readonly #taken: (event: TurnEvent) => void;

  /** `taken`: is shown each event when the reader gets it. */
  constructor(running: Pick<RunningTurn, "events" | "takeReady">, taken: (event: TurnEvent) => void = () => {}) {
    this.#source = running.events[Symbol.asyncIterator]();
    this.#takeReady = running.takeReady?.bind(running);
    this.#taken = taken;
  }

  /** The next event if it is there already, without a wait. Not while a `next()` is under way. */
  poll(): TurnEvent | undefined {
    const event = this.#takeReady?.();
    if (event !== undefined) this.#taken(event);
    return event;
  }

  /** The next event. After `ended` there is nothing to ask for. */
  async next(): Promise<TurnEvent> {
    const { done, value } = await this.#source.next();
    if (done) throw new Error("bug: a turn without an end");
    this.#taken(value);
    return value;
  }
}
