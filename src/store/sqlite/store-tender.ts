/**
 * What a store does by the clock: beats, looks for servers that have died, pays what it owes, cleans up.
 */
import type { CancelTimer, Clock } from "../../clock.ts";
import type { StoreCensus, StoreLog } from "../store.ts";
import type { OwedEnds } from "./owed-ends.ts";
import type { StoreLink } from "./store-link.ts";

export interface StoreTenderOptions {
  readonly link: StoreLink;
  readonly owed: OwedEnds;
  readonly clock: Clock;
  readonly log: StoreLog;
  readonly hasFile: boolean;
}

/** Deleted words are out of the WAL after two of these at most. */
export const tendIntervalMs = 10_000;
/** A slice after a slice that has found much. */
const nextSliceMs = 200;

export class StoreTender {
  readonly #options: StoreTenderOptions;
  readonly #cancelTimers = new Map<"tend" | "prune", CancelTimer>();
  #problem: string | undefined;
  #census: StoreCensus | undefined;
  #isStopped = false;

  constructor(options: StoreTenderOptions) {
    this.#options = options;
    this.#later("prune", tendIntervalMs);
    if (options.hasFile) this.#later("tend", tendIntervalMs);
  }

  /** As it was counted last. */
  get census(): StoreCensus | undefined {
    return this.#census;
  }

  stop(): void {
    this.#isStopped = true;
    for (const cancel of this.#cancelTimers.values()) cancel();
  }

  #later(what: "tend" | "prune", afterMs: number): void {
    if (this.#isStopped) return;
    this.#cancelTimers.set(
      what,
      this.#options.clock.after(afterMs, () => void (what === "tend" ? this.#tend() : this.#prune())),
    );
  }

  async #tend(): Promise<void> {
    const { link, owed, log } = this.#options;
    try {
      const recovered = await link.tend();
      if (recovered.ownerIds.length > 0) {
        log.warn({ ...recovered }, "a server that shared the store has died; the turns that it left open have ended");
      }
      await owed.pay();
    } catch (error) {
      log.error({ err: error }, "the store could not be looked after");
    }
    this.#report();
    this.#later("tend", tendIntervalMs);
  }

  async #prune(): Promise<void> {
    let hasMore = false;
    try {
      const { link } = this.#options;
      hasMore = (await link.run("prune", undefined, { urgency: "soon" })).output;
      if (!hasMore) this.#census = (await link.run("census", undefined, { urgency: "soon" })).output;
    } catch {
      // The state of the store says why, and the next look repeats it.
    }
    this.#later("prune", hasMore ? nextSliceMs : tendIntervalMs);
  }

  /** A line when something is wrong, and one when it is right again. */
  #report(): void {
    const { link, log, owed } = this.#options;
    const { problem } = link;
    if (problem === this.#problem) return;
    this.#problem = problem;
    if (problem === undefined) log.info({}, "the store works again");
    else log.error({ owedEndCount: owed.count }, problem);
  }
}
