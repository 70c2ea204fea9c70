/**
 * What is read of sessions, turns and their store when metrics are collected.
 */
import type { Observable, ObservableCallback } from "@opentelemetry/api";
import { attributeNames, instruments } from "./instruments.ts";

/** What is read; the parts of a server fit. */
export interface ObservedKept {
  readonly store: {
    readonly kind: string;
    health(): {
      readonly takesTurns: boolean;
      readonly usedBytes: number;
      readonly owedEndCount: number;
      /** `undefined`: not counted yet. */
      readonly census:
        | {
            readonly sessionCount: number;
            readonly runningSessionCount: number;
            readonly suspendedSessionCount: number;
            readonly contentBytes: number;
          }
        | undefined;
    };
  };
  readonly live: {
    readonly eventBytes: number;
    open(): Iterable<{ readonly log: { readonly readerCount: number } }>;
  };
  readonly readers: { readonly count: number };
  readonly maxContentBytes: number;
}

/** Begins to observe; the returned function ends it. */
export function observeKept({ store, live, readers, maxContentBytes }: ObservedKept): () => void {
  const gauges = instruments();
  const sessionState = (state: string) => ({ [attributeNames.sessionState]: state });
  const observed: [Observable, ObservableCallback][] = [
    [
      gauges.sessions,
      (result) => {
        const { census } = store.health();
        if (census === undefined) return;
        const { sessionCount, runningSessionCount: running, suspendedSessionCount: suspended } = census;
        result.observe(running, sessionState("running"));
        result.observe(suspended, sessionState("suspended"));
        result.observe(sessionCount - running - suspended, sessionState("idle"));
      },
    ],
    [
      gauges.turnsUnread,
      (result) => {
        let count = 0;
        for (const { log } of live.open()) if (log.readerCount === 0) count += 1;
        result.observe(count);
      },
    ],
    [gauges.turnReaders, (result) => result.observe(readers.count)],
    [gauges.turnEventMemory, (result) => result.observe(live.eventBytes)],
    [
      gauges.storeReady,
      (result) => result.observe(store.health().takesTurns ? 1 : 0, { [attributeNames.storeKind]: store.kind }),
    ],
    [gauges.storeSize, (result) => result.observe(store.health().usedBytes)],
    [
      gauges.storeContent,
      (result) => {
        const { census } = store.health();
        if (census !== undefined) result.observe(census.contentBytes);
      },
    ],
    [gauges.storeContentLimit, (result) => result.observe(maxContentBytes)],
    [gauges.storeOwedEnds, (result) => result.observe(store.health().owedEndCount)],
  ];
  for (const [gauge, read] of observed) gauge.addCallback(read);
  return () => {
    for (const [gauge, read] of observed) gauge.removeCallback(read);
  };
}
