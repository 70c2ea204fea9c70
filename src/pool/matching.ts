/**
 * Which worker serves which waiting turn of a profile: a pure function of what is there.
 *
 * A turn takes the most recently used bound worker of its affinity; else it waits a moment for one that is just
 * finishing its turn, being reset or checked, one such worker for one such turn; else it takes the youngest spare that is
 * known to answer; else it goes on waiting. How many workers to start for those is decided in `sizing.ts`.
 */
import type { BoundIdleState, SpareState, WorkerState } from "./worker.ts";

export interface TurnView {
  readonly affinity: string;
  readonly arrivedAtMs: number;
}

export interface WorkerView {
  readonly state: WorkerState;
}

export interface MatchingLimits {
  readonly checkIdleAfterMs: number;
  readonly resetWaitMs: number;
  readonly overtakeMs: number;
}

export interface MatchingInput<T extends TurnView, W extends WorkerView> {
  readonly nowMs: number;
  /** In the order in which they are to be served. */
  readonly turns: Iterable<T>;
  readonly workers: Iterable<W>;
  /** How many bound idle workers would have to end, now, so that workers for `unfittedCount` turns can start. */
  readonly placesToFree: (unfittedCount: number) => number;
}

export interface Matching<T extends TurnView, W extends WorkerView> {
  readonly give: readonly { readonly turn: T; readonly worker: W }[];
  /** Idle workers that have to answer before a waiting turn gets them. */
  readonly check: readonly W[];
  /** Bound idle workers that nobody may have, because a turn needs their place. */
  readonly evict: readonly W[];
  /** Turns for which there is no worker, nor one that is just finishing, being reset or checked. */
  readonly unfitted: readonly T[];
  /** When to look again though nothing has happened. */
  readonly lookAgainAtMs: number | undefined;
}

interface Idle<W> {
  readonly worker: W;
  readonly state: SpareState | BoundIdleState;
}

/** A worker that will be idle in a moment. */
interface Coming {
  readonly sinceMs: number;
}

export function matchTurns<T extends TurnView, W extends WorkerView>(
  input: MatchingInput<T, W>,
  limits: MatchingLimits,
): Matching<T, W> {
  const { nowMs } = input;
  const { spares, bound, comingSpares, comingBound } = sortOut(input.workers);
  const give: { turn: T; worker: W; isLateOvertaking: boolean }[] = [];
  const check: W[] = [];
  const unfitted: T[] = [];
  let lookAgainAtMs: number | undefined;

  const isVerified = ({ state }: Idle<W>) => nowMs - state.verifiedAtMs < limits.checkIdleAfterMs;

  /** Whether the turn is served, or waits for something definite. */
  const serve = (turn: T, idle: Idle<W>[] | undefined, coming: Coming[] | undefined): boolean => {
    const verified = idle?.findLastIndex(isVerified) ?? -1;
    if (idle !== undefined && verified >= 0) {
      const [chosen] = idle.splice(verified, 1);
      const [head] = unfitted;
      const isLateOvertaking = head !== undefined && nowMs - head.arrivedAtMs >= limits.overtakeMs;
      if (chosen) give.push({ turn, worker: chosen.worker, isLateOvertaking });
      return true;
    }
    const unverified = idle?.pop();
    if (unverified !== undefined) {
      check.push(unverified.worker);
      lookAgainAtMs = Math.min(lookAgainAtMs ?? Infinity, nowMs + limits.resetWaitMs);
      return true;
    }
    const next = coming?.[0];
    if (next === undefined) return false;
    const waitUntilMs = Math.max(turn.arrivedAtMs, next.sinceMs) + limits.resetWaitMs;
    if (waitUntilMs <= nowMs) return false;
    coming?.shift();
    lookAgainAtMs = Math.min(lookAgainAtMs ?? Infinity, waitUntilMs);
    return true;
  };

  for (const turn of input.turns) {
    if (serve(turn, bound.get(turn.affinity), comingBound.get(turn.affinity))) continue;
    if (serve(turn, spares, comingSpares)) continue;
    unfitted.push(turn);
  }

  // Who has waited long enough for a place is not kept waiting by turns that came later and happen to fit.
  const unused = [...bound.values()].flat().sort(leastRecentlyUsedFirst);
  const placesToFree = input.placesToFree(unfitted.length);
  const evict = unused.slice(0, placesToFree).map(({ worker }) => worker);
  for (let last = give.length - 1; last >= 0 && evict.length < placesToFree; last--) {
    const overtaking = give[last];
    if (!overtaking?.isLateOvertaking) continue;
    give.splice(last, 1);
    evict.push(overtaking.worker);
  }
  return { give, check, evict, unfitted, lookAgainAtMs };
}

function sortOut<W extends WorkerView>(workers: Iterable<W>) {
  const spares: Idle<W>[] = [];
  const bound = new Map<string, Idle<W>[]>();
  const comingSpares: Coming[] = [];
  const comingBound = new Map<string, Coming[]>();
  for (const worker of workers) {
    const { state } = worker;
    switch (state.kind) {
      case "spare":
        spares.push({ worker, state });
        break;
      case "boundIdle":
        add(bound, state.affinity, { worker, state });
        break;
      case "checking":
        if (state.idle.kind === "spare") comingSpares.push(state);
        else add(comingBound, state.idle.affinity, state);
        break;
      case "resetting":
        add(comingBound, state.affinity, state);
        break;
      case "claimed":
        if (state.finishingSinceMs !== undefined) add(comingBound, state.affinity, { sinceMs: state.finishingSinceMs });
        break;
      case "starting":
      case "stopping":
      case "exited":
        break;
      default:
        return state satisfies never;
    }
  }
  spares.sort(leastRecentlyUsedFirst);
  for (const list of bound.values()) list.sort(leastRecentlyUsedFirst);
  return { spares, bound, comingSpares, comingBound };
}

function leastRecentlyUsedFirst<W>(one: Idle<W>, other: Idle<W>): number {
  return one.state.order - other.state.order;
}

function add<V>(lists: Map<string, V[]>, key: string, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
