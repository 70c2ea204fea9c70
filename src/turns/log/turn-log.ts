/**
 * The events of one turn as they were numbered and encoded, once, for all who read them.
 *
 * Bytes to it, in slabs that are never moved, so that what is handed out is a view and no copy. Bounded: the oldest slabs
 * go first. Readers are cursors (`log-cursor.ts`); one of them may hold the turn up by not reading, which is how a caller
 * without room stops the worker; all others are left behind instead.
 */
import { LogCursor } from "./log-cursor.ts";
import { emptySlab, frameBytes, noBytes, type Slab } from "./slab.ts";

export interface LogLimits {
  /** Bytes of one turn's events, frames included. */
  readonly maxBytes: number;
  readonly maxEventCount: number;
  /** So much unread by the reader that may hold the turn up does. */
  readonly holdBytes: number;
  readonly holdEventCount: number;
}

/** A turn of 32 KB is normal. Held up early, so that pieces of text that wait are joined before they are events. */
export const logLimits: LogLimits = {
  maxBytes: 4 * 1024 * 1024,
  maxEventCount: 8_192,
  holdBytes: 256 * 1024,
  holdEventCount: 32,
};

const firstSlabBytes = 4 * 1024;
const maxSlabBytes = 64 * 1024;

/** `End`: what is known of the turn when it is over. */
export class TurnLog<End> {
  readonly limits: LogLimits;
  readonly #sizeChanged: (byBytes: number) => void;
  #head: Slab;
  #tail: Slab;
  #lastSequence = 0;
  /** Of all events that there ever were. */
  #writtenBytes = 0;
  #keptBytes = 0;
  #keptCount = 0;
  #end: { readonly value: End } | undefined;
  #holder: LogCursor<End> | undefined;
  #release: (() => void) | undefined;
  #mayHold = true;
  readonly #readers: LogCursor<End>[] = [];

  /** `sizeChanged`: for the bound over all turns. */
  constructor(limits: LogLimits = logLimits, sizeChanged: (byBytes: number) => void = () => {}) {
    this.limits = limits;
    this.#sizeChanged = sizeChanged;
    this.#head = this.#tail = emptySlab(1, 0);
  }

  /** The number of the last event. 0: there is none. */
  get lastSequence(): number {
    return this.#lastSequence;
  }

  /** The first event that is still here; 0: none is. */
  get firstSequence(): number {
    return this.#keptCount === 0 ? 0 : this.#lastSequence - this.#keptCount + 1;
  }

  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  get keptBytes(): number {
    return this.#keptBytes;
  }

  get readerCount(): number {
    return this.#readers.length;
  }

  /** What is known of the turn's end; `undefined` while it goes on. */
  get end(): { readonly value: End } | undefined {
    return this.#end;
  }

  append(flags: number, bytes: Uint8Array): void {
    const neededBytes = frameBytes + bytes.length;
    if (this.#tail.buffer.length - this.#tail.usedBytes < neededBytes) this.#grow(neededBytes);
    const tail = this.#tail;
    const { buffer, usedBytes: at } = tail;
    this.#lastSequence += 1;
    buffer.writeUInt32LE(this.#lastSequence, at);
    buffer[at + 4] = flags;
    buffer.writeUInt32LE(bytes.length, at + 5);
    buffer.set(bytes, at + frameBytes);
    tail.usedBytes = at + neededBytes;
    tail.count += 1;
    this.#writtenBytes += neededBytes;
    this.#keptCount += 1;
    if (this.#keptBytes > this.limits.maxBytes || this.#keptCount > this.limits.maxEventCount) this.#dropOld();
    this.#wake();
  }

  /** Nothing more comes. Once. */
  finish(end: End): void {
    this.#end = { value: end };
    this.#shrink();
    this.#wake();
  }

  /**
   * Lets go of the events, since memory is needed elsewhere, but for those that the reader has still to get who may hold the
   * turn up. What comes later is kept again.
   */
  dropEvents(): void {
    while (this.#head !== this.#tail && this.#mayDrop(this.#head)) this.#dropHead();
    // The last events of a turn that is over stay: every reader gets its result.
    if (this.#end === undefined && this.#head === this.#tail && this.#mayDrop(this.#tail)) this.#dropLast();
  }

  /** Lets go of all events, whoever has still to get some. */
  forgetEvents(): void {
    while (this.#head !== this.#tail) this.#dropHead();
    this.#dropLast();
  }

  #dropLast(): void {
    if (this.#tail.count === 0) return;
    this.#tail.next = emptySlab(this.#lastSequence + 1, 0);
    this.#tail = this.#tail.next;
    this.#dropHead();
  }

  /**
   * Reads from after an event on. `holds`: by not reading it holds the turn up; one reader may. `afterSequence` is at most
   * `lastSequence`.
   */
  follow(afterSequence: number, options: { readonly holds?: boolean } = {}): LogCursor<End> {
    const cursor: LogCursor<End> = new LogCursor<End>(this, afterSequence, {
      read: () => this.#hasRead(cursor),
      closed: () => {
        this.#readers.splice(this.#readers.indexOf(cursor), 1);
        if (this.#holder !== cursor) return;
        this.#holder = undefined;
        this.#letGo();
      },
    });
    this.#readers.push(cursor);
    if (options.holds === true) this.#holder = cursor;
    return cursor;
  }

  /** Whether the turn has to wait for a reader who has not read enough. */
  get isHeldUp(): boolean {
    const holder = this.#holder;
    if (holder === undefined || !this.#mayHold) return false;
    const { holdBytes, holdEventCount } = this.limits;
    return holder.unreadCount >= holdEventCount || holder.unreadBytes >= holdBytes;
  }

  /** Settles when the turn may go on. */
  released(): Promise<void> {
    if (!this.isHeldUp) return Promise.resolve();
    return new Promise((resolve) => {
      this.#release = resolve;
    });
  }

  /** From here on no reader holds the turn up: its end is asked for, and that is to be written down whoever reads. */
  holdNoMore(): void {
    this.#mayHold = false;
    this.#letGo();
  }

  /** The oldest slab that is here. */
  get oldest(): Slab {
    return this.#head;
  }

  #hasRead(cursor: LogCursor<End>): void {
    if (this.#release !== undefined && this.#holder === cursor && !this.isHeldUp) this.#letGo();
  }

  #letGo(): void {
    const release = this.#release;
    this.#release = undefined;
    release?.();
  }

  #wake(): void {
    for (const reader of this.#readers) reader.wake();
  }

  #grow(neededBytes: number): void {
    const wantedBytes = Math.min(maxSlabBytes, Math.max(firstSlabBytes, this.#tail.buffer.length * 4));
    const slab = emptySlab(this.#lastSequence + 1, Math.max(wantedBytes, neededBytes));
    this.#tail.next = slab;
    if (this.#head.count === 0) this.#head = slab;
    this.#tail = slab;
    this.#resize(slab.buffer.length);
  }

  #dropOld(): void {
    const { maxBytes, maxEventCount } = this.limits;
    while (this.#head !== this.#tail && (this.#keptBytes > maxBytes || this.#keptCount > maxEventCount)) {
      if (!this.#mayDrop(this.#head)) return;
      this.#dropHead();
    }
  }

  /** One long block leads to many large events at once: its caller gets them all. What that takes is bounded by the block. */
  #mayDrop({ firstSequence, count }: Slab): boolean {
    return this.#holder === undefined || firstSequence + count - 1 <= this.#holder.sequence;
  }

  #dropHead(): void {
    const slab = this.#head;
    if (slab.next === undefined) return;
    this.#head = slab.next;
    this.#resize(-slab.buffer.length);
    this.#keptCount -= slab.count;
    slab.isDropped = true;
    // A reader who stands here keeps neither this memory nor that of all later slabs.
    slab.buffer = noBytes;
    slab.next = undefined;
  }

  /** What is left over of the last slab is most of a short turn's memory. */
  #shrink(): void {
    const { buffer, usedBytes } = this.#tail;
    if (usedBytes * 2 > buffer.length) return;
    this.#resize(usedBytes - buffer.length);
    this.#tail.buffer = Buffer.from(buffer.subarray(0, usedBytes));
  }

  #resize(byBytes: number): void {
    this.#keptBytes += byBytes;
    if (byBytes !== 0) this.#sizeChanged(byBytes);
  }
}
