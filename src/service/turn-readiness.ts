/**
 * Whether turns can be served: there are workers, and a turn can be written down.
 */
import { type Clock, every } from "../clock.ts";
import type { Store } from "../store/store.ts";
import type { Readiness } from "./health-service.ts";

export interface ReadinessParts {
  readonly pool: Readiness;
  readonly store: Pick<Store, "health">;
  readonly clock: Clock;
}

/** The store does not say when it changes: those who watch look again after so long, in milliseconds. */
const storeLookMs = 5_000;

export function readinessOf({ pool, store, clock }: ReadinessParts): Readiness {
  return {
    isServing: () => pool.isServing() && store.health().takesTurns,
    onChange(listener) {
      const unsubscribe = pool.onChange(listener);
      const looking = every(clock, storeLookMs, listener);
      return () => {
        unsubscribe();
        looking[Symbol.dispose]();
      };
    },
  };
}
