/**
 * Where the time of one turn goes: its stages, measured once for the spans, the histogram, the result and the view of
 * the pool.
 *
 * The stages tile the call: each begins where the one before it ended, so no time is between two of them. What happens
 * within the turn itself (first event, first text) is a milestone, measured from the turn's beginning.
 */
import type { Clock } from "../clock.ts";
import type { RunnerReason } from "../runner-error.ts";
import type { spanNames } from "../telemetry/instruments.ts";

/** The stages that follow each other, from the call's arrival to its end. */
export type StageName = keyof typeof spanNames &
  (
    | "check"
    | "sessionWait"
    | "queueWait"
    | "claim"
    | "bind"
    | "configure"
    | "seedHistory"
    | "stdinWrite"
    | "turn"
    | "reply"
  );
/** What is measured within the turn, from its beginning. */
export type MilestoneName = keyof typeof spanNames & ("firstEvent" | "firstText");

/** In milliseconds, once they are over. What happened twice, on two workers, is counted together. */
export type StageTimes = Partial<Record<StageName | MilestoneName | "arrivalToFirstText" | "total", number>>;

/** A stage or a milestone that is over. Moments are on the clock's `now()`. */
export interface Measured<N extends StageName | MilestoneName> {
  readonly name: N;
  readonly sinceMs: number;
  readonly atMs: number;
}

/** What is told of the stages while they pass. */
export interface StageListener {
  stageEntered(name: StageName, sinceMs: number): void;
  /** `failure`: why it did not come to its end. */
  stageLeft(stage: Measured<StageName>, failure: RunnerReason | undefined): void;
  milestoneReached(milestone: Measured<MilestoneName>): void;
}

export class StageClock {
  /** Grows while the turn runs. */
  readonly times: StageTimes = {};
  readonly #clock: Clock;
  readonly #arrivedAtMs: number;
  readonly #listener: StageListener;
  /** Where the next stage begins. */
  #reachedMs: number;
  #stage: { readonly name: StageName; readonly sinceMs: number } | undefined;
  /** Where the milestones that are still to come are measured from. */
  #firstEventSinceMs: number | undefined;
  #firstTextSinceMs: number | undefined;

  /** `arrivedAtMs`: when the call came; `startedMs`: when its first stage began. */
  constructor(clock: Clock, at: { readonly arrivedAtMs: number; readonly startedMs: number }, listener: StageListener) {
    this.#clock = clock;
    this.#arrivedAtMs = at.arrivedAtMs;
    this.#reachedMs = at.startedMs;
    this.#listener = listener;
  }

  /** Ends the stage before and begins another. */
  enter(name: StageName): void {
    this.#leave(this.#clock.now());
    this.#stage = { name, sinceMs: this.#reachedMs };
    this.#listener.stageEntered(name, this.#reachedMs);
  }

  /** The wait for a worker is over: it took so long, and what came after it is the claim. */
  claimed(queueWaitMs: number): void {
    this.#leave(Math.min(this.#clock.now(), this.#reachedMs + queueWaitMs));
    this.enter("claim");
  }

  /** The stage that is open did not come to its end. */
  fail(reason: RunnerReason): void {
    this.#leave(this.#clock.now(), reason);
  }

  /** The prompt line is with the worker. */
  written(): void {
    this.enter("turn");
    this.#firstEventSinceMs = this.#reachedMs;
    this.#firstTextSinceMs = this.#reachedMs;
  }

  /** An event is on its way to its reader. Asked for every one: after the first text it has nothing to do. */
  saw(isText: boolean): void {
    if (this.#firstEventSinceMs !== undefined) {
      const sinceMs = this.#firstEventSinceMs;
      this.#firstEventSinceMs = undefined;
      this.#reach("firstEvent", sinceMs);
    }
    if (!isText || this.#firstTextSinceMs === undefined) return;
    const sinceMs = this.#firstTextSinceMs;
    this.#firstTextSinceMs = undefined;
    this.times.arrivalToFirstText = this.#clock.now() - this.#arrivedAtMs;
    this.#reach("firstText", sinceMs);
  }

  /** The last event is with its reader: what is measured up to it is complete. The first call counts. */
  finish(failure?: RunnerReason): void {
    if (this.times.total !== undefined) return;
    const nowMs = this.#clock.now();
    // What had not happened by now did not happen.
    this.#firstEventSinceMs = undefined;
    this.#firstTextSinceMs = undefined;
    this.#leave(nowMs, failure);
    this.times.total = nowMs - this.#arrivedAtMs;
  }

  /**
   * The reader is done, also with the status. A turn whose reader has gone goes on with the stage that is open, and there was
   * no reply. Returns the moment.
   */
  replied(): number {
    if (this.times.total === undefined) return this.#clock.now();
    this.enter("reply");
    this.#leave(this.#clock.now());
    return this.#reachedMs;
  }

  /** Ends the stage that is open, if one is. */
  #leave(atMs: number, failure?: RunnerReason): void {
    const stage = this.#stage;
    if (stage === undefined) return;
    this.#stage = undefined;
    this.#reachedMs = atMs;
    this.#book(stage.name, atMs - stage.sinceMs);
    this.#listener.stageLeft({ ...stage, atMs }, failure);
  }

  #reach(name: MilestoneName, sinceMs: number): void {
    const atMs = this.#clock.now();
    this.#book(name, atMs - sinceMs);
    this.#listener.milestoneReached({ name, sinceMs, atMs });
  }

  #book(name: StageName | MilestoneName, tookMs: number): void {
    this.times[name] = (this.times[name] ?? 0) + tookMs;
  }
}
