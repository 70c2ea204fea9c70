/**
 * The time that a proof may take: a proof that never ends proves nothing.
 */
import type { Bench } from "./scenario.ts";

/** Runs a proof whose bench aborts when its time is over, by itself or as `--seconds` says. */
export async function withinLimit<T>(
  bench: Bench,
  limitSeconds: number,
  run: (limited: Bench) => Promise<T>,
): Promise<T> {
  const seconds = bench.seconds ?? limitSeconds;
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(new Error(`the proof took longer than ${seconds} s`)), seconds * 1_000);
  try {
    const result = await run({ ...bench, signal: AbortSignal.any([bench.signal, over.signal]) });
    over.signal.throwIfAborted();
    return result;
  } catch (error) {
    over.signal.throwIfAborted(); // whatever broke off because of it
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
