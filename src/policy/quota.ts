/**
 * The cap on a tenant's turns in flight: a yes or a no, without I/O.
 *
 * A turn is in flight from its admission until its worker is done with it, also after its caller has gone: who cancels
 * and calls again at once cannot have more workers than the cap.
 */
import { RunnerError } from "../errors.ts";

export class TurnsInFlight {
  readonly #maxPerTenant: number;
  readonly #counts = new Map<string, number>();

  constructor(maxPerTenant: number) {
    this.#maxPerTenant = maxPerTenant;
  }

  /** All turns in flight. */
  get count(): number {
    let sum = 0;
    for (const count of this.#counts.values()) sum += count;
    return sum;
  }

  /** Admits a turn; the returned function ends it, once. Throws QUOTA_EXCEEDED. */
  enter(tenant: string): () => void {
    const inFlight = this.#counts.get(tenant) ?? 0;
    if (inFlight >= this.#maxPerTenant) {
      throw new RunnerError(
        "QUOTA_EXCEEDED",
        `${inFlight} turns in flight, and this tenant may have ${this.#maxPerTenant}: wait for one to end`,
        { facts: { inFlight, limit: this.#maxPerTenant, subject: `tenant:${tenant}` } },
      );
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
