/**
 * Who is told about a turn beside its reader, and of what: the spans, the metrics, the log, the view of the pool, the
 * joiner of Claude Code's own spans. Books that are kept over turns are observers as well.
 *
 * Observers are told in the order in which they are listed. They must not throw, and must not wait: whoever has work that
 * takes time keeps it for itself. Moments are on the clock's `now()`.
 */
import type { Claim } from "../pool/claim.ts";
import type { RunnerReason } from "../runner-error.ts";
import type { Turn } from "../turn.ts";
import type { TurnEnd } from "../turn-end.ts";
import type { TurnEvent } from "../turn-event.ts";
import type { Measured, MilestoneName, StageListener, StageName, StageTimes } from "./stages.ts";

/** What is known of a turn that is over for its worker and for its reader. */
export interface ClosedTurn {
  /** Absent when no worker got the prompt. */
  readonly end: TurnEnd | undefined;
  /** What it failed with. Absent when it came to its end. */
  readonly error: unknown;
  /** The same as a reason. */
  readonly reason: RunnerReason | undefined;
}

/** Everything is optional: what an observer leaves out it is not asked. */
export interface TurnObserver extends Partial<StageListener> {
  /** The kinds of events that it is shown. Absent: none. Most events are pieces of text, and nobody here wants those. */
  readonly wants?: ReadonlySet<TurnEvent["kind"]>;
  /** The turn is there. `times` grows while it runs, and is not to be changed. */
  began?(times: Readonly<StageTimes>): void;
  /** It has waited for its session, and what was said there before it is known now. Not for other turns. */
  admitted?(turn: Turn): void;
  /** It has a worker. One that dies before it has the prompt is followed by another. */
  claimed?(claim: Claim, atMs: number): void;
  /** That the worker died before it had the prompt; another one takes the turn. */
  takenOver?(workerId: string, error: Error): void;
  /** An event of a kind that it wants is on its way to the reader. */
  saw?(event: TurnEvent, atMs: number): void;
  /**
   * The worker is done with the turn: its outcome, usage and cost are final. Comes as soon as that is known, whether or
   * not anybody reads, so this is where they are booked. Not for a turn that no worker had.
   */
  finished?(end: TurnEnd): void;
  /** The reader is done with the turn, also with its status; perhaps before the worker is. */
  replied?(atMs: number): void;
  /** Both sides are over, and the times are complete. Last of all, once. */
  closed?(turn: ClosedTurn): void;
}

/** Several observers as one that is asked for everything. */
export class Observers implements StageListener {
  readonly #all: readonly TurnObserver[];
  /** Who is shown a kind of event; most kinds have nobody. */
  readonly #seers = new Map<TurnEvent["kind"], TurnObserver[]>();

  constructor(observers: readonly TurnObserver[]) {
    this.#all = observers;
    for (const observer of observers) {
      for (const kind of observer.wants ?? []) {
        const seers = this.#seers.get(kind);
        if (seers === undefined) this.#seers.set(kind, [observer]);
        else seers.push(observer);
      }
    }
  }

  began(times: Readonly<StageTimes>): void {
    for (const observer of this.#all) observer.began?.(times);
  }

  stageEntered(name: StageName, sinceMs: number): void {
    for (const observer of this.#all) observer.stageEntered?.(name, sinceMs);
  }

  stageLeft(stage: Measured<StageName>, failure: RunnerReason | undefined): void {
    for (const observer of this.#all) observer.stageLeft?.(stage, failure);
  }

  milestoneReached(milestone: Measured<MilestoneName>): void {
    for (const observer of this.#all) observer.milestoneReached?.(milestone);
  }

  admitted(turn: Turn): void {
    for (const observer of this.#all) observer.admitted?.(turn);
  }

  claimed(claim: Claim, atMs: number): void {
    for (const observer of this.#all) observer.claimed?.(claim, atMs);
  }

  takenOver(workerId: string, error: Error): void {
    for (const observer of this.#all) observer.takenOver?.(workerId, error);
  }

  /** Whether anybody wants events of this kind. */
  wants(kind: TurnEvent["kind"]): boolean {
    return this.#seers.has(kind);
  }

  saw(event: TurnEvent, atMs: number): void {
    for (const observer of this.#seers.get(event.kind) ?? []) observer.saw?.(event, atMs);
  }

  finished(end: TurnEnd): void {
    for (const observer of this.#all) observer.finished?.(end);
  }

  replied(atMs: number): void {
    for (const observer of this.#all) observer.replied?.(atMs);
  }

  closed(turn: ClosedTurn): void {
    for (const observer of this.#all) observer.closed?.(turn);
  }
}
