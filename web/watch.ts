/**
 * A stream that is watched for as long as somebody looks: begun anew when it breaks off, with growing pauses. No DOM.
 */

export interface WatchOptions<T> {
  /** Opens the stream. */
  readonly open: (signal: AbortSignal) => AsyncIterable<T>;
  readonly onState: (state: T) => void;
  /** It broke off; the next try is in so many milliseconds. `undefined`: trying again is no use. */
  readonly onBreak: (error: unknown, nextTryMs: number | undefined) => void;
  /** Whether an error says that another try cannot help. */
  readonly isFinal: (error: unknown) => boolean;
  /** Calls back later; what it returns takes that back. */
  readonly after: (ms: number, run: () => void) => () => void;
}

const firstPauseMs = 500;
const longestPauseMs = 15_000;

export class Watch<T> {
  readonly #options: WatchOptions<T>;
  #abort: AbortController | undefined;
  #pauseMs = firstPauseMs;

  constructor(options: WatchOptions<T>) {
    this.#options = options;
  }

  start(): void {
    if (this.#abort !== undefined) return;
    this.#abort = new AbortController();
    this.#pauseMs = firstPauseMs;
    void this.#follow(this.#abort.signal);
  }

  stop(): void {
    this.#abort?.abort();
    this.#abort = undefined;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { open, onState, onBreak, isFinal, after } = this.#options;
    while (!signal.aborted) {
      let error: unknown;
      try {
        for await (const state of open(signal)) {
          if (signal.aborted) return;
          this.#pauseMs = firstPauseMs;
          onState(state);
        }
        error = new Error("the stream ended");
      } catch (thrown) {
        error = thrown;
      }
      if (signal.aborted) return;
      if (isFinal(error)) {
        onBreak(error, undefined);
        return;
      }
      const pauseMs = this.#pauseMs;
      this.#pauseMs = Math.min(2 * pauseMs, longestPauseMs);
      onBreak(error, pauseMs);
      await new Promise<void>((resolve) => {
        const forget = after(pauseMs, resolve);
        signal.addEventListener("abort", () => {
          forget();
          resolve();
        });
      });
    }
  }
}
