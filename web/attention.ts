/**
 * Whether somebody looks: a browser opens six connections to a server for all its tabs, so a tab that nobody sees holds none
 * of them. No DOM.
 */

export class Attention {
  #isLooking: boolean;
  readonly #listeners = new Set<(isLooking: boolean) => void>();

  constructor(isLooking: boolean) {
    this.#isLooking = isLooking;
  }

  get isLooking(): boolean {
    return this.#isLooking;
  }

  set(isLooking: boolean): void {
    if (this.#isLooking === isLooking) return;
    this.#isLooking = isLooking;
    for (const listener of [...this.#listeners]) listener(isLooking);
  }

  /** What it returns ends it. */
  onChange(listener: (isLooking: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Until somebody looks, or the signal aborts. */
  untilLooking(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (this.#isLooking || signal.aborted) return resolve();
      const over = () => {
        forget();
        signal.removeEventListener("abort", over);
        resolve();
      };
      const forget = this.onChange(over);
      signal.addEventListener("abort", over, { once: true });
    });
  }
}
