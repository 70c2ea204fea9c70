/**
 * The places of open calls, on both ports together: how many one tenant and one address may have at once.
 *
 * Calls of services that need no token (health, reflection where it is open) draw from a total of their own, so that
 * whatever strangers do with them takes nothing from callers. Turns have a further cap, by tenant, in `policy/quota.ts`.
 */
import { RunnerError, soonMs } from "../../runner-error.ts";
import { Share, type ShareRefusal } from "./share.ts";

/** Whom a call is counted for. */
export interface Holder {
  /** As `addressKey` writes it. */
  readonly address: string;
  /** Absent for a call without a token. */
  readonly tenant: string | undefined;
}

export interface CallPlacesOptions {
  /** `calls.maxOpen`. */
  readonly maxOpen: number;
  /** Without a token. */
  readonly maxAnonymous: number;
}

export class CallPlaces {
  readonly #known: Share;
  readonly #anonymous: Share;

  constructor({ maxOpen, maxAnonymous }: CallPlacesOptions) {
    this.#known = new Share(maxOpen);
    this.#anonymous = new Share(maxAnonymous);
  }

  /** Takes a place, or throws. The returned function gives it back; twice is fine. */
  take(holder: Holder): () => void {
    const share = holder.tenant === undefined ? this.#anonymous : this.#known;
    const holders = holdersOf(holder);
    const refusal = share.take(holders, 1);
    if (refusal !== undefined) throw tooMany(refusal, "open calls");
    let isTaken = true;
    return () => {
      if (isTaken) share.give(holders, 1);
      isTaken = false;
    };
  }
}

/** Whom a share charges. */
export function holdersOf({ address, tenant }: Holder): readonly string[] {
  return tenant === undefined ? [`address ${address}`] : [`tenant ${tenant}`, `address ${address}`];
}

/** Why there is no more for this caller. Nobody else's share: another one may well be served at the same moment. */
export function tooMany({ holder, held, limit }: ShareRefusal, what: string): RunnerError {
  if (holder === undefined) {
    return new RunnerError("QUEUE_FULL", `the server has ${held} ${what}, limit ${limit}`, { facts: { held, limit } });
  }
  const words = `${holder} would have ${held} ${what}, limit ${limit}: no caller may have more than are left for others`;
  const subject = holder.replace(" ", ":");
  return new RunnerError("QUOTA_EXCEEDED", words, { facts: { subject, held, limit }, retryAfterMs: soonMs });
}
