/**
 * Stops the reading of a process while the reader of its turn is behind, and goes on at half of what stopped it.
 *
 * Leaves out what becomes of a turn whose reader stays away.
 */

export interface BackpressureOptions {
  /** How many events may be unread. */
  readonly bufferSize: number;
  /** The process is not to be read. */
  readonly stopped: () => void;
  readonly resumed: () => void;
}

export class Backpressure {
  readonly #options: BackpressureOptions;
  #isStopped = false;

  constructor(options: BackpressureOptions) {
    this.#options = options;
  }

  isFull(unreadCount: number): boolean {
    return unreadCount >= this.#options.bufferSize;
  }

  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#options.stopped();
  }

  /** The reader took an event, and so many are left. Called for each. */
  readerTook(unreadCount: number): void {
    if (this.#isStopped && unreadCount <= this.#options.bufferSize / 2) this.resume();
  }

  /** Nobody is waited for any more. */
  resume(): void {
    if (!this.#isStopped) return;
    this.#isStopped = false;
    this.#options.resumed();
  }
}
