/**
 * A bounded bridge from the process's output, which pushes, to the reader of a turn, who pulls.
 *
 * Made for one reader and for many small events: a batch is handed over as it is, and an event that is there costs its
 * reader no wait. Leaves out what to do when it is full: whoever pushes is told how much is unread.
 */
import type { TurnEvent } from "../turn-event.ts";

const done: IteratorReturnResult<undefined> = { done: true, value: undefined };

export class EventPipe implements AsyncIterableIterator<TurnEvent> {
  #items: TurnEvent[] = [];
  #at = 0;
  #isEnded = false;
  #isDropping = false;
  #waiting: ((result: IteratorResult<TurnEvent>) => void) | undefined;
  readonly #onRead: () => void;

  /** `onRead` is called after each event that the reader takes. */
  constructor(onRead: () => void) {
    this.#onRead = onRead;
  }

  /** Events that nobody has read yet. */
  get unreadCount(): number {
    return this.#items.length - this.#at;
  }

  /** Takes the list over: whoever pushes does not touch it any more. */
  push(events: TurnEvent[]): void {
    if (events.length === 0 || this.#isEnded || this.#isDropping) return;
    this.#add(events);
  }

  /** The last event. It is kept also when nothing else is. */
  end(last: TurnEvent): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#add([last]);
  }

  /** Forgets what is unread and what is still pushed, but not the end. */
  drop(): void {
    if (this.#isEnded || this.#isDropping) return;
    this.#isDropping = true;
    this.#items = [];
    this.#at = 0;
  }

  /** The next event if there is one, without a wait. */
  takeReady(): TurnEvent | undefined {
    if (this.#at >= this.#items.length) return undefined;
    const value = this.#items[this.#at++]!;
    if (this.#at === this.#items.length) {
      this.#items = [];
      this.#at = 0;
    }
    this.#onRead();
    return value;
  }

  next(): Promise<IteratorResult<TurnEvent>> {
    const value = this.takeReady();
    if (value !== undefined) return Promise.resolve({ done: false, value });
    if (this.#isEnded) return Promise.resolve(done);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  /** The reader has left: nobody is to be waited for. */
  return(): Promise<IteratorResult<TurnEvent>> {
    this.drop();
    this.#isEnded = true;
    this.#items = [];
    this.#at = 0;
    this.#waiting?.(done);
    this.#waiting = undefined;
    this.#onRead();
    return Promise.resolve(done);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #add(events: TurnEvent[]): void {
    if (this.unreadCount === 0) {
      this.#items = events;
      this.#at = 0;
    } else {
      for (const event of events) this.#items.push(event);
    }
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    this.#waiting = undefined;
    void this.next().then(waiting);
  }
}
