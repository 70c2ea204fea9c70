/**
 * How turns of one profile got their workers since the server started: in all, and for each tenant.
 */
import type { ClaimSource } from "./claim.ts";

export type CountsBySource = Readonly<Record<ClaimSource, number>>;

export const noClaims: CountsBySource = { REUSED: 0, SPARE: 0, COLD_NO_SPARE: 0, COLD_POOL_OFF: 0 };

/** Tenants whose counts are kept. Those served least recently are forgotten first, and count from 0 if they come again. */
export const maxCountedTenants = 1_000;

export class ClaimCounts {
  #all = noClaims;
  /** The least recently served first. */
  readonly #tenants = new Map<string, CountsBySource>();

  claimed(tenant: string, source: ClaimSource): void {
    this.#all = plusOne(this.#all, source);
    const counts = plusOne(this.#tenants.get(tenant) ?? noClaims, source);
    this.#tenants.delete(tenant);
    this.#tenants.set(tenant, counts);
    if (this.#tenants.size > maxCountedTenants) this.#tenants.delete(this.#tenants.keys().next().value!);
  }

  /** The counts of now; they do not change afterwards. */
  snapshot(): { readonly all: CountsBySource; readonly byTenant: ReadonlyMap<string, CountsBySource> } {
    return { all: this.#all, byTenant: new Map(this.#tenants) };
  }
}

function plusOne(counts: CountsBySource, source: ClaimSource): CountsBySource {
  return { ...counts, [source]: counts[source] + 1 };
}
