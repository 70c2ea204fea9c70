/**
 * Who has had how much of a profile's workers: what makes the order of waiting tenants fair.
 *
 * Each tenant has an account of worker time, divided by its weight; turns that run count up to now. Who has had least is
 * served first. A tenant that comes, or comes back, starts level with the least of those that are there: being away
 * earns nothing, and a past when nobody else wanted the workers costs nothing. Nobody falls behind by more than
 * `maxLeadMs` either, or one long turn would keep its tenant from being served for as long again.
 */

/** What fairness asks of a tenant's settings. */
export type WeightOf = (tenant: string) => number;

/** A tenant's account is never further ahead of the least served one than this, in milliseconds of its share. */
export const maxLeadMs = 20_000;

interface Account {
  /** Milliseconds of workers by turns that have ended, divided by the weight; with the level it began at. */
  servedMs: number;
  waitingCount: number;
  runningCount: number;
  /** The sum of the moments at which the running turns began. */
  runningSinceSumMs: number;
}

/** What deciding needs of the tenants' accounts. */
export interface SharesView {
  weightOf(tenant: string): number;
  servedMs(tenant: string, nowMs: number): number;
}

export class TenantShares {
  readonly #weightOf: WeightOf;
  readonly #accounts = new Map<string, Account>();

  constructor(weightOf: WeightOf) {
    this.#weightOf = weightOf;
  }

  weightOf(tenant: string): number {
    return this.#weightOf(tenant);
  }

  /** What the tenant has had, running turns up to now; compares with that of the other tenants that are there. */
  servedMs(tenant: string, nowMs: number): number {
    const account = this.#accounts.get(tenant);
    return account === undefined ? this.#leastMs(nowMs) : this.#upToNow(tenant, account, nowMs);
  }

  /** A turn of the tenant has come to wait. */
  waits(tenant: string, nowMs: number): void {
    this.#active(tenant, nowMs).waitingCount++;
  }

  /** A waiting turn has left, for whatever reason. */
  waitsNoMore(tenant: string, nowMs: number): void {
    const account = this.#accounts.get(tenant);
    if (account === undefined) return;
    account.waitingCount--;
    this.#forgetAfter(account, nowMs);
  }

  /** A turn of the tenant has got a worker. */
  began(tenant: string, nowMs: number): void {
    const account = this.#active(tenant, nowMs);
    account.runningCount++;
    account.runningSinceSumMs += nowMs;
  }

  /** It has given the worker back. */
  ended(tenant: string, sinceMs: number, nowMs: number): void {
    const account = this.#accounts.get(tenant);
    if (account === undefined) return;
    account.runningCount--;
    account.runningSinceSumMs = account.runningCount === 0 ? 0 : account.runningSinceSumMs - sinceMs;
    account.servedMs += (nowMs - sinceMs) / this.#weightOf(tenant);
    account.servedMs = Math.min(account.servedMs, this.#leastMs(nowMs) + maxLeadMs);
    this.#forgetAfter(account, nowMs);
  }

  /** Tenants of which something is kept. */
  get accountCount(): number {
    return this.#accounts.size;
  }

  #active(tenant: string, nowMs: number): Account {
    let account = this.#accounts.get(tenant);
    if (account !== undefined && isThere(account)) return account;
    const levelMs = Math.max(account?.servedMs ?? 0, this.#leastMs(nowMs));
    account = { servedMs: levelMs, waitingCount: 0, runningCount: 0, runningSinceSumMs: 0 };
    this.#accounts.set(tenant, account);
    return account;
  }

  /** What the least served of the tenants that are there has had. */
  #leastMs(nowMs: number): number {
    let leastMs = Number.POSITIVE_INFINITY;
    for (const [tenant, account] of this.#accounts) {
      if (isThere(account)) leastMs = Math.min(leastMs, this.#upToNow(tenant, account, nowMs));
    }
    return leastMs === Number.POSITIVE_INFINITY ? 0 : leastMs;
  }

  /** Who is gone is forgotten, unless it would come back with less than it has had. */
  #forgetAfter(account: Account, nowMs: number): void {
    if (isThere(account)) return;
    const leastMs = this.#leastMs(nowMs);
    let isAnybodyThere = false;
    for (const [other, of] of this.#accounts) {
      if (isThere(of)) isAnybodyThere = true;
      else if (of.servedMs <= leastMs) this.#accounts.delete(other);
    }
    if (!isAnybodyThere) this.#accounts.clear();
  }

  #upToNow(tenant: string, account: Account, nowMs: number): number {
    const runningMs = account.runningCount * nowMs - account.runningSinceSumMs;
    return account.servedMs + runningMs / this.#weightOf(tenant);
  }
}

function isThere({ waitingCount, runningCount }: Account): boolean {
  return waitingCount + runningCount > 0;
}
