/**
 * Time as an interface, so that tests own it.
 *
 * Leaves out calendars and formats: a moment is a number of milliseconds, from an arbitrary start that never jumps.
 */

/** Ends a timer. Ending one twice, or one that has fired, does nothing. */
export type CancelTimer = () => void;

export interface Clock {
  /** Monotonic milliseconds, with fractions. For durations and deadlines; never jumps with the wall clock. */
  now(): number;
  /** Milliseconds since 1970. For timestamps that people read. */
  wallNow(): number;
  /** Calls `fire` once, `afterMs` from now. The timer does not keep the process alive. */
  after(afterMs: number, fire: () => void): CancelTimer;
}

/** The machine's own time. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  after(afterMs, fire) {
    // setTimeout turns anything above 2^31-1 into 1 ms.
    const timer = setTimeout(fire, Math.min(Math.max(0, afterMs), 2_147_483_647)).unref();
    return () => clearTimeout(timer);
  },
};

/**
 * Settles like `work`, or rejects with what `late` makes once `limitMs` have passed. Bounds the waiting, not the work:
 * what comes late is the caller's to clean up. Leaves no timer behind.
 */
export function within<T>(clock: Clock, limitMs: number, work: Promise<T>, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(limitMs, () => reject(late()));
    work.then(resolve, reject).finally(cancel);
  });
}

/** Calls `fire` again and again, `everyMs` apart, until it is disposed of. */
export function every(clock: Clock, everyMs: number, fire: () => void): Disposable {
  let cancel = () => {};
  const tick = () => {
    cancel = clock.after(everyMs, tick);
    fire();
  };
  cancel = clock.after(everyMs, tick);
  return { [Symbol.dispose]: () => cancel() };
}

/**
 * Waits. Rejects with the signal's reason when it aborts first.
 */
export function sleep(clock: Clock, forMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.after(forMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
