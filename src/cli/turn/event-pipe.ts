/**
 * A bounded bridge from the process's output, which pushes, to the reader of a turn, who pulls.
 *
 * Made for one reader and for many small events: one that is there costs its reader no wait, and pieces of the same text
 * that wait together, since the process wrote them together or the reader is late, become one. Each event costs server
 * and caller far more than its letters do. Leaves out what to do when it is full: whoever pushes is told how much is unread.
 */
import type { TurnEvent } from "../../turn-event.ts";

/** The longest joined piece, in UTF-16 units. */
const maxJoinedLength = 16 * 1024;

const done: IteratorReturnResult<undefined> = { done: true, value: undefined };

export class EventPipe implements AsyncIterableIterator<TurnEvent> {
  #items: TurnEvent[] = [];
  #at = 0;
  #isEnded = false;
  /** Which events are kept although the others are dropped. `undefined`: none is dropped. */
  #keeps: ((event: TurnEvent) => boolean) | undefined;
  /** How many pieces there are in an unread event, beyond the first. */
  readonly #joined = new Map<TurnEvent, number>();
  #joinedCount = 0;
  #waiting: ((result: IteratorResult<TurnEvent>) => void) | undefined;
  readonly #onRead: () => void;

  /** `onRead` is called after each event that the reader takes. */
  constructor(onRead: () => void) {
    this.#onRead = onRead;
  }

  /** Events that nobody has read yet, each piece of a joined one counted. */
  get unreadCount(): number {
    return this.#items.length - this.#at + this.#joinedCount;
  }

  push(events: readonly TurnEvent[]): void {
    if (this.#isEnded) return;
    const kept = this.#keeps === undefined ? events : events.filter(this.#keeps);
    if (kept.length > 0) this.#add(kept);
  }

  /** The last event. It is kept also when nothing else is. */
  end(last: TurnEvent): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#add([last]);
  }

  /** Forgets what is unread and what is still pushed, but not the end, nor what is to be kept. */
  drop(keeps: (event: TurnEvent) => boolean = () => false): void {
    if (this.#isEnded) return;
    this.#keeps = keeps;
    this.#items = this.#items.slice(this.#at).filter(keeps);
    this.#at = 0;
    this.#joined.clear();
    this.#joinedCount = 0;
  }

  /** The next event if there is one, without a wait. */
  takeReady(): TurnEvent | undefined {
    if (this.#at >= this.#items.length) return undefined;
    const value = this.#items[this.#at++]!;
    this.#joinedCount -= this.#joined.get(value) ?? 0;
    this.#joined.delete(value);
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

  /** Joins a piece to the last unread event, if that is one of the same text. */
  #joins(event: TurnEvent): boolean {
    const last = this.#items.at(-1);
    const joined = last && joinedPieces(last, event);
    if (last === undefined || joined === undefined) return false;
    const count = (this.#joined.get(last) ?? 0) + 1;
    this.#items[this.#items.length - 1] = joined;
    this.#joined.delete(last);
    this.#joined.set(joined, count);
    this.#joinedCount += 1;
    return true;
  }

  #add(events: readonly TurnEvent[]): void {
    for (const event of events) if (!this.#joins(event)) this.#items.push(event);
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    this.#waiting = undefined;
    void this.next().then(waiting);
  }
}

/** Two pieces of the same text as one; `undefined` when they are none, or carry lines of the process that stay apart. */
function joinedPieces(first: TurnEvent, second: TurnEvent): TurnEvent | undefined {
  if (first.raw !== undefined || second.raw !== undefined) return undefined;
  if (first.kind === "textDelta" && second.kind === "textDelta") {
    return isJoinable(first, second, first.text, second.text)
      ? { ...first, text: first.text + second.text }
      : undefined;
  }
  if (first.kind === "thinkingDelta" && second.kind === "thinkingDelta") {
    return isJoinable(first, second, first.thinking, second.thinking)
      ? { ...first, thinking: first.thinking + second.thinking }
      : undefined;
  }
  if (first.kind === "toolInputDelta" && second.kind === "toolInputDelta") {
    return isJoinable(first, second, first.partialJson, second.partialJson)
      ? { ...first, partialJson: first.partialJson + second.partialJson }
      : undefined;
  }
  return undefined;
}

interface Position {
  readonly messageIndex: number;
  readonly blockIndex: number;
}

function isJoinable(first: Position, second: Position, text: string, more: string): boolean {
  const isSame = first.messageIndex === second.messageIndex && first.blockIndex === second.blockIndex;
  return isSame && text.length + more.length <= maxJoinedLength;
}
