/**
 * Reads the pool when metrics are collected: workers by state, the queue, turns in flight.
 */
import type { Observable, ObservableCallback } from "@opentelemetry/api";
import { attributeNames, instruments } from "./instruments.ts";

/** What is read; the pool's snapshot fits. */
export interface ObservedPool {
  snapshot(): {
    readonly profiles: readonly {
      readonly profile: string;
      readonly workers: object;
      readonly waitingCount: number;
    }[];
  };
}

/** Begins to observe; the returned function ends it. */
export function observePool(pool: ObservedPool, inFlight: { readonly count: number }): () => void {
  const { workers, queueLength, turnsInFlight } = instruments();
  const observed: [Observable, ObservableCallback][] = [
    [
      workers,
      (result) => {
        for (const { profile, workers: byState } of pool.snapshot().profiles) {
          for (const [state, count] of Object.entries(byState) as [string, number][]) {
            result.observe(count, { [attributeNames.profile]: profile, [attributeNames.workerState]: state });
          }
        }
      },
    ],
    [
      queueLength,
      (result) => {
        for (const { profile, waitingCount } of pool.snapshot().profiles)
          result.observe(waitingCount, { [attributeNames.profile]: profile });
      },
    ],
    [turnsInFlight, (result) => result.observe(inFlight.count)],
  ];
  for (const [gauge, read] of observed) gauge.addCallback(read);
  return () => {
    for (const [gauge, read] of observed) gauge.removeCallback(read);
  };
}
