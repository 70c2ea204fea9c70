/**
 * The bound on the bytes of all requests that are being read, on both ports together, and on the time that one may take.
 *
 * A request's bytes count from their arrival until the message is decoded: what happens to it later is the service's
 * business. Without this bound a hundred slow uploads of 32 MiB would be 3 GiB.
 */
import type { CancelTimer, Clock } from "../clock.ts";
import { RunnerError } from "../errors.ts";

export interface RequestBytesOptions {
  /** `calls.maxRequestBytesInFlight`. */
  readonly maxBytes: number;
  /** How long one request may take to arrive, in milliseconds. */
  readonly readTimeoutMs: number;
  readonly clock: Clock;
}

/** One request that is being read. */
export interface RequestReading {
  /** Counts bytes that have arrived. Throws QUEUE_FULL when all requests together are too large. */
  add(byteCount: number): void;
  /** The bytes so far are decoded and no longer held. */
  consumed(): void;
  /** The request has been read, or never will be. Twice is fine. */
  done(): void;
}

export class RequestBytes {
  readonly #options: RequestBytesOptions;
  #bytes = 0;

  constructor(options: RequestBytesOptions) {
    this.#options = options;
  }

  /** The bytes of all requests that are being read. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Begins to read a request. `onTimeout` is called when it takes too long; without it there is no time limit. */
  begin(onTimeout?: (error: RunnerError) => void): RequestReading {
    const { maxBytes, readTimeoutMs, clock } = this.#options;
    let held = 0;
    let isDone = false;
    const cancelTimer: CancelTimer | undefined =
      onTimeout &&
      clock.after(readTimeoutMs, () =>
        onTimeout(
          new RunnerError("DEADLINE_EXCEEDED", `the request did not arrive within ${readTimeoutMs} ms`, {
            facts: { readTimeoutMs },
          }),
        ),
      );
    const consumed = () => {
      this.#bytes -= held;
      held = 0;
    };
    return {
      add: (byteCount) => {
        if (isDone) return;
        held += byteCount;
        this.#bytes += byteCount;
        if (this.#bytes > maxBytes) {
          throw new RunnerError(
            "QUEUE_FULL",
            `the server is reading ${this.#bytes} bytes of requests, limit ${maxBytes}`,
            {
              facts: { requestBytesInFlight: this.#bytes, limitBytes: maxBytes },
            },
          );
        }
      },
      consumed,
      done: () => {
        if (isDone) return;
        isDone = true;
        cancelTimer?.();
        consumed();
      },
    };
  }
}
