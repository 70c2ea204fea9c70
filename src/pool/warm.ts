/**
 * Whether a pool is warm: what a server waits for that takes the ports over from one that is.
 */
import type { Clock } from "../clock.ts";
import type { PoolSnapshot } from "./snapshot.ts";

/** What is looked at, and how it says that there is something new to see. */
export interface WarmingPool {
  snapshot(): PoolSnapshot;
  onActivity(listener: () => void): () => void;
}

/** Every profile has its spares, but for those whose starts are known to fail; and turns can be served. */
export function isWarm({ isServing, profiles }: Pick<PoolSnapshot, "isServing" | "profiles">): boolean {
  return (
    isServing && profiles.every(({ workers, minSpares, starts }) => starts !== "normal" || workers.spare >= minSpares)
  );
}

/** Waits until the pool is warm, or the time is over. Returns whether turns can be served. */
export async function untilWarm(
  pool: WarmingPool,
  {
    timeoutMs,
    clock,
    signal,
  }: { readonly timeoutMs: number; readonly clock: Clock; readonly signal?: AbortSignal | undefined },
): Promise<boolean> {
  const over = Promise.withResolvers<void>();
  const look = () => {
    if (isWarm(pool.snapshot())) over.resolve();
  };
  const unsubscribe = pool.onActivity(look);
  const cancelTimer = clock.after(timeoutMs, over.resolve);
  const onAbort = () => over.reject(signal?.reason);
  signal?.addEventListener("abort", onAbort);
  try {
    signal?.throwIfAborted();
    look();
    await over.promise;
    return pool.snapshot().isServing;
  } finally {
    unsubscribe();
    cancelTimer();
    signal?.removeEventListener("abort", onAbort);
  }
}
