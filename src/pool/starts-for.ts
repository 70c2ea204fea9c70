/**
 * For which waiting turns workers are started, and which will have one without that. Pure.
 *
 * A worker that is starting serves whichever turn is next, but for turns of a session: each of them needs a start of its own.
 */
import { type Dedication, sessionKey } from "./dedicated.ts";

interface MaybeDedicated {
  /** Set, of a turn: it needs a worker that is started for its session. */
  readonly dedication: Dedication | undefined;
}

/** How many turns there are no workers for. */
export interface Wanting {
  /** Turns that any worker serves. */
  readonly anyCount: number;
  /** Turns that need a start of their own. */
  readonly ownCount: number;
}

/** What turns without a worker need. A session's needs nothing more once its worker is there. */
export function wantingOf(turns: Iterable<MaybeDedicated>, workers: Iterable<MaybeDedicated>): Wanting {
  const sessions = new Set([...workers].flatMap(({ dedication }) => (dedication ? [sessionKey(dedication)] : [])));
  let anyCount = 0;
  let ownCount = 0;
  for (const { dedication } of turns) {
    if (dedication === undefined) anyCount += 1;
    else if (!sessions.has(sessionKey(dedication))) ownCount += 1;
  }
  return { anyCount, ownCount };
}

/** Those for which `count` workers are started, in their order; `startingCount` are starting already. */
export function startsFor<T extends MaybeDedicated>(
  turns: Iterable<T>,
  startingCount: number,
  count: number,
): readonly T[] {
  return split(turns, startingCount).needing.slice(0, count);
}

/** Those that will have a worker, the first `coveredCount`: those first for which one is starting. */
export function coveredTurns<T extends MaybeDedicated>(
  turns: Iterable<T>,
  startingCount: number,
  coveredCount: number,
): ReadonlySet<T> {
  const { served, needing } = split(turns, startingCount);
  return new Set([...served, ...needing].slice(0, coveredCount));
}

function split<T extends MaybeDedicated>(
  turns: Iterable<T>,
  startingCount: number,
): { readonly served: T[]; readonly needing: T[] } {
  const served: T[] = [];
  const needing: T[] = [];
  for (const turn of turns)
    (turn.dedication === undefined && served.length < startingCount ? served : needing).push(turn);
  return { served, needing };
}
