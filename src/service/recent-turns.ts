/**
 * The turns of each tenant that run now or ended lately: how each got its worker, where its time went, how it ended.
 *
 * For the view of the pool, in memory only, and bounded: so many ended turns of a tenant, so many tenants. Keeps ids,
 * names, times and numbers; no prompt, no answer. Whose turns a caller sees is decided in `pool-service.ts`.
 */

import type { Claim, ClaimSource } from "../pool/claim.ts";
import type { RunnerReason } from "../runner-error.ts";
import type { Turn } from "../turn.ts";
import type { Outcome, TurnEnd } from "../turn-end.ts";
import type { Usage } from "../usage.ts";
import type { StageTimes } from "./stages.ts";

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
type TraceFacts = Pick<RecentTurn, "arrivedAtMs" | "arrivedAtWallMs" | "traceId" | "times">;

/** A turn as it is followed while it runs. */
export interface FollowedTurn {
  /** It has a worker. One that dies before it has the prompt is followed by another. */
  claimed(claim: Pick<Claim, "source" | "worker">): void;
  /** A stage is over, and in the times that were given at the beginning. */
  stageOver(): void;
  /** It is over: with an end when it had begun, with a reason when it failed or was refused. */
  ended(end: TurnEnd | undefined, reason: RunnerReason | undefined): void;
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

  /** Follows a turn from now on. `times` is looked at whenever it is asked for; it holds the stages that are over. */
  begin(turn: Pick<Turn, "id" | "tenant" | "profile" | "settings">, trace: TraceFacts): FollowedTurn {
    const tenant = this.#tenants.get(turn.tenant) ?? { running: new Set(), ended: [] };
    // A Map keeps the order of insertion: now this tenant is the last.
    this.#tenants.delete(turn.tenant);
    this.#tenants.set(turn.tenant, tenant);
    const changed = () => this.#changed(turn.tenant);
    // Not the turn itself: that holds the prompt.
    const about = { turnId: turn.id, profile: turn.profile, model: turn.settings.model };
    const entry: Entry = new Entry(about, trace, {
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
  readonly #trace: TraceFacts;
  readonly #hooks: { readonly changed: () => void; readonly over: () => void };
  #claimSource: ClaimSource | undefined;
  #workerId: string | undefined;
  #over: { readonly end: TurnEnd | undefined; readonly reason: RunnerReason | undefined } | undefined;

  constructor(about: TurnFacts, trace: TraceFacts, hooks: { readonly changed: () => void; readonly over: () => void }) {
    this.#about = about;
    this.#trace = trace;
    this.#hooks = hooks;
  }

  claimed({ source, worker }: Pick<Claim, "source" | "worker">): void {
    this.#claimSource = source;
    this.#workerId = worker.id;
    this.#hooks.changed();
  }

  stageOver(): void {
    this.#hooks.changed();
  }

  ended(end: TurnEnd | undefined, reason: RunnerReason | undefined): void {
    if (this.#over !== undefined) return;
    this.#over = { end, reason };
    this.#hooks.over();
  }

  /** As it is now; does not change afterwards. */
  toRecent(): RecentTurn {
    const end = this.#over?.end;
    return {
      ...this.#about,
      ...this.#trace,
      isRunning: this.#over === undefined,
      outcome: end?.outcome,
      errorReason: this.#over?.reason,
      claimSource: this.#claimSource,
      workerId: this.#workerId,
      times: { ...this.#trace.times },
      apiMs: end?.apiMs,
      usage: end?.usage,
      costUsdMicros: end?.costUsdMicros ?? 0,
      costIsEstimate: end?.costIsEstimate ?? false,
    };
  }
}
