/**
 * How every store behaves, whatever it is made of. A test has a tenant of its own, so that one store serves all.
 */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe } from "vitest";
import type { Store } from "../../src/store/store.ts";
import { defaultStoreLimits, type StoreLimits } from "../../src/store/store-limits.ts";
import { boundsContract } from "./contract-bounds.ts";
import { copiesContract } from "./contract-copies.ts";
import { sessionsContract } from "./contract-sessions.ts";
import { turnsContract } from "./contract-turns.ts";
import { bytesOf } from "./samples.ts";
import { SettableClock } from "./settable-clock.ts";

export interface ContractStore {
  readonly store: Store;
  readonly close: () => Promise<void>;
}

export type OpenForContract = (clock: SettableClock, limits: StoreLimits) => Promise<ContractStore>;

/** What the parts of the contract are about. */
export interface Subject {
  /** There from `beforeAll` on. */
  readonly store: Store;
  readonly clock: SettableClock;
  newTenant(): string;
  /** A request of a name, always with the same content. */
  request(id: string): { readonly id: string; readonly digest: Uint8Array };
  /** Lets what has had its time go: slices follow one another by the clock. */
  prune(): Promise<void>;
}

/** Small, so that tests reach them. */
const limits: StoreLimits = {
  retention: defaultStoreLimits.retention,
  caps: {
    maxBytes: 100_000_000,
    maxBytesPerTenant: 20_000,
    maxSessionsPerTenant: 12,
    maxRequestIdsPerTenant: 4,
    maxTurnsPerTenant: 30,
  },
};

export function storeContract(name: string, open: OpenForContract): void {
  describe(`a store: ${name}`, () => {
    const clock = new SettableClock();
    const digest = bytesOf("d".repeat(32));
    let opened: ContractStore;
    let tenantCount = 0;
    const subject: Subject = {
      get store() {
        return opened.store;
      },
      clock,
      newTenant: () => `tenant-${tenantCount++}`,
      request: (id) => ({ id, digest }),
      async prune() {
        for (let round = 0; round < 5; round += 1) {
          await clock.advance(10_000);
          await opened.store.turn("nobody", randomUUID());
        }
      },
    };
    beforeAll(async () => {
      opened = await open(clock, limits);
    });
    afterAll(() => opened.close());

    turnsContract(subject);
    sessionsContract(subject);
    copiesContract(subject);
    boundsContract(subject);
  });
}
