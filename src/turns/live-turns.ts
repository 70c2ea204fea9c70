/**
 * The turns that are in memory: those that wait or run, and those that ended lately, whose events can still be read.
 *
 * Bounded: ended turns are forgotten when their time is over, and before that when all events together are too many, the
 * one that ended first before others, or when there are too many turns, the first of the tenant that has most. The store
 * still knows them. A turn that runs is never forgotten.
 */
import type { CancelTimer, Clock } from "../clock.ts";
import type { RunnerError } from "../runner-error.ts";
import type { LiveEnd, LiveTurn } from "./live-turn.ts";
import { type LogLimits, logLimits, TurnLog } from "./log/turn-log.ts";

export interface LiveTurnsLimits {
  /** How long an ended turn can be read, in milliseconds. */
  readonly retentionMs: number;
  /** The events of all turns together, and the answers of those that ended, in bytes. */
  readonly maxEventBytes: number;
  /** Ended turns that are in memory. */
  readonly maxEndedCount: number;
  readonly log?: LogLimits;
}

interface Ended<Result> {
  readonly live: LiveTurn<Result>;
  readonly untilMs: number;
  /** What it takes beside its events. */
  readonly bytes: number;
}

/** What an ended turn takes beside its events and its answer, about, in bytes. */
const turnBytes = 2 * 1024;

export class LiveTurns<Result> {
  readonly #clock: Clock;
  readonly #limits: LiveTurnsLimits;
  readonly #turns = new Map<string, LiveTurn<Result>>();
  /** The one that ended first is first. */
  readonly #ended = new Map<string, Ended<Result>>();
  /** Their ids by tenant, in the same order. */
  readonly #endedOf = new Map<string, Set<string>>();
  #eventBytes = 0;
  #cancelTimer: CancelTimer | undefined;

  constructor(clock: Clock, limits: LiveTurnsLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** A log for a turn; its size counts from now on. */
  newLog(): TurnLog<LiveEnd<Result>> {
    return new TurnLog(this.#limits.log ?? logLimits, (byBytes) => {
      this.#eventBytes += byBytes;
      if (byBytes > 0) this.#makeRoom();
    });
  }

  /** Keeps a turn from now on, until a while after its end. */
  add(live: LiveTurn<Result>): void {
    const { id } = live.turn;
    this.#turns.set(id, live);
    void live.over.then(() => {
      if (this.#turns.get(id) !== live) return; // forgotten meanwhile
      const bytes = turnBytes + textBytesOf(live.log.end?.value);
      this.#ended.set(id, { live, bytes, untilMs: this.#clock.now() + this.#limits.retentionMs });
      this.#idsOf(live.turn.tenant).add(id);
      this.#eventBytes += bytes;
      if (this.#ended.size > this.#limits.maxEndedCount) this.#forgetFirstOfMost();
      this.#makeRoom();
      this.#setTimer();
    });
  }

  find(turnId: string): LiveTurn<Result> | undefined {
    return this.#turns.get(turnId);
  }

  /** Forgets a turn at once: its words are to be gone. Readers that are there see a gap and the end. */
  forget(turnId: string): void {
    const live = this.#turns.get(turnId);
    if (live === undefined) return;
    this.#turns.delete(turnId);
    this.#eventBytes -= this.#ended.get(turnId)?.bytes ?? 0;
    this.#ended.delete(turnId);
    const ids = this.#idsOf(live.turn.tenant);
    ids.delete(turnId);
    if (ids.size === 0) this.#endedOf.delete(live.turn.tenant);
    live.log.forgetEvents();
  }

  /** Those that wait or run. */
  *open(): Iterable<LiveTurn<Result>> {
    for (const live of this.#turns.values()) if (live.state !== "ended") yield live;
  }

  /** Settles when none waits or runs. */
  async idle(): Promise<void> {
    for (;;) {
      const open = [...this.open()];
      if (open.length === 0) return;
      await Promise.all(open.map(({ over }) => over));
    }
  }

  /** Ends all that wait or run. */
  stopAll(reason: RunnerError): void {
    for (const live of this.open()) live.stop(reason);
  }

  get count(): number {
    return this.#turns.size;
  }

  /** The memory that all events take, and the answers of turns that ended, in bytes. */
  get eventBytes(): number {
    return this.#eventBytes;
  }

  /** Forgets all that ended, and holds no timer any more. */
  close(): void {
    this.#cancelTimer?.();
    for (const id of [...this.#ended.keys()]) this.forget(id);
  }

  /** Forgets ended turns, the first ones first: what is written down of them is not lost. One that is read stays. */
  #makeRoom(): void {
    if (this.#eventBytes <= this.#limits.maxEventBytes) return;
    for (const [id, { live }] of this.#ended) {
      if (live.log.readerCount > 0) live.log.dropEvents();
      else this.forget(id);
      if (this.#eventBytes <= this.#limits.maxEventBytes) return;
    }
  }

  /** So that a tenant whose turns come and go quickly leaves those of others alone. */
  #forgetFirstOfMost(): void {
    let most: Set<string> = new Set();
    for (const ids of this.#endedOf.values()) if (ids.size > most.size) most = ids;
    for (const id of most) {
      this.forget(id);
      return;
    }
  }

  #idsOf(tenant: string): Set<string> {
    const ids = this.#endedOf.get(tenant) ?? new Set();
    this.#endedOf.set(tenant, ids);
    return ids;
  }

  #setTimer(): void {
    if (this.#cancelTimer !== undefined) return;
    for (const { untilMs } of this.#ended.values()) {
      this.#cancelTimer = this.#clock.after(Math.max(0, untilMs - this.#clock.now()), () => {
        this.#cancelTimer = undefined;
        this.#forgetOld();
        this.#setTimer();
      });
      return;
    }
  }

  #forgetOld(): void {
    const nowMs = this.#clock.now();
    for (const [id, { untilMs }] of this.#ended) {
      if (untilMs > nowMs) return;
      this.forget(id);
    }
  }
}

function textBytesOf(end: LiveEnd<unknown> | undefined): number {
  return end?.kind === "ended" ? Buffer.byteLength(end.text) : 0;
}
