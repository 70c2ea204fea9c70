/**
 * Notices callers who make a new binding with nearly every turn, such as by a date in the system prompt: they never get
 * a worker that is used again. Per tenant of one profile; says so, changes nothing.
 */
const windowSize = 100;
const noticeIntervalMs = 10 * 60_000;

interface Claims {
  /** The last claims, as a ring: whether each made a new binding. */
  readonly ring: boolean[];
  next: number;
  newBindingCount: number;
  noticedAtMs: number | undefined;
}

export class BindingChurn {
  readonly #tenants = new Map<string, Claims>();

  /** Counts a claim. Gives the number of new bindings in the last hundred when it is time to speak of it. */
  claimed(tenant: string, isNewBinding: boolean, nowMs: number): number | undefined {
    let claims = this.#tenants.get(tenant);
    if (claims === undefined) {
      claims = { ring: [], next: 0, newBindingCount: 0, noticedAtMs: undefined };
      this.#tenants.set(tenant, claims);
    }
    if (claims.ring[claims.next]) claims.newBindingCount--;
    if (isNewBinding) claims.newBindingCount++;
    claims.ring[claims.next] = isNewBinding;
    claims.next = (claims.next + 1) % windowSize;

    if (claims.ring.length < windowSize || claims.newBindingCount * 2 <= windowSize) return undefined;
    if (claims.noticedAtMs !== undefined && nowMs - claims.noticedAtMs < noticeIntervalMs) return undefined;
    claims.noticedAtMs = nowMs;
    return claims.newBindingCount;
  }
}
