/**
 * The turns of each tenant that run now or ended lately: how each got its worker, where its time went, how it ended.
 *
 * For the view of the pool, in memory only, and bounded: so many ended turns of a tenant, so many tenants. Keeps ids,
 * names, times and numbers; no prompt, no answer. Whose turns a caller sees is decided in `pool-service.ts`.
 */
import type { Claim, ClaimSource } from "../../pool/claim.ts";
import type { RunnerReason } from "../../runner-error.ts";
import type { Turn } from "../../turn.ts";
import type { Outcome } from "../../turn-end.ts";
import type { Usage } from "../../usage.ts";
import type { ClosedTurn } from "../observer.ts";
import type { StageTimes } from "../stages.ts";

export interface RecentTurnLimits {
  /** Ended turns of one tenant; those that ended first are forgotten first. Running ones are bounded by their quota. */
  readonly maxEndedPerTenant: number;
  /** Tenants whose ended turns are kept. Beyond it those that called least recently, and run nothing, are forgotten. */
  readonly maxTenants: number;
}

/** Together at most about 20 MB. */
export const recentTurnLimits: RecentTurnLimits = { maxEndedPerTenant: 100, maxTenants: 250 };

/** What is kept of a turn. What it does not have yet is `undefined`. */
export interface RecentTurn {
  readonly turnId: string;
  readonly profile: string;
  readonly model: string;
  /** Empty when it is not traced. */
  readonly traceId: string;
  /** On the clock's `now()`. */
  readonly arrivedAtMs: number;
  /** The same in milliseconds since 1970. */
  readonly arrivedAtWallMs: number;
  readonly isRunning: boolean;
  /** Stays `undefined` when the turn was refused before it began. */
  readonly outcome: Outcome | undefined;
  /** Why it failed or was refused. */
  readonly errorReason: RunnerReason | undefined;
  readonly claimSource: ClaimSource | undefined;
  readonly workerId: string | undefined;
  /** The stages that are over. */
  readonly times: Readonly<StageTimes>;
  /** In requests to the model API, by Claude Code's account, in milliseconds. */
  readonly apiMs: number | undefined;
  readonly usage: Usage | undefined;
  readonly costUsdMicros: number;
  readonly costIsEstimate: boolean;
}

/** What is known of a turn from its beginning. */
type TurnFacts = Pick<RecentTurn, "turnId" | "profile" | "model">;
type CallFacts = Pick<RecentTurn, "arrivedAtMs" | "arrivedAtWallMs" | "traceId">;

/** A turn as it is followed while it runs: an observer of it. */
export interface FollowedTurn {
  began(times: Readonly<StageTimes>): void;
  claimed(claim: Pick<Claim, "source" | "worker">): void;
  stageLeft(): void;
  milestoneReached(): void;
  closed(turn: Pick<ClosedTurn, "end" | "reason">): void;
}

interface Tenant {
  readonly running: Set<Entry>;
  /** The one that ended first is first. */
  readonly ended: RecentTurn[];
}

export class RecentTurns {
  readonly #limits: RecentTurnLimits;
  /** The tenant that called least recently is first. */
  readonly #tenants = new Map<string, Tenant>();
  readonly #listeners = new Set<(tenant: string) => void>();

  constructor(limits = recentTurnLimits) {
    this.#limits = limits;
  }

  /** Follows a turn from now on: it is there at once, and what this gives is to be among the turn's observers. */
  follow(turn: Pick<Turn, "id" | "tenant" | "profile" | "settings">, call: CallFacts): FollowedTurn {
    const tenant = this.#tenants.get(turn.tenant) ?? { running: new Set(), ended: [] };
    // A Map keeps the order of insertion: now this tenant is the last.
    this.#tenants.delete(turn.tenant);
    this.#tenants.set(turn.tenant, tenant);
    const changed = () => this.#changed(turn.tenant);
    // Not the turn itself: that holds the prompt.
    const about = { turnId: turn.id, profile: turn.profile, model: turn.settings.model };
    const entry: Entry = new Entry(about, call, {
      changed,
      over: () => {
        tenant.running.delete(entry);
        tenant.ended.push(entry.toRecent());
        if (tenant.ended.length > this.#limits.maxEndedPerTenant) tenant.ended.shift();
        changed();
      },
    });
    tenant.running.add(entry);
    if (this.#tenants.size > this.#limits.maxTenants) this.#forgetOne();
    changed();
    return entry;
  }

  /** At most so many turns of a tenant: those that run, then those that ended last; in all the newest first. */
  of(tenant: string, count: number): RecentTurn[] {
    const kept = this.#tenants.get(tenant);
    if (kept === undefined || count <= 0) return [];
    const running = [...kept.running].slice(-count).map((entry) => entry.toRecent());
    const endedCount = count - running.length;
    const ended = endedCount > 0 ? kept.ended.slice(-endedCount) : [];
    return [...ended, ...running].sort((one, other) => other.arrivedAtMs - one.arrivedAtMs);
  }

  /** How many tenants are remembered. */
  get tenantCount(): number {
    return this.#tenants.size;
  }

  /** Calls `listener` with the tenant after every change of one of its turns. Returns how to end that. */
  onChange(listener: (tenant: string) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  #changed(tenant: string): void {
    for (const listener of this.#listeners) listener(tenant);
  }

  #forgetOne(): void {
    for (const [name, { running }] of this.#tenants) {
      if (running.size > 0) continue;
      this.#tenants.delete(name);
      return;
    }
  }
}

class Entry implements FollowedTurn {
  readonly #about: TurnFacts;
  readonly #call: CallFacts;
  readonly #hooks: { readonly changed: () => void; readonly over: () => void };
  /** Grows while the turn runs. */
  #times: Readonly<StageTimes> = {};
  #claimSource: ClaimSource | undefined;
  #workerId: string | undefined;
  #closed: Pick<ClosedTurn, "end" | "reason"> | undefined;

  constructor(about: TurnFacts, call: CallFacts, hooks: { readonly changed: () => void; readonly over: () => void }) {
    this.#about = about;
    this.#call = call;
    this.#hooks = hooks;
  }

  began(times: Readonly<StageTimes>): void {
    this.#times = times;
  }

  claimed({ source, worker }: Pick<Claim, "source" | "worker">): void {
    this.#claimSource = source;
    this.#workerId = worker.id;
    this.#hooks.changed();
  }

  stageLeft(): void {
    this.#hooks.changed();
  }

  milestoneReached(): void {
    this.#hooks.changed();
  }

  closed({ end, reason }: Pick<ClosedTurn, "end" | "reason">): void {
    if (this.#closed !== undefined) return;
    this.#closed = { end, reason };
    this.#hooks.over();
  }

  /** As it is now; does not change afterwards. */
  toRecent(): RecentTurn {
    const end = this.#closed?.end;
    return {
      ...this.#about,
      ...this.#call,
      isRunning: this.#closed === undefined,
      outcome: end?.outcome,
      errorReason: this.#closed?.reason,
      claimSource: this.#claimSource,
      workerId: this.#workerId,
      times: { ...this.#times },
      apiMs: end?.apiMs,
      usage: end?.usage,
      costUsdMicros: end?.costUsdMicros ?? 0,
      costIsEstimate: end?.costIsEstimate ?? false,
    };
  }
}
