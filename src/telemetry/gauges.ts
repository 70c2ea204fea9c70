/**
 * What is read when metrics are collected: the pool, the turns in flight, memory.
 */
import type { Observable, ObservableCallback } from "@opentelemetry/api";
import { attributeNames, instruments } from "./instruments.ts";
import { label } from "./label.ts";

/** What is read; the pool's snapshot fits. */
export interface ObservedPool {
  snapshot(): {
    readonly memoryBytes: number;
    readonly profiles: readonly {
      readonly profile: string;
      readonly isReady: boolean;
      readonly workers: object;
      readonly waitingCount: number;
    }[];
  };
}

/** Begins to observe; the returned function ends it. */
export function observePool(
  pool: ObservedPool,
  inFlight: { readonly count: number },
  memoryBudgetBytes: number,
): () => void {
  const { workers, queueLength, turnsInFlight, ready, workerMemory, workerMemoryLimit, serverMemory } = instruments();
  const ofProfile = (profile: string) => ({ [attributeNames.profile]: profile });
  const observed: [Observable, ObservableCallback][] = [
    [
      workers,
      (result) => {
        for (const { profile, workers: byState } of pool.snapshot().profiles) {
          for (const [state, count] of Object.entries(byState) as [string, number][]) {
            result.observe(count, { ...ofProfile(profile), [attributeNames.workerState]: label(state) });
          }
        }
      },
    ],
    [
      queueLength,
      (result) => {
        for (const { profile, waitingCount } of pool.snapshot().profiles)
          result.observe(waitingCount, ofProfile(profile));
      },
    ],
    [
      ready,
      (result) => {
        for (const { profile, isReady } of pool.snapshot().profiles)
          result.observe(isReady ? 1 : 0, ofProfile(profile));
      },
    ],
    [turnsInFlight, (result) => result.observe(inFlight.count)],
    [workerMemory, (result) => result.observe(pool.snapshot().memoryBytes)],
    [workerMemoryLimit, (result) => result.observe(memoryBudgetBytes)],
    [serverMemory, (result) => result.observe(process.memoryUsage.rss())],
  ];
  for (const [gauge, read] of observed) gauge.addCallback(read);
  return () => {
    for (const [gauge, read] of observed) gauge.removeCallback(read);
  };
}
