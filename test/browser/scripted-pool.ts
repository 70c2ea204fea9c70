/**
 * A PoolService whose states a test sets: what the page shows of a pool that does what no real one does on demand.
 */
import { clone } from "@bufbuild/protobuf";
import { PoolService, type PoolState, PoolStateSchema } from "../../gen/claude/runner/v1/pool_pb.ts";
import { type ServedService, served } from "../../src/service/calls.ts";

export class ScriptedPool {
  #state: PoolState;
  readonly #wake = new Set<() => void>();
  /** How many watches are open. */
  watcherCount = 0;
  /** What the next watch fails with; it is thrown once. */
  failNext: Error | undefined;

  constructor(state: PoolState) {
    this.#state = state;
  }

  set(state: PoolState): void {
    this.#state = state;
    for (const wake of this.#wake) wake();
  }

  get service(): ServedService {
    return served(
      PoolService,
      {
        getPool: async () => ({ pool: clone(PoolStateSchema, this.#state) }),
        watchPool: (_, { signal }) => this.#watch(signal),
      },
      { isEndedAtDrain: true },
    );
  }

  async *#watch(signal: AbortSignal) {
    if (this.failNext !== undefined) {
      const error = this.failNext;
      this.failNext = undefined;
      throw error;
    }
    this.watcherCount += 1;
    try {
      while (!signal.aborted) {
        const changed = Promise.withResolvers<void>();
        this.#wake.add(changed.resolve);
        signal.addEventListener("abort", () => changed.resolve());
        yield { pool: clone(PoolStateSchema, this.#state) };
        await changed.promise;
        this.#wake.delete(changed.resolve);
      }
      throw signal.reason;
    } finally {
      this.watcherCount -= 1;
    }
  }
}
