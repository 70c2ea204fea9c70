/**
 * Whose idle workers end so that turns that fit none of them get a place, and which turns that do fit one have to wait for
 * it: a pure function.
 *
 * A worker that ends is warm no more, and a start is dear; so a place changes hands for a reason only:
 *
 * - Parked workers of sessions end first, whosever they are: their conversations are written down.
 * - A spare ends for a turn that it cannot serve, since that needs a worker that is started for its session.
 * - A tenant's own idle workers are evicted first where it has the most, and otherwise those of the tenant that has the
 *   most for its weight. New system prompts of one tenant do not end another's only worker.
 * - A tenant's last idle worker goes to one that has none, or when it was not used for `warmWorkerMs`.
 * - A turn that fits an idle worker may overtake one of its own tenant for `overtakeMs`. It may overtake another tenant's
 *   until its tenant has had `creditMs` more of the workers, or, where its tenant has several workers and more than its
 *   part, for `overtakeMs`.
 */
import type { Holdings } from "./holdings.ts";
import type { SharesView } from "./shares.ts";

export interface DisplacingLimits {
  readonly overtakeMs: number;
  readonly warmWorkerMs: number;
  /** The bound of unfairness, in milliseconds of a tenant's share. */
  readonly creditMs: number;
}

interface Waiting {
  readonly tenant: string;
  readonly arrivedAtMs: number;
  /** Set: it needs a worker that is started for its session. */
  readonly dedication: unknown;
}

interface Owned {
  readonly tenant: string | undefined;
}

/** A turn that is to get a worker that fits it. */
export interface Overtaking<T, W> {
  readonly turn: T;
  readonly worker: W;
  /** How many of the turns that need a place come before it. */
  readonly aheadOfCount: number;
}

export interface Unused<W> {
  readonly worker: W;
  readonly state: { readonly sinceMs: number };
}

interface DisplacingInput<T, W> {
  readonly nowMs: number;
  readonly shares: SharesView;
  readonly holdings: Holdings;
  /** Those that need a place, in their order. */
  readonly turns: readonly T[];
  /** Those that will have one anyway. */
  readonly covered: ReadonlySet<T>;
  /** How many workers may end, at most. */
  readonly endCount: number;
  /** Idle workers that no waiting turn fits, of each kind the least recently used first. */
  readonly unused: Readonly<Record<"parked" | "spare" | "bound", readonly Unused<W>[]>>;
  readonly overtaking: readonly Overtaking<T, W>[];
}

interface Displaced<T, W> {
  readonly evict: readonly W[];
  /** Those of `overtaking` whose worker ends. */
  readonly heldUp: readonly Overtaking<T, W>[];
  readonly lookAgainAtMs: number | undefined;
}

export function displace<T extends Waiting, W extends Owned>(
  { nowMs, shares, holdings, turns, covered, endCount, unused, overtaking }: DisplacingInput<T, W>,
  limits: DisplacingLimits,
): Displaced<T, W> {
  const evict: W[] = [];
  const heldUp: Overtaking<T, W>[] = [];
  let lookAgainAtMs: number | undefined;
  const parked = [...unused.parked];
  const spares = [...unused.spare];
  const bound = [...unused.bound];
  const late = overtaking.toReversed(); // among equals the one that would be served last

  /** Whether the turn's tenant has so few workers, and the owner so many, that one more and one less do no harm. */
  const isBelow = (tenant: string, owner: string) => holdings.shareOf(tenant, 1) <= holdings.shareOf(owner);

  const mayEnd = ({ tenant }: T, owner: string, idleSinceMs: number) => {
    if (owner === tenant) return true;
    const isLast = holdings.heldBy(owner) <= 1;
    if (isBelow(tenant, owner) && (!isLast || holdings.heldBy(tenant) === 0)) return true;
    const coolAtMs = idleSinceMs + limits.warmWorkerMs;
    if (coolAtMs <= nowMs) return true;
    lookAgainAtMs = Math.min(lookAgainAtMs ?? Infinity, coolAtMs);
    return false;
  };

  const mayHoldUp = ({ tenant, arrivedAtMs }: T, owner: string) => {
    if (nowMs - arrivedAtMs < limits.overtakeMs) return false;
    if (owner === tenant) return true;
    if (holdings.heldBy(owner) > 1 && isBelow(tenant, owner)) return true;
    return shares.servedMs(owner, nowMs) - shares.servedMs(tenant, nowMs) >= limits.creditMs;
  };

  for (const [at, turn] of turns.entries()) {
    if (evict.length >= endCount) break;
    if (!covered.has(turn)) {
      const victim =
        takeGreediest(parked, turn.tenant, holdings, () => true) ??
        (turn.dedication === undefined ? undefined : spares.shift()) ??
        takeGreediest(bound, turn.tenant, holdings, ({ worker, state }) =>
          mayEnd(turn, worker.tenant!, state.sinceMs),
        ) ??
        takeGreediest(
          late,
          turn.tenant,
          holdings,
          ({ worker, aheadOfCount }) => aheadOfCount > at && mayHoldUp(turn, worker.tenant!),
        );
      if (victim === undefined) continue;
      evict.push(victim.worker);
      if (victim.worker.tenant !== undefined) holdings.changes(victim.worker.tenant, -1);
      if ("turn" in victim) heldUp.push(victim);
    }
    holdings.changes(turn.tenant, 1);
  }
  return { evict, heldUp, lookAgainAtMs };
}

/** Takes from the list what belongs to the tenant with the most workers for its weight; at a draw first the asking one's. */
function takeGreediest<W extends Owned, C extends { readonly worker: W }>(
  list: C[],
  tenant: string,
  holdings: Holdings,
  may: (candidate: C) => boolean,
): C | undefined {
  let best: number | undefined;
  let most = Number.NEGATIVE_INFINITY;
  for (const [at, candidate] of list.entries()) {
    const owner = candidate.worker.tenant!;
    const share = holdings.shareOf(owner);
    const isMore = share > most || (share === most && owner === tenant && list[best!]!.worker.tenant !== tenant);
    if (!isMore || !may(candidate)) continue;
    best = at;
    most = share;
  }
  return best === undefined ? undefined : list.splice(best, 1)[0];
}
