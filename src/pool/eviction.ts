/**
 * Which idle workers are given up first when there is no memory for all. Pure.
 */
import type { Worker, WorkerState } from "./worker.ts";

interface IdleWorkers<W> {
  readonly workers: Iterable<W>;
  readonly profile: { readonly minSpares: number };
}

/**
 * Bound idle workers of all profiles, the least recently used first, then spares beyond what a profile is to keep:
 * its minimum unless said otherwise.
 */
export function givenUpFirst<W extends { readonly state: WorkerState } = Worker>(
  profiles: Iterable<IdleWorkers<W>>,
  options: { readonly sparesToKeep?: number } = {},
): W[] {
  const bound: W[] = [];
  const surplus: W[] = [];
  for (const { workers, profile } of profiles) {
    const spares: W[] = [];
    for (const worker of workers) {
      if (worker.state.kind === "boundIdle") bound.push(worker);
      else if (worker.state.kind === "spare") spares.push(worker);
    }
    const surplusCount = Math.max(0, spares.length - (options.sparesToKeep ?? profile.minSpares));
    surplus.push(...spares.sort(leastRecentlyUsedFirst).slice(0, surplusCount));
  }
  return [...bound.sort(leastRecentlyUsedFirst), ...surplus.sort(leastRecentlyUsedFirst)];
}

function leastRecentlyUsedFirst(one: { readonly state: WorkerState }, other: { readonly state: WorkerState }): number {
  return orderOf(one.state) - orderOf(other.state);
}

function orderOf(state: WorkerState): number {
  return state.kind === "spare" || state.kind === "boundIdle" ? state.order : 0;
}
