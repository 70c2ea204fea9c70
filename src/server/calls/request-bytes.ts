/**
 * The bound on the bytes of all requests that are being read, on both ports together, and on the time that one may take.
 *
 * A request's bytes count from their arrival until the message is decoded: what happens to it later is the service's
 * business. Without this bound a hundred slow uploads of 32 MiB would be 3 GiB. They are shared out: no tenant and no
 * address may hold more than is left free, and requests that need no token have a small total of their own.
 */
import type { CancelTimer, Clock } from "../../clock.ts";
import { RunnerError } from "../../runner-error.ts";
import { type Holder, holdersOf, tooMany } from "./call-places.ts";
import { Share } from "./share.ts";

export interface RequestBytesOptions {
  /** `calls.maxRequestBytesInFlight`. */
  readonly maxBytes: number;
  /** Of requests without a token. */
  readonly maxAnonymousBytes: number;
  /** How long one request may take to arrive, in milliseconds. */
  readonly readTimeoutMs: number;
  readonly clock: Clock;
}

/** One request that is being read. */
export interface RequestReading {
  /** Says whose it is: before the first byte is counted. */
  belongsTo(holder: Holder): void;
  /** Counts bytes that have arrived. Throws when its holder's requests, or all together, are too large. */
  add(byteCount: number): void;
  /** The bytes so far are decoded and no longer held. */
  consumed(): void;
  /** The request has been read, or never will be. Twice is fine. */
  done(): void;
}

export class RequestBytes {
  readonly #options: RequestBytesOptions;
  readonly #known: Share;
  readonly #anonymous: Share;

  constructor(options: RequestBytesOptions) {
    this.#options = options;
    this.#known = new Share(options.maxBytes);
    this.#anonymous = new Share(options.maxAnonymousBytes);
  }

  /** The bytes of all requests that are being read. */
  get bytes(): number {
    return this.#known.used + this.#anonymous.used;
  }

  /** Begins to read a request. `onTimeout` is called when it takes too long; without it there is no time limit. */
  begin(onTimeout?: (error: RunnerError) => void): RequestReading {
    const { readTimeoutMs, clock } = this.#options;
    let share = this.#anonymous;
    let holders: readonly string[] = [];
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
      share.give(holders, held);
      held = 0;
    };
    return {
      belongsTo: (holder) => {
        share = holder.tenant === undefined ? this.#anonymous : this.#known;
        holders = holdersOf(holder);
      },
      add: (byteCount) => {
        if (isDone) return;
        const refusal = share.take(holders, byteCount);
        if (refusal !== undefined) throw tooMany(refusal, "bytes of requests that are being read");
        held += byteCount;
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
