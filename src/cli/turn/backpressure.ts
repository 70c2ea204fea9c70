/**
 * Stops the reading of a process while the reader of its turn is behind, and goes on at half of what stopped it.
 *
 * Leaves out what becomes of a turn whose reader stays away: whoever asks `blockedMs` decides.
 */
import type { Clock } from "../../clock.ts";

export interface BackpressureOptions {
  readonly clock: Clock;
  /** How many events may be unread. */
  readonly bufferSize: number;
  /** The process is not to be read. */
  readonly stopped: () => void;
  readonly resumed: () => void;
}

export class Backpressure {
  readonly #options: BackpressureOptions;
  #stoppedAtMs: number | undefined;

  constructor(options: BackpressureOptions) {
    this.#options = options;
  }

  /** How long nothing has been read, in milliseconds. 0: it is. */
  blockedMs(): number {
    return this.#stoppedAtMs === undefined ? 0 : this.#options.clock.now() - this.#stoppedAtMs;
  }

  isFull(unreadCount: number): boolean {
    return unreadCount >= this.#options.bufferSize;
  }

  stop(): void {
    if (this.#stoppedAtMs !== undefined) return;
    this.#stoppedAtMs = this.#options.clock.now();
    this.#options.stopped();
  }

  /** The reader took an event, and so many are left. Called for each. */
  readerTook(unreadCount: number): void {
    if (this.#stoppedAtMs !== undefined && unreadCount <= this.#options.bufferSize / 2) this.resume();
  }

  /** Nobody is waited for any more. */
  resume(): void {
    if (this.#stoppedAtMs === undefined) return;
    this.#stoppedAtMs = undefined;
    this.#options.resumed();
  }
}
