/**
 * Which worker serves which waiting turn of a profile: a pure function of what is there.
 *
 * A turn takes the worker that still has its conversation; else the most recently used one of its affinity that has
 * forgotten all; else it waits a moment for one that is just finishing its turn, being reset or checked, one such worker
 * for one such turn; else one that has kept another conversation is reset for it; else it takes the youngest spare that
 * is known to answer; else it goes on waiting. `tiers` is that list. How many workers to start for those is decided in
 * `sizing.ts`, whose place they get in `displacing.ts`.
 *
 * A turn of a session with a transcript takes none of these but the session's own worker, parked or started for it
 * (`dedicated.ts`).
 *
 * A tenant with a running turn leaves the last places, which are kept for tenants that have none.
 */
import { type Dedication, meetingOf, sessionKey } from "./dedicated.ts";
import { type DisplacingLimits, displace, type Overtaking } from "./displacing.ts";
import { Holdings } from "./holdings.ts";
import { needsReset } from "./reset-timing.ts";
import type { SharesView } from "./shares.ts";
import { coveredTurns, type Wanting, wantingOf } from "./starts-for.ts";
import type { BoundIdleState, SpareState, WorkerState } from "./worker-state.ts";

export interface TurnView {
  readonly affinity: string;
  /** The conversation that it goes on with, if a worker still has it. */
  readonly conversation: string | undefined;
  /** Set: only a worker that serves its session alone will do. */
  readonly dedication: Dedication | undefined;
  readonly tenant: string;
  readonly arrivedAtMs: number;
}

export interface WorkerView {
  readonly state: WorkerState;
  /** Whose it is; `undefined`: nobody's yet. */
  readonly tenant: string | undefined;
  /** Set: it serves one session alone. */
  readonly dedication: Dedication | undefined;
}

export interface MatchingLimits extends DisplacingLimits {
  readonly checkIdleAfterMs: number;
  readonly resetWaitMs: number;
}

export interface MatchingInput<T extends TurnView, W extends WorkerView> {
  readonly nowMs: number;
  /** In the order in which they are to be served. */
  readonly turns: Iterable<T>;
  readonly workers: Iterable<W>;
  readonly shares: SharesView;
  /** So many workers may be busy before a tenant that has a busy one gets no other. */
  readonly freelyBusyCount: number;
  /** More turns without a worker than this make no difference; the others need not be looked at. */
  readonly enoughCount: number;
  /** For how many turns there will be a worker without anybody's end, and how many idle workers have to end now. */
  readonly placesFor: (wanting: Wanting) => { readonly coveredCount: number; readonly endCount: number };
}

export interface Matching<T extends TurnView, W extends WorkerView> {
  readonly give: readonly { readonly turn: T; readonly worker: W }[];
  /** Idle workers that have to answer before a waiting turn gets them. */
  readonly check: readonly W[];
  /** Idle workers that have to forget another conversation before a waiting turn gets them. */
  readonly reset: readonly W[];
  /** Idle workers that nobody may have, because a turn needs their place. */
  readonly evict: readonly W[];
  /** Workers of sessions that have something else than a turn of their session needs. */
  readonly supersede: readonly W[];
  /** Turns for which there is no worker, nor one that is just finishing, being reset or checked. */
  readonly unfitted: readonly T[];
  /** Turns that wait for others of their tenant to end, whatever places there are. */
  readonly held: readonly T[];
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
  const { nowMs, shares } = input;
  const { spares, bound, comingSpares, comingBound, dedicated, startingCount } = sortOut(input.workers);
  const holdings = new Holdings(input.workers, (tenant) => shares.weightOf(tenant));
  const give: (Overtaking<T, W> & { readonly isBound: boolean })[] = [];
  const check: W[] = [];
  const reset: W[] = [];
  const supersede: W[] = [];
  const unfitted: T[] = [];
  const held: T[] = [];
  let lookAgainAtMs: number | undefined;
  const lookAgain = (atMs: number) => {
    lookAgainAtMs = Math.min(lookAgainAtMs ?? Infinity, atMs);
  };

  const isVerified = ({ state }: Idle<W>) => nowMs - state.verifiedAtMs < limits.checkIdleAfterMs;
  const mayHaveOneMore = (tenant: string, busyCount: number) =>
    busyCount < input.freelyBusyCount || holdings.busyOf(tenant) === 0;

  /** Takes the most recently used of the idle workers that fit. */
  const take = (idle: Idle<W>[] | undefined, fits: (one: Idle<W>) => boolean): Idle<W> | undefined => {
    const at = idle?.findLastIndex(fits) ?? -1;
    return at < 0 ? undefined : idle?.splice(at, 1)[0];
  };

  /** Gives the turn an idle worker, if there is one that fits. */
  const giveOne = (turn: T, idle: Idle<W>[] | undefined, fits: (one: Idle<W>) => boolean): boolean => {
    const one = take(idle, fits);
    if (one === undefined) return false;
    const isBound = one.state.kind === "boundIdle";
    give.push({ turn, worker: one.worker, aheadOfCount: unfitted.length, isBound });
    holdings.takes(turn.tenant, isBound);
    return true;
  };

  /** Has something done with an idle worker before the turn gets it, which waits for that. */
  const prepareOne = (turn: T, one: Idle<W> | undefined, list: W[]): boolean => {
    if (one === undefined) return false;
    list.push(one.worker);
    holdings.takes(turn.tenant, one.state.kind === "boundIdle");
    lookAgain(nowMs + limits.resetWaitMs);
    return true;
  };

  /** Lets the turn wait for a worker that will be idle in a moment. */
  const awaitOne = (turn: T, coming: Coming[] | undefined): boolean => {
    const next = coming?.[0];
    if (next === undefined) return false;
    const waitUntilMs = Math.max(turn.arrivedAtMs, next.sinceMs) + limits.resetWaitMs;
    if (waitUntilMs <= nowMs) return false;
    coming?.shift();
    lookAgain(waitUntilMs);
    return true;
  };

  /** Has a worker started for the turn, unless its tenant has to leave that place to others. */
  const unfit = (turn: T): void => {
    // Those that a worker is to be started for will be busy too.
    if (!mayHaveOneMore(turn.tenant, holdings.busyCount + unfitted.length)) held.push(turn);
    else {
      unfitted.push(turn);
      holdings.expects(turn.tenant);
    }
  };

  const mine = ({ affinity }: T) => bound.get(affinity);
  const hasKept = ({ state }: Idle<W>) => state.kind === "boundIdle" && state.holds.kind === "conversation";
  const isFree = (one: Idle<W>) => !hasKept(one);
  const goesOn = (turn: T) => (one: Idle<W>) => hasKept(one) && !needsReset(one.state, turn.conversation);
  const verified = (fits: (one: Idle<W>) => boolean) => (one: Idle<W>) => isVerified(one) && fits(one);

  /** What a turn may get, the best first. The first that has something for it decides. */
  const tiers: readonly ((turn: T) => boolean)[] = [
    // The worker that has its very conversation.
    (turn) => giveOne(turn, mine(turn), verified(goesOn(turn))),
    (turn) => prepareOne(turn, take(mine(turn), goesOn(turn)), check),
    // One of its binding that has forgotten every conversation, or will have in a moment.
    (turn) => giveOne(turn, mine(turn), verified(isFree)),
    (turn) => prepareOne(turn, take(mine(turn), isFree), check),
    (turn) => awaitOne(turn, comingBound.get(turn.affinity)),
    // One of its binding that has kept another, the longest unused first: a reset costs less than another start.
    (turn) => prepareOne(turn, mine(turn)?.shift(), reset),
    // One that is nobody's.
    (turn) => giveOne(turn, spares, isVerified),
    (turn) => prepareOne(turn, spares.pop(), check),
    (turn) => awaitOne(turn, comingSpares),
  ];

  /** Sessions of which a turn was looked at: their worker is that one's, if it is anybody's. */
  const metSessions = new Set<string>();
  /** Gives a session's turn the session's worker, as far as there is one. */
  const meetOwn = (turn: T, wanted: Dedication): "served" | "waits" | "needsOne" => {
    const key = sessionKey(wanted);
    if (metSessions.has(key)) return "waits";
    const own = dedicated.get(key);
    const meeting = own && meetingOf(wanted, own);
    if (own !== undefined && meeting !== "serves") {
      metSessions.add(key);
      if (meeting === "inTheWay") supersede.push(own);
      return "waits";
    }
    if (!mayHaveOneMore(turn.tenant, holdings.busyCount)) {
      held.push(turn);
      return "waits";
    }
    metSessions.add(key);
    const idle = own && parkedOf(own);
    if (idle === undefined) return "needsOne";
    dedicated.delete(key);
    return giveOne(turn, [idle], isVerified) || prepareOne(turn, idle, check) ? "served" : "waits";
  };

  const parkedCount = [...dedicated.values()].flatMap((worker) => parkedOf(worker) ?? []).length;
  let leftCount = spares.length + comingSpares.length + countOf(bound) + countOf(comingBound) + parkedCount;
  for (const turn of input.turns) {
    if (leftCount === 0 && unfitted.length >= input.enoughCount) break;
    if (turn.dedication !== undefined) {
      const met = meetOwn(turn, turn.dedication);
      if (met === "served") leftCount--;
      else if (met === "needsOne") unfit(turn);
      continue;
    }
    if (!mayHaveOneMore(turn.tenant, holdings.busyCount)) {
      held.push(turn);
      continue;
    }
    if (tiers.some((tier) => tier(turn))) {
      leftCount--;
      continue;
    }
    unfit(turn);
  }

  const { coveredCount, endCount } = input.placesFor(wantingOf(unfitted, []));
  const parked = [...dedicated.values()]
    .filter((worker) => !supersede.includes(worker))
    .flatMap((worker) => parkedOf(worker) ?? []);
  const displaced = displace(
    {
      nowMs,
      shares,
      holdings,
      turns: unfitted,
      covered: coveredTurns(unfitted, startingCount, coveredCount),
      endCount,
      unused: {
        parked: parked.sort(leastRecentlyUsedFirst),
        spare: spares,
        bound: [...bound.values()].flat().sort(leastRecentlyUsedFirst),
      },
      overtaking: give.filter((one) => one.isBound && one.aheadOfCount > 0),
    },
    limits,
  );
  if (displaced.lookAgainAtMs !== undefined) lookAgain(displaced.lookAgainAtMs);
  const late = new Set(displaced.heldUp);
  return {
    give: give.filter((one) => !late.has(one)),
    check,
    reset,
    evict: displaced.evict,
    supersede,
    unfitted,
    held,
    lookAgainAtMs,
  };
}

function sortOut<W extends WorkerView>(workers: Iterable<W>) {
  const spares: Idle<W>[] = [];
  const bound = new Map<string, Idle<W>[]>();
  const comingSpares: Coming[] = [];
  const comingBound = new Map<string, Coming[]>();
  const dedicated = new Map<string, W & { readonly dedication: Dedication }>();
  let startingCount = 0;
  for (const worker of workers) {
    const { state } = worker;
    if (isDedicated(worker)) {
      if (state.kind !== "exited") dedicated.set(sessionKey(worker.dedication), worker);
      continue;
    }
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
        startingCount += 1;
        break;
      case "stopping":
      case "exited":
        break;
      default:
        state satisfies never;
    }
  }
  spares.sort(leastRecentlyUsedFirst);
  for (const list of bound.values()) list.sort(leastRecentlyUsedFirst);
  return { spares, bound, comingSpares, comingBound, dedicated, startingCount };
}

function isDedicated<W extends WorkerView>(worker: W): worker is W & { readonly dedication: Dedication } {
  return worker.dedication !== undefined;
}

/** A session's worker as an idle one, if it is that. */
function parkedOf<W extends WorkerView>(worker: W): Idle<W> | undefined {
  const { state } = worker;
  return state.kind === "boundIdle" ? { worker, state } : undefined;
}

function countOf(lists: ReadonlyMap<string, readonly unknown[]>): number {
  let count = 0;
  for (const list of lists.values()) count += list.length;
  return count;
}

function leastRecentlyUsedFirst<W>(one: Idle<W>, other: Idle<W>): number {
  return one.state.order - other.state.order;
}

function add<V>(lists: Map<string, V[]>, key: string, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
