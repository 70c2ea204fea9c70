/**
 * One call that a person may cancel and that may have a deadline.
 *
 * The server is told the deadline and keeps it. The page itself waits a little longer, so that the end comes from the
 * server, with its reason; only when nothing comes the page gives up by itself.
 */
import { type CallOptions, Code, ConnectError } from "@connectrpc/connect";

/** How long the server has to say that the deadline has passed, in milliseconds. */
const lastWordsMs = 5_000;

export interface CallSettings {
  /** `undefined`: the server's own. */
  readonly deadlineMs?: number | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

export class Call {
  readonly options: CallOptions;
  readonly #abort = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wasCancelled = false;

  constructor({ deadlineMs, headers = {} }: CallSettings = {}) {
    const all = new Headers(headers);
    if (deadlineMs !== undefined) all.set("connect-timeout-ms", String(Math.round(deadlineMs)));
    this.options = { signal: this.#abort.signal, headers: all };
    if (deadlineMs === undefined) return;
    this.#timer = setTimeout(() => {
      this.#abort.abort(new ConnectError("the deadline passed", Code.DeadlineExceeded));
    }, deadlineMs + lastWordsMs);
  }

  get wasCancelled(): boolean {
    return this.#wasCancelled;
  }

  cancel(): void {
    this.#wasCancelled = true;
    this.#abort.abort();
  }

  /** To be told once the call is over. */
  over(): void {
    clearTimeout(this.#timer);
  }
}
