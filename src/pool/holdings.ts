/**
 * Which tenant has how many of a profile's workers, and how many of them are busy; kept up to date while it is decided who
 * gets what.
 */
import type { WorkerState } from "./worker-state.ts";

interface Owned {
  readonly state: WorkerState;
  readonly tenant: string | undefined;
}

export class Holdings {
  readonly #weightOf: (tenant: string) => number;
  readonly #held = new Map<string, number>();
  readonly #busy = new Map<string, number>();
  #busyCount = 0;

  constructor(workers: Iterable<Owned>, weightOf: (tenant: string) => number) {
    this.#weightOf = weightOf;
    for (const { state, tenant } of workers) {
      if (tenant === undefined || state.kind === "stopping" || state.kind === "exited") continue;
      this.#add(tenant, 1);
      // One that is started for a tenant's session will have its turn at once.
      const isBusy = state.kind === "claimed" || state.kind === "resetting" || state.kind === "starting";
      if (isBusy) this.#makeBusy(tenant);
    }
  }

  /** Workers that run a turn, are being reset after one, or are started for a session's. */
  get busyCount(): number {
    return this.#busyCount;
  }

  busyOf(tenant: string): number {
    return this.#busy.get(tenant) ?? 0;
  }

  /** The tenant's workers, busy or idle. */
  heldBy(tenant: string): number {
    return this.#held.get(tenant) ?? 0;
  }

  /** The same for its weight. `more`: as if it had so many more. */
  shareOf(tenant: string, more = 0): number {
    return (this.heldBy(tenant) + more) / this.#weightOf(tenant);
  }

  /** A turn of the tenant gets an idle worker: one that was its own, or a spare. */
  takes(tenant: string, wasItsOwn: boolean): void {
    this.#makeBusy(tenant);
    if (!wasItsOwn) this.#add(tenant, 1);
  }

  /** A worker is to be started for a turn of the tenant. */
  expects(tenant: string): void {
    // It is busy in so far as the tenant has no claim to a kept place any more.
    this.#busy.set(tenant, this.busyOf(tenant) + 1);
  }

  /** The tenant will have one more, or one less. */
  changes(tenant: string, by: 1 | -1): void {
    this.#add(tenant, by);
  }

  #add(tenant: string, by: number): void {
    this.#held.set(tenant, this.heldBy(tenant) + by);
  }

  #makeBusy(tenant: string): void {
    this.#busy.set(tenant, this.busyOf(tenant) + 1);
    this.#busyCount++;
  }
}
