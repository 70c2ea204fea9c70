/**
 * Which idle workers are evicted first when there is no memory for all. Pure.
 */
import type { Worker } from "./worker.ts";
import type { WorkerState } from "./worker-state.ts";

interface OwnedWorker {
  readonly state: WorkerState;
  readonly tenant: string | undefined;
  /** Set: it serves one session alone. */
  readonly dedication?: unknown;
}

interface IdleWorkers<W> {
  readonly workers: Iterable<W>;
  readonly profile: { readonly minSpares: number };
}

/**
 * Parked workers of sessions, then bound idle ones of all profiles: of both those of the tenant with the most workers for its weight first and of those the
 * least recently used; then spares beyond what a profile is to keep: its minimum unless said otherwise.
 */
export function evictedFirst<W extends OwnedWorker = Worker>(
  profiles: Iterable<IdleWorkers<W>>,
  options: { readonly sparesToKeep?: number; readonly weightOf?: (tenant: string) => number } = {},
): W[] {
  const parked: W[] = [];
  const bound: W[] = [];
  const surplus: W[] = [];
  const held = new Map<string, number>();
  for (const { workers, profile } of profiles) {
    const spares: W[] = [];
    for (const worker of workers) {
      const { state, tenant } = worker;
      if (tenant !== undefined && state.kind !== "stopping" && state.kind !== "exited") {
        held.set(tenant, (held.get(tenant) ?? 0) + 1);
      }
      if (state.kind === "boundIdle") (worker.dedication === undefined ? bound : parked).push(worker);
      else if (state.kind === "spare") spares.push(worker);
    }
    const surplusCount = Math.max(0, spares.length - (options.sparesToKeep ?? profile.minSpares));
    surplus.push(...spares.sort(leastRecentlyUsedFirst).slice(0, surplusCount));
  }
  const weightOf = options.weightOf ?? (() => 1);
  return [
    ...greediestFirst(parked.sort(leastRecentlyUsedFirst), held, weightOf),
    ...greediestFirst(bound.sort(leastRecentlyUsedFirst), held, weightOf),
    ...surplus.sort(leastRecentlyUsedFirst),
  ];
}

/** One after the other from the tenant that has the most when it is its turn; inside a tenant the order stays. */
function greediestFirst<W extends OwnedWorker>(
  workers: readonly W[],
  held: Map<string, number>,
  weightOf: (tenant: string) => number,
): W[] {
  const ranked = workers.map((worker, at) => {
    const tenant = worker.tenant ?? "";
    const count = held.get(tenant) ?? 0;
    held.set(tenant, count - 1);
    return { worker, at, share: count / weightOf(tenant) };
  });
  return ranked.sort((one, other) => other.share - one.share || one.at - other.at).map(({ worker }) => worker);
}

function leastRecentlyUsedFirst(one: { readonly state: WorkerState }, other: { readonly state: WorkerState }): number {
  return orderOf(one.state) - orderOf(other.state);
}

function orderOf(state: WorkerState): number {
  return state.kind === "spare" || state.kind === "boundIdle" ? state.order : 0;
}
