/**
 * The bounds of one call: when it is over for the caller, and why.
 *
 * The caller's own deadline, shortened to the server's maximum or taken from its default, applies alike on every
 * listener, since it is set here and not there.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import type { Clock } from "../clock.ts";
import { RunnerError } from "../runner-error.ts";
import type { CallContext } from "./calls.ts";
import { type CallProgress, toConnectError } from "./errors.ts";

export interface CallLimits {
  readonly defaultTimeoutMs: number;
  readonly maxTimeoutMs: number;
}

export class CallScope implements Disposable {
  /** Aborts when the call is over, with a RunnerError that says why. */
  readonly signal: AbortSignal;
  readonly arrivedAtMs: number;
  /** On the clock's `now()`. */
  readonly deadlineMs: number;
  readonly #clock: Clock;
  readonly #call: CallContext;
  readonly #abort = new AbortController();
  readonly #cancelTimer: () => void;
  readonly #onAbort: () => void;

  /** Throws DEADLINE_EXCEEDED when the deadline has passed already. */
  constructor(call: CallContext, clock: Clock, limits: CallLimits) {
    this.#call = call;
    this.#clock = clock;
    this.signal = this.#abort.signal;
    this.arrivedAtMs = clock.now();
    const timeoutMs = Math.min(call.timeoutMs() ?? limits.defaultTimeoutMs, limits.maxTimeoutMs);
    this.deadlineMs = this.arrivedAtMs + timeoutMs;
    this.#onAbort = () => this.#abort.abort(toRunnerError(call.signal.reason));
    if (call.signal.aborted) throw toRunnerError(call.signal.reason);
    if (timeoutMs <= 0) throw deadlineExceeded(0);
    call.signal.addEventListener("abort", this.#onAbort, { once: true });
    this.#cancelTimer = clock.after(timeoutMs, () => this.#abort.abort(deadlineExceeded(timeoutMs)));
  }

  /** Ends the turn as if the caller had: for a caller who does not read. */
  end(reason: RunnerError): void {
    this.#abort.abort(reason);
  }

  /** Ends the call itself, with what it failed with: nothing more is sent. */
  endCall(failure: { readonly error: unknown; readonly progress: CallProgress }): void {
    this.#call.endCall(toConnectError(failure.error, failure.progress));
  }

  /** The same for a call that has begun no turn. */
  endCallWith(error: RunnerError): void {
    this.#call.endCall(toConnectError(error));
  }

  get deadlinePassed(): boolean {
    return this.#clock.now() >= this.deadlineMs;
  }

  [Symbol.dispose](): void {
    this.#cancelTimer();
    this.#call.signal.removeEventListener("abort", this.#onAbort);
  }
}

function deadlineExceeded(timeoutMs: number): RunnerError {
  return new RunnerError("DEADLINE_EXCEEDED", `the call's deadline of ${Math.round(timeoutMs)} ms has passed`, {
    facts: { timeoutMs: Math.round(timeoutMs) },
  });
}

/** Why a listener's signal aborted, in our own words. */
function toRunnerError(reason: unknown): RunnerError {
  if (reason instanceof RunnerError) return reason;
  const code = reason instanceof ConnectError ? reason.code : Code.Canceled;
  switch (code) {
    case Code.DeadlineExceeded:
      return new RunnerError("DEADLINE_EXCEEDED", "the call's deadline has passed");
    case Code.Aborted:
    case Code.Unavailable:
      return new RunnerError("DRAINED", "the server is shutting down");
    default:
      return new RunnerError("CANCELLED", "the caller cancelled");
  }
}
