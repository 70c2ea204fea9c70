/**
 * What there is over all profiles: workers by state, memory, and the room that is left for one of them.
 *
 * Counts anew each time it is asked. There are at most some hundred workers, and a count that is kept beside them is one
 * that can be wrong.
 */
import type { Clock } from "../clock.ts";
import type { Settings } from "../config/settings.ts";
import { evictedFirst } from "./eviction.ts";
import type { ProfilePool } from "./profile-pool.ts";
import type { WeightOf } from "./shares.ts";
import { type MemoryUse, memoryRoom, type Sizing } from "./sizing.ts";
import type { Wanting } from "./starts-for.ts";
import type { Worker } from "./worker.ts";
import { isLiving, type WorkerKind } from "./worker-state.ts";

/** What is assumed of a worker that was not measured yet, at least. */
const minWorkerEstimateBytes = 150 * 1024 * 1024;

export class Inventory {
  readonly #clock: Clock;
  readonly #settings: Settings["pool"];
  readonly #profiles: readonly ProfilePool[];
  readonly #weightOf: WeightOf;

  constructor(clock: Clock, settings: Settings["pool"], profiles: readonly ProfilePool[], weightOf: WeightOf) {
    this.#clock = clock;
    this.#settings = settings;
    this.#profiles = profiles;
    this.#weightOf = weightOf;
  }

  workers(): Worker[] {
    return this.#profiles.flatMap(({ workers }) => [...workers]);
  }

  count(kind: WorkerKind): number {
    let count = 0;
    for (const { workers } of this.#profiles) for (const { state } of workers) if (state.kind === kind) count++;
    return count;
  }

  /** All that the sizing rules look at, for a profile with waiting turns for which there is no worker. */
  sizing(profile: ProfilePool, wanting: Wanting): Sizing {
    const counts = profile.counts();
    const startCount = Math.min(
      this.#settings.maxStartingWorkers - this.count("starting"),
      profile.breaker.startsAllowed(this.#clock.now(), counts.starting + counts.startingOwn),
    );
    const memoryCount = memoryRoom(this.memory());
    const others = this.#profiles.filter((other) => other !== profile);
    const memoryCountSoon = memoryCount + this.count("stopping") + evictedFirst(others, { sparesToKeep: 0 }).length;
    return { counts, wanting, room: { startCount: Math.max(0, startCount), memoryCount, memoryCountSoon } };
  }

  /** Idle workers that end when there is not enough memory, in that order. */
  evictedFirst(): Worker[] {
    return evictedFirst(this.#profiles, { weightOf: this.#weightOf });
  }

  /** The idle workers that end for waiting turns of the profile when there is no memory, in that order. */
  evictedForTurnsOf(profile: ProfilePool, { ownCount }: Wanting): Worker[] {
    // A turn that waits is worth more than another profile's last spare, and than its own if that cannot serve it.
    const all = this.#profiles.filter((other) => other !== profile || ownCount > 0);
    return [...new Set([...this.evictedFirst(), ...evictedFirst(all, { sparesToKeep: 0 })])];
  }

  memory(): MemoryUse {
    let workerCount = 0;
    let measuredCount = 0;
    let measuredBytes = 0;
    for (const { state, memoryBytes } of this.workers()) {
      if (state.kind === "exited") continue;
      workerCount++;
      if (memoryBytes === undefined) continue;
      measuredCount++;
      measuredBytes += memoryBytes;
    }
    const estimateBytes = Math.max(minWorkerEstimateBytes, measuredCount === 0 ? 0 : measuredBytes / measuredCount);
    return {
      workerCount,
      usedBytes: measuredBytes + (workerCount - measuredCount) * estimateBytes,
      limitBytes: this.#settings.memoryBudgetBytes,
      estimateBytes,
    };
  }

  /** What the workers use beyond the limit, those that are being ended left out. */
  excessBytes(): number {
    const { usedBytes, limitBytes, estimateBytes } = this.memory();
    const leaving = this.workers().filter(({ state }) => !isLiving(state.kind));
    return leaving.reduce((excess, { memoryBytes }) => excess - (memoryBytes ?? estimateBytes), usedBytes - limitBytes);
  }
}
