/**
 * Tells a state again and again: at once, after a change, and when nothing has changed for long; never too often, and
 * never but the newest.
 *
 * Nothing is queued. A state is read when there is somebody to take it, so a slow reader misses what was in between and
 * holds nothing but its place here.
 */
import type { Clock } from "../../clock.ts";

export interface WatchOptions<T> {
  readonly clock: Clock;
  /** Ends the watch, which then throws its reason. */
  readonly signal: AbortSignal;
  /** The shortest time between two states, in milliseconds. */
  readonly minIntervalMs: number;
  /** After this time without a change the state is told all the same, in milliseconds. `minIntervalMs` goes before it. */
  readonly heartbeatMs: number;
  /** Calls `changed` whenever what is read may have changed, as often as it likes. Returns how to end that. */
  readonly subscribe: (changed: () => void) => () => void;
  /** The state of now. Its `mark` is the same exactly when nothing worth telling has changed. */
  readonly read: () => { readonly state: T; readonly mark: string };
}

/** Ends only by its signal, its reader, or `read` throwing; takes its subscription and its timer with it. */
export async function* watch<T>(options: WatchOptions<T>): AsyncGenerator<T, never> {
  const { clock, signal, minIntervalMs } = options;
  const heartbeatMs = Math.max(options.heartbeatMs, minIntervalMs);
  let mayHaveChanged = true;
  let wake = () => {};
  let cancelTimer = () => {};
  const unsubscribe = options.subscribe(() => {
    if (mayHaveChanged) return;
    mayHaveChanged = true;
    wake();
  });
  // A generator that is parked at `yield` gets to its `finally` only when somebody asks it to.
  const end = () => {
    unsubscribe();
    cancelTimer();
    wake();
  };
  signal.addEventListener("abort", end, { once: true });
  try {
    let lookAtMs = Number.NEGATIVE_INFINITY;
    let heartbeatAtMs = Number.NEGATIVE_INFINITY;
    let told: string | undefined;
    for (;;) {
      signal.throwIfAborted();
      const nowMs = clock.now();
      const isSilent = nowMs >= heartbeatAtMs;
      if (isSilent || (mayHaveChanged && nowMs >= lookAtMs)) {
        mayHaveChanged = false;
        lookAtMs = nowMs + minIntervalMs;
        const { state, mark } = options.read();
        if (mark === told && !isSilent) continue;
        told = mark;
        heartbeatAtMs = nowMs + heartbeatMs;
        yield state;
        continue;
      }
      const untilMs = mayHaveChanged ? Math.min(lookAtMs, heartbeatAtMs) : heartbeatAtMs;
      await new Promise<void>((resolve) => {
        wake = resolve;
        cancelTimer = clock.after(untilMs - nowMs, resolve);
      });
      cancelTimer();
    }
  } finally {
    signal.removeEventListener("abort", end);
    end();
  }
}
