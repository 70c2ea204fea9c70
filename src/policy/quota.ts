/**
 * Caps on what a tenant may have at once: a yes or a no, without I/O.
 */
import { RunnerError, soonMs } from "../runner-error.ts";

/** What each tenant has of something, and the most that it may have. */
class TenantCap {
  readonly #maxPerTenant: number;
  readonly #refusal: (count: number, limit: number) => string;
  readonly #counts = new Map<string, number>();

  constructor(maxPerTenant: number, refusal: (count: number, limit: number) => string) {
    this.#maxPerTenant = maxPerTenant;
    this.#refusal = refusal;
  }

  /** Those of all tenants. */
  get count(): number {
    let sum = 0;
    for (const count of this.#counts.values()) sum += count;
    return sum;
  }

  /** Lets one more in; the returned function ends it, once. Throws QUOTA_EXCEEDED. */
  enter(tenant: string): () => void {
    const inFlight = this.#counts.get(tenant) ?? 0;
    const limit = this.#maxPerTenant;
    if (inFlight >= limit) {
      throw new RunnerError("QUOTA_EXCEEDED", this.#refusal(inFlight, limit), {
        facts: { inFlight, limit, subject: `tenant:${tenant}` },
        retryAfterMs: soonMs,
      });
    }
    this.#counts.set(tenant, inFlight + 1);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      const now = (this.#counts.get(tenant) ?? 1) - 1;
      if (now === 0) this.#counts.delete(tenant);
      else this.#counts.set(tenant, now);
    };
  }
}

/**
 * A tenant's turns in flight.
 *
 * A turn is in flight from its admission until its worker is done with it, also after its caller has gone: who cancels
 * and calls again at once cannot have more workers than the cap.
 */
export class TurnsInFlight extends TenantCap {
  constructor(maxPerTenant: number) {
    super(
      maxPerTenant,
      (count, limit) => `${count} turns are in flight, and this tenant may have ${limit}: wait until one ends`,
    );
  }
}

/** A tenant's calls that read a turn which another call has begun. */
export class TurnReaders extends TenantCap {
  constructor(maxPerTenant: number) {
    super(maxPerTenant, (count, limit) => `${count} calls read turns, and this tenant may have ${limit}`);
  }
}

/** A tenant's open watches of the pool. Each reads the pool up to ten times a second. */
export class OpenWatches extends TenantCap {
  constructor(maxPerTenant: number) {
    super(
      maxPerTenant,
      (count, limit) =>
        `${count} watches of the pool are open, and this tenant may have ${limit}: end one, or use GetPool`,
    );
  }
}
