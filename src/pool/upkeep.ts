/**
 * What is done for idle workers while nothing happens: asking them for a sign of life, measuring them, having those forget
 * their conversation that have kept it long enough, and ending those that have done their share, have been idle too long,
 * or for which there is no memory.
 */
import type { CancelTimer, Clock } from "../clock.ts";
import type { Settings } from "../config/settings.ts";
import type { ProfilePool } from "./profile-pool.ts";
import { idleTooLong, wornOut } from "./recycling.ts";
import { hasKeptTooLong } from "./reset-timing.ts";
import type { Worker } from "./worker.ts";

/** A worker of this age proves that spares do not die at once. */
const provenAgeMs = 10_000;

export interface UpkeepOptions {
  readonly clock: Clock;
  readonly settings: Settings["pool"];
  readonly profiles: readonly ProfilePool[];
  /** What the living workers use beyond the limit of memory. */
  readonly excessBytes: () => number;
  /** The idle workers that end for it, in that order. */
  readonly evictedFirst: () => readonly Worker[];
  /** Makes an idle worker forget the conversation that it has kept. */
  readonly reset: (worker: Worker) => void;
  /** Called after each round, and after each worker that was checked. */
  readonly done: () => void;
}

export class Upkeep {
  readonly #options: UpkeepOptions;
  /** Profiles of which a worker is being checked. */
  readonly #checking = new Set<ProfilePool>();
  readonly #timers = new Set<CancelTimer>();
  #isMeasuring = false;
  #isRunning = false;

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    const { settings, profiles } = this.#options;
    // A worker that answered is taken at its word for checkIdleAfterMs; asking at half of it, four times as often as
    // that, leaves claims nothing to ask.
    this.#every(settings.checkIdleAfterMs / 4, () => {
      for (const profile of profiles) void this.#check(profile);
    });
    this.#every(settings.sampleIntervalMs, () => {
      for (const profile of profiles) this.#forget(profile);
      void this.#measure();
    });
  }

  stop(): void {
    this.#isRunning = false;
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
  }

  /** One worker of a profile at a time, so that the others can be claimed meanwhile. */
  async #check(profile: ProfilePool): Promise<void> {
    if (this.#checking.has(profile)) return;
    this.#checking.add(profile);
    const { clock, settings, done } = this.#options;
    const dueMs = clock.now() - settings.checkIdleAfterMs / 2;
    for (const worker of [...profile.workers]) {
      if (!this.#isRunning) break;
      const { state } = worker;
      if ((state.kind !== "spare" && state.kind !== "boundIdle") || state.verifiedAtMs > dueMs) continue;
      await worker.check(settings.checkTimeoutMs);
      done();
    }
    this.#checking.delete(profile);
  }

  #forget(profile: ProfilePool): void {
    const { clock, reset } = this.#options;
    for (const worker of profile.workers) {
      if (worker.dedication !== undefined) continue; // It holds the conversation of a transcript, and is ended for it.
      if (hasKeptTooLong(worker.state, profile.profile, clock.now())) reset(worker);
    }
  }

  async #measure(): Promise<void> {
    if (this.#isMeasuring) return;
    this.#isMeasuring = true;
    const { profiles, done } = this.#options;
    await Promise.all(profiles.flatMap(({ workers }) => [...workers].map((worker) => worker.sample())));
    this.#isMeasuring = false;
    if (!this.#isRunning) return;
    for (const profile of profiles) this.#recycle(profile);
    this.#evictForMemory();
    done();
  }

  #recycle(profile: ProfilePool): void {
    const { clock, settings } = this.#options;
    const now = clock.now();
    let surplus = profile.counts().spare - profile.profile.minSpares;
    for (const worker of profile.workers) {
      const { kind } = worker.state;
      if (kind !== "starting" && now - worker.startedAtMs >= provenAgeMs) profile.sparePace.proved(worker.startedAtMs);
      if (kind !== "spare" && kind !== "boundIdle") continue;
      const why =
        wornOut(worker, settings, now) ?? idleTooLong(worker, { ...settings, ...profile.profile }, now, surplus > 0);
      if (why === undefined) continue;
      if (kind === "spare") surplus--;
      worker.stop(why);
    }
  }

  #evictForMemory(): void {
    const { excessBytes, evictedFirst } = this.#options;
    for (const worker of evictedFirst()) {
      if (excessBytes() <= 0) return;
      worker.stop("memory_limit");
    }
  }

  /** Repeats, until `stop`. */
  #every(intervalMs: number, act: () => void): void {
    const set = () => {
      const cancel = this.#options.clock.after(intervalMs, () => {
        this.#timers.delete(cancel);
        set();
        act();
      });
      this.#timers.add(cancel);
    };
    set();
  }
}
