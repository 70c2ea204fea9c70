/**
 * One reader's place in the log of a turn.
 *
 * Asks for nothing while there is something: a reader takes what is there without a wait, and waits for a change only when
 * nothing is. What it was too slow for is reported as missing, with its range, and never skipped in silence.
 */
import { frameBytes, type Slab } from "./slab.ts";

/** The log as its readers see it. */
interface ReadLog<End> {
  readonly lastSequence: number;
  readonly firstSequence: number;
  readonly writtenBytes: number;
  readonly oldest: Slab;
  readonly end: { readonly value: End } | undefined;
}

interface CursorHooks {
  readonly read: () => void;
  readonly closed: () => void;
}

/** One call at a time. Disposing of it says that nobody reads any more; twice is fine. */
export class LogCursor<End> implements Disposable {
  readonly #log: ReadLog<End>;
  readonly #hooks: CursorHooks;
  #slab: Slab;
  #atBytes = 0;
  #sequence: number;
  #flags = 0;
  #readBytes = 0;
  #wake: (() => void) | undefined;
  #isClosed = false;
  /** Whether the event that comes next may be gone: only after a jump. */
  #mayMiss = true;

  constructor(log: ReadLog<End>, afterSequence: number, hooks: CursorHooks) {
    this.#log = log;
    this.#hooks = hooks;
    this.#slab = log.oldest;
    this.#sequence = afterSequence;
    this.#seek();
  }

  /** The number of the event that was taken last, or the one after which this reader began. */
  get sequence(): number {
    return this.#sequence;
  }

  /** The flags of the event that was taken last. */
  get flags(): number {
    return this.#flags;
  }

  /** How many events there are that were not taken yet. */
  get unreadCount(): number {
    return this.#log.lastSequence - this.#sequence;
  }

  /** How many bytes they have. */
  get unreadBytes(): number {
    return this.#log.writtenBytes - this.#readBytes;
  }

  /** Events that should come next and are gone from the log. `skipMissing` goes on after them. */
  get missing(): { readonly firstSequence: number; readonly lastSequence: number } | undefined {
    if (this.unreadCount === 0) return undefined;
    const firstHere = this.#log.firstSequence || this.#log.lastSequence + 1;
    if (this.#sequence + 1 >= firstHere) return undefined;
    return { firstSequence: this.#sequence + 1, lastSequence: firstHere - 1 };
  }

  /** The events up to this one were had from elsewhere, or are given up. */
  skipTo(sequence: number): void {
    this.#sequence = sequence;
    this.#slab = this.#log.oldest;
    this.#mayMiss = true;
    this.#seek();
    this.#hooks.read();
  }

  /** The next event, a view that stays as it is. `undefined`: there is none yet, or what comes next is missing. */
  poll(): Buffer | undefined {
    let slab = this.#slab;
    while (this.#atBytes >= slab.usedBytes || slab.isDropped) {
      if (slab.isDropped) {
        if (this.missing !== undefined || this.unreadCount === 0) return undefined;
        this.skipTo(this.#sequence);
        slab = this.#slab;
        continue;
      }
      if (slab.next === undefined) return undefined;
      slab = this.#slab = slab.next;
      this.#atBytes = 0;
    }
    if (this.#mayMiss) {
      if (this.missing !== undefined) return undefined;
      this.#mayMiss = false;
    }
    const { buffer } = slab;
    const at = this.#atBytes;
    this.#sequence = buffer.readUInt32LE(at);
    this.#flags = buffer[at + 4]!;
    const end = at + frameBytes + buffer.readUInt32LE(at + 5);
    this.#atBytes = end;
    this.#readBytes += end - at;
    this.#hooks.read();
    return buffer.subarray(at + frameBytes, end);
  }

  /** How the turn ended, once there is nothing left to read. */
  get end(): { readonly value: End } | undefined {
    return this.unreadCount === 0 ? this.#log.end : undefined;
  }

  /** Settles when there is something new, or at `wake`. */
  changed(): Promise<void> {
    if (this.unreadCount > 0 || this.#log.end !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Ends a wait: there is something new, or the clock has something to say. */
  wake(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  /** Finds its slab and its place in it, and counts what was before it as read. */
  #seek(): void {
    this.#atBytes = 0;
    while (this.#slab.next !== undefined && this.#slab.firstSequence + this.#slab.count <= this.#sequence + 1) {
      this.#slab = this.#slab.next;
    }
    const { buffer, usedBytes } = this.#slab;
    while (this.#atBytes < usedBytes && buffer.readUInt32LE(this.#atBytes) <= this.#sequence) {
      this.#atBytes += frameBytes + buffer.readUInt32LE(this.#atBytes + 5);
    }
    let unreadBytes = usedBytes - this.#atBytes;
    for (let slab = this.#slab.next; slab !== undefined; slab = slab.next) unreadBytes += slab.usedBytes;
    this.#readBytes = this.#log.writtenBytes - unreadBytes;
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#hooks.closed();
    this.wake();
  }
}
