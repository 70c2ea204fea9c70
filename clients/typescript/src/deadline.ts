/**
 * The deadline of something that takes several calls.
 */
import { Code, ConnectError } from "@connectrpc/connect";

/** The longest time that a timer can have. */
const maxTimerMs = 2 ** 31 - 1;

export class Deadline {
  readonly #passed = new AbortController();
  readonly #endsAtMs: number | undefined;
  readonly #timer: ReturnType<typeof setTimeout> | undefined;

  /** `timeoutMs`: from now. `undefined`: there is no deadline. */
  constructor(timeoutMs: number | undefined) {
    if (timeoutMs === undefined) return;
    this.#endsAtMs = performance.now() + timeoutMs;
    const late = () => this.#passed.abort(new ConnectError("the operation timed out", Code.DeadlineExceeded));
    this.#timer = setTimeout(late, Math.min(timeoutMs, maxTimerMs));
  }

  /** Aborted when it has passed. */
  get signal(): AbortSignal {
    return this.#passed.signal;
  }

  /** What is left of it, as options of a call: servers take no fraction, and nothing for no deadline. */
  get callOptions(): { readonly timeoutMs?: number } {
    if (this.#endsAtMs === undefined) return {};
    return { timeoutMs: Math.max(1, Math.ceil(this.#endsAtMs - performance.now())) };
  }

  /** It does not matter any more. */
  clear(): void {
    clearTimeout(this.#timer);
  }
}
