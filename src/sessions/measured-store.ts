/**
 * A store whose writes are measured. Reads are not: nobody's first text waits for them.
 */
import type { Clock } from "../clock.ts";
import type { Store } from "../store/store.ts";
import { attributeNames, instruments } from "../telemetry/instruments.ts";
import { label } from "../telemetry/label.ts";

/** The methods that write, which are the values of `runner.store.operation`. */
export const measuredWrites = [
  "acceptTurn",
  "takeSession",
  "startTurn",
  "raiseHighestSequence",
  "appendEvents",
  "endTurn",
  "createSession",
  "updateSession",
  "deleteSession",
  "forkSession",
  "appendTranscript",
  "putSessionFile",
] as const satisfies readonly (keyof Store)[];

const isWrite = (name: string | symbol): boolean => (measuredWrites as readonly (string | symbol)[]).includes(name);

export function measuredStore(store: Store, clock: Clock): Store {
  const { storeWriteDuration } = instruments();
  return new Proxy(store, {
    get(target, name) {
      const found: unknown = Reflect.get(target, name, target);
      if (typeof found !== "function") return found;
      if (!isWrite(name)) return found.bind(target);
      const attributes = { [attributeNames.storeOperation]: label(String(name)) };
      return async (...input: unknown[]) => {
        const sinceMs = clock.now();
        try {
          return await (Reflect.apply(found, target, input) as Promise<unknown>);
        } finally {
          storeWriteDuration.record((clock.now() - sinceMs) / 1_000, attributes);
        }
      };
    },
  });
}
