/**
 * One signal that aborts with the first of several, and can be let go of: a client's own signal outlives its calls.
 */
export function firstOf(signals: readonly (AbortSignal | undefined)[]): {
  readonly abort: AbortController;
  readonly unlink: () => void;
} {
  const abort = new AbortController();
  const onAbort = (event: Event) => abort.abort((event.target as AbortSignal).reason);
  const followed = signals.filter((signal) => signal !== undefined);
  for (const signal of followed) {
    if (signal.aborted) abort.abort(signal.reason);
    signal.addEventListener("abort", onAbort);
  }
  return {
    abort,
    unlink: () => {
      for (const signal of followed) signal.removeEventListener("abort", onAbort);
    },
  };
}
