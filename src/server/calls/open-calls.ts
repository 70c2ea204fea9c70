/**
 * The calls that are being answered, on both ports: counted for the drain, and ended together when it is over.
 *
 * Leaves out why a call ends by itself; that is its adapter's business.
 */
import type { ConnectError } from "@connectrpc/connect";

export interface OpenCall {
  /** Health watches and reflection never end by themselves: nobody waits for them. */
  readonly isEndedAtDrain: boolean;
  /** Aborts the call's signal, once. */
  readonly end: (reason: ConnectError) => void;
}

export class OpenCalls {
  readonly #turns = new Set<OpenCall>();
  readonly #endless = new Set<OpenCall>();
  readonly #waiting = new Set<() => void>();
  #drainReason: ConnectError | undefined;

  /** The calls that a drain waits for. */
  get count(): number {
    return this.#turns.size;
  }

  /** Adds a call; the returned function takes it out again, once it is answered and its bytes have left. */
  add(call: OpenCall): () => void {
    const set = call.isEndedAtDrain ? this.#endless : this.#turns;
    set.add(call);
    if (call.isEndedAtDrain && this.#drainReason !== undefined) call.end(this.#drainReason);
    return () => {
      set.delete(call);
      if (this.#turns.size === 0) for (const wake of this.#waiting) wake();
    };
  }

  /** Ends what never ends by itself, now and from now on. */
  endEndless(reason: ConnectError): void {
    this.#drainReason ??= reason;
    for (const call of this.#endless) call.end(reason);
  }

  /** Ends every call. */
  endAll(reason: ConnectError): void {
    this.endEndless(reason);
    for (const call of this.#turns) call.end(reason);
  }

  /** Resolves when there is no call left that a drain waits for, or when the signal aborts. */
  async none(signal: AbortSignal): Promise<void> {
    while (this.#turns.size > 0 && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#waiting.delete(wake);
          signal.removeEventListener("abort", wake);
          resolve();
        };
        this.#waiting.add(wake);
        signal.addEventListener("abort", wake);
      });
    }
  }
}
