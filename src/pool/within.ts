/**
 * A bound on how long something may take.
 *
 * It bounds the waiting, not the work: what comes late is the caller's to clean up.
 */
import type { Clock } from "../clock.ts";

/** Settles like `work`, or rejects with what `late` makes once `limitMs` have passed. Leaves no timer behind. */
export function within<T>(clock: Clock, limitMs: number, work: Promise<T>, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(limitMs, () => reject(late()));
    work.then(resolve, reject).finally(cancel);
  });
}
