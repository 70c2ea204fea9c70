/**
 * The part of the pool that belongs to one profile: its workers, its queue, and what is known of its starts.
 *
 * Hands workers to waiting turns and says which turns have to be refused. Starts and ends no worker: that needs a view
 * over all profiles, which is `worker-pool.ts`.
 */
import { RunnerError, withoutStack } from "../runner-error.ts";
import { attributeNames, instruments } from "../telemetry/instruments.ts";
import { BindingChurn } from "./binding-churn.ts";
import { StartBreaker } from "./breaker.ts";
import type { Claim, ClaimRequest, ClaimSource, Holding, Release } from "./claim.ts";
import { ClaimCounts } from "./claim-counts.ts";
import { type Dedication, dedicationOf, meetingOf, ofSession, sessionKey } from "./dedicated.ts";
import { givenClaim } from "./given-claim.ts";
import { type Matching, type MatchingInput, matchTurns } from "./matching.ts";
import type { PoolOptions, PoolProfile } from "./pool-options.ts";
import { type QueueFullness, TurnQueue, type WaitingTurn } from "./queue.ts";
import { jitteredPushBackMs, QueuePace } from "./queue-pace.ts";
import { Readiness } from "./readiness.ts";
import { needsReset } from "./reset-timing.ts";
import { TenantShares } from "./shares.ts";
import type { ShedReason } from "./shed-reason.ts";
import { shedding } from "./shedding.ts";
import type { ProfileCounts } from "./sizing.ts";
import type { StateCounts } from "./snapshot.ts";
import { SparePace } from "./spare-pace.ts";
import type { Worker } from "./worker.ts";
import { affinityOf, isLiving } from "./worker-state.ts";

/** A change of tenant on a worker is worth it once the other tenant has had so many starts' time more. */
const startsPerCredit = 10;

export interface Refusal<R extends ShedReason = ShedReason> {
  readonly shedReason: R;
  readonly error: RunnerError;
}

export interface ProfilePoolOptions extends Pick<PoolOptions, "settings" | "clock" | "random" | "log" | "tenants"> {
  readonly name: string;
  readonly profile: PoolProfile;
  readonly healthChanged: () => void;
  /** A turn of this tenant has come to the queue or left it. */
  readonly queueChanged: (tenant: string) => void;
  readonly release: (profile: ProfilePool, worker: Worker, how: Release) => void;
}

export class ProfilePool {
  readonly name: string;
  readonly profile: PoolProfile;
  readonly workers = new Set<Worker>();
  readonly queue: TurnQueue<Claim>;
  readonly breaker: StartBreaker;
  readonly sparePace: SparePace;
  readonly readiness: Readiness;
  readonly claimCounts = new ClaimCounts();
  readonly #options: ProfilePoolOptions;
  readonly #shares: TenantShares;
  /** How long starts take, the newest counting for a quarter. */
  #startMs = 0;
  readonly #queuePace = new QueuePace();
  readonly #churn = new BindingChurn();

  constructor(options: ProfilePoolOptions) {
    const { clock, settings, profile } = options;
    this.name = options.name;
    this.profile = profile;
    this.#options = options;
    this.#shares = new TenantShares((tenant) => options.tenants.weightOf(tenant));
    this.breaker = new StartBreaker({ ...settings.pool, cliRecheckIntervalMs: settings.cli.recheckIntervalMs });
    this.sparePace = new SparePace(settings.pool);
    this.readiness = new Readiness(clock, profile.minSpares > 0, options.healthChanged);
    this.queue = new TurnQueue(clock, settings.queue, this.#shares, {
      retryAfterMs: () => this.#pushBackMs(),
      timedOut: (error) => this.#countShed(error.facts.deadlinePassed ? "deadline" : "queue_timeout"),
      changed: options.queueChanged,
    });
  }

  /** Workers as the rules of sizing count them: one that is being checked is what it was before. */
  counts(): ProfileCounts {
    const counts = { starting: 0, startingOwn: 0, spare: 0, boundIdle: 0, claimed: 0, resetting: 0, stopping: 0 };
    for (const { state, dedication } of this.workers) {
      if (state.kind === "exited") continue;
      if (state.kind === "starting" && dedication !== undefined) counts.startingOwn++;
      else counts[state.kind === "checking" ? state.idle.kind : state.kind]++;
    }
    return counts;
  }

  /** Workers by what they are doing, for those who look at the pool. */
  stateCounts(): StateCounts {
    const counts = { starting: 0, spare: 0, boundIdle: 0, checking: 0, claimed: 0, resetting: 0, stopping: 0 };
    for (const { state } of this.workers) if (state.kind !== "exited") counts[state.kind]++;
    return counts;
  }

  /** A worker has started, after so long. */
  started(startMs: number): void {
    this.breaker.succeeded(startMs);
    this.readiness.started();
    this.#startMs += (startMs - this.#startMs) * (this.#startMs === 0 ? 1 : 0.25);
  }

  /** The start of a session's own worker has failed: the turns that it was for fail with it, and whoever asked may try again. */
  ownStartFailed(dedication: Dedication, error: RunnerError): void {
    const key = sessionKey(dedication);
    const shedReason = error.reason === "CLI_UNAVAILABLE" ? "cli_unavailable" : "start_failed";
    for (const turn of [...this.queue]) {
      if (turn.dedication === undefined || sessionKey(turn.dedication) !== key) continue;
      if (error.reason !== "SESSION_SUSPENDED") this.#countShed(shedReason);
      this.queue.refuse(turn, error);
    }
  }

  /**
   * Gives idle workers to waiting turns and says what else there is to do. `placesFor` is asked for how many turns without a
   * worker there is a place, and how many bound idle workers would have to end for the others.
   */
  handOut(placesFor: MatchingInput<WaitingTurn<Claim>, Worker>["placesFor"]): Matching<WaitingTurn<Claim>, Worker> {
    const { clock, settings } = this.#options;
    const creditMs = Math.min(settings.queue.maxOvertakeMs, startsPerCredit * this.#startMs);
    const limits = { ...settings.pool, ...settings.queue, creditMs: Math.max(settings.queue.overtakeMs, creditMs) };
    for (;;) {
      const matching = matchTurns(
        {
          nowMs: clock.now(),
          turns: this.queue,
          workers: this.workers,
          shares: this.#shares,
          freelyBusyCount: this.#freelyBusyCount,
          // As many as could be started and as many idle ones as could be ended for them.
          enoughCount: 2 * this.profile.maxWorkers + 1,
          placesFor,
        },
        limits,
      );
      const overdue = matching.give.filter(({ turn }) => this.queue.isOverdue(turn));
      if (overdue.length === 0) {
        for (const { turn, worker } of matching.give) this.#give(turn, worker);
        return matching;
      }
      for (const { turn } of overdue) this.queue.expire(turn);
    }
  }

  /**
   * Why a turn that comes is refused at once: there is neither a worker for it nor a place to wait. Costs next to nothing,
   * since that is when many come.
   */
  refusalAtOnce(request: ClaimRequest): Refusal | undefined {
    const fullness = this.queue.fullness(request.tenant, this.#isShared);
    return fullness === undefined || this.#hasIdle(request) ? undefined : this.#queueFull(fullness);
  }

  /** Why a turn that has just come may not wait. `isCrowded`: it has to wait until some other turn ends. */
  refusal(turn: WaitingTurn<Claim>, isCrowded: boolean): Refusal | undefined {
    const now = this.#options.clock.now();
    const fullness = this.queue.fullness(turn.tenant, this.#isShared, true);
    const shedReason = shedding({
      hasPlace: fullness === undefined,
      hasHope: () => this.breaker.startsAllowed(now, this.#startingCount) > 0 || this.#hasProspect(turn),
      startsFail: () => this.#startRefusal()?.shedReason,
      isCrowded,
      waitMs: () => this.#queuePace.waitMs(this.queue.position(turn), now),
      leftMs: this.queue.leftMs(turn),
    });
    switch (shedReason) {
      case undefined:
        return undefined;
      case "queue_full":
        return this.#queueFull(fullness!);
      case "start_failed":
      case "cli_unavailable":
        return this.#startRefusal();
      case "wait_too_long":
        return this.#waitTooLong(turn, now);
      default:
        return shedReason satisfies never;
    }
  }

  /** Lets a turn wait for which there is no worker at once. */
  keep(turn: WaitingTurn<Claim>): void {
    if (this.queue.length === 1) this.#queuePace.begin(this.#options.clock.now());
    this.queue.keep(turn);
  }

  /** Refuses the waiting turns that nothing can help as long as starts fail. */
  refuseHopeless(): void {
    const now = this.#options.clock.now();
    if (!this.breaker.isHopeless(now) || this.queue.length === 0 || this.#startingCount > 0) return;
    if (this.breaker.startsAllowed(now, 0) > 0) return;
    for (const turn of [...this.queue]) {
      const refusal = this.#hasProspect(turn) ? undefined : this.#startRefusal();
      if (refusal !== undefined) this.queue.refuse(turn, this.shed(refusal));
    }
  }

  /** Refuses every waiting turn because the server is going. */
  refuseAll(): void {
    for (const turn of [...this.queue]) this.queue.refuse(turn, this.shed(this.drainingRefusal()));
  }

  drainingRefusal(): Refusal {
    const error = new RunnerError("POOL_DRAINING", "the server is shutting down", { retryAfterMs: this.#pushBackMs() });
    return { shedReason: "draining", error };
  }

  /** Counts a refusal and gives its error. */
  shed(refusal: Refusal): RunnerError {
    this.#countShed(refusal.shedReason);
    return refusal.error;
  }

  /** Looks whether the profile still serves. */
  lookAtReadiness(): void {
    const counts = this.counts();
    const hasWorker = counts.spare + counts.boundIdle + counts.claimed + counts.resetting > 0;
    this.readiness.look({ hasWorker, startsFail: this.breaker.isHopeless(this.#options.clock.now()) });
  }

  #give(turn: WaitingTurn<Claim>, worker: Worker): void {
    const { clock, log, release } = this.#options;
    const { request } = turn;
    const now = clock.now();
    const holds: Holding = worker.state.kind === "boundIdle" ? worker.state.holds : { kind: "nothing" };
    const isBound = holds.kind !== "nothing";
    const source = this.#sourceOf(turn, worker);
    worker.claim(request);
    this.#shares.began(request.tenant, now);
    if (turn.endWait !== undefined) this.#queuePace.served(now);
    this.claimCounts.claimed(request.tenant, source);
    if (!isBound) instruments().bindings.add(1, { [attributeNames.profile]: this.name });
    const newBindingCount = this.#churn.claimed(request.tenant, !isBound, now);
    if (newBindingCount !== undefined) {
      log.warn(
        { profile: this.name, tenant: request.tenant, newBindingCount, claimCount: 100 },
        "most turns bring a new system prompt or schema, so workers are not reused: put whatever changes in the prompt",
      );
    }
    this.queue.give(
      turn,
      givenClaim(
        {
          worker: worker.process,
          source,
          holds,
          turnCount: worker.finishedTurnCount,
          queueWaitMs: now - turn.arrivedAtMs,
          queueLengthSeen: turn.lengthSeen,
        },
        {
          finish: () => {
            if (this.profile.reuse) worker.finishing();
          },
          giveBack: (how) => {
            this.#shares.ended(request.tenant, now, clock.now());
            release(this, worker, how);
          },
        },
      ),
    );
  }

  get #startingCount(): number {
    const { starting, startingOwn } = this.counts();
    return starting + startingOwn;
  }

  get #isShared(): boolean {
    return this.#options.tenants.areSeveral(this.name);
  }

  /** So many workers may be busy before the last places are for tenants that have none busy. */
  get #freelyBusyCount(): number {
    const { maxWorkers, keptPlaces } = this.profile;
    return this.#isShared ? Math.max(1, maxWorkers - keptPlaces) : maxWorkers;
  }

  #hasIdle(request: ClaimRequest): boolean {
    const wanted = dedicationOf(request);
    if (wanted !== undefined)
      return ofSession(this.workers, wanted).some((worker) => meetingOf(wanted, worker) === "serves");
    const affinity = affinityOf(request);
    for (const { state, dedication } of this.workers) {
      if (dedication !== undefined) continue;
      if (state.kind === "spare") return true;
      const isItsOwn = state.kind === "boundIdle" && state.affinity === affinity;
      if (isItsOwn && !needsReset(state, request.conversation)) return true;
    }
    return false;
  }

  #queueFull({ waiting, limit, isTenants }: QueueFullness): Refusal {
    const message = isTenants
      ? `this tenant's part of the queue is full: ${waiting} of its turns are waiting, and the places left are for other tenants`
      : `the queue is full: ${waiting} turns are waiting, limit ${limit}`;
    const options = { facts: { waiting, limit }, retryAfterMs: this.#pushBackMs() };
    return { shedReason: "queue_full", error: withoutStack(() => new RunnerError("QUEUE_FULL", message, options)) };
  }

  #sourceOf(turn: WaitingTurn<Claim>, worker: Worker): ClaimSource {
    const isOlder = worker.startOrder < turn.arrivalOrder;
    // One that was started for the turn's session is bound from its start.
    if (worker.state.kind === "boundIdle" && (worker.dedication === undefined || isOlder)) return "REUSED";
    if (isOlder) return "SPARE";
    return this.profile.minSpares === 0 ? "COLD_POOL_OFF" : "COLD_NO_SPARE";
  }

  #waitTooLong(turn: WaitingTurn<Claim>, now: number): Refusal {
    const waiting = this.queue.position(turn);
    const estimatedWaitMs = Math.round(this.#queuePace.waitMs(waiting, now) ?? 0);
    const facts = { waiting, estimatedWaitMs, allowedWaitMs: Math.round(this.queue.leftMs(turn)) };
    const message = `the queue is too long: a turn would wait for about ${facts.estimatedWaitMs} ms, and ${facts.allowedWaitMs} ms are allowed`;
    const error = new RunnerError("QUEUE_FULL", message, { facts, retryAfterMs: this.#pushBackMs() });
    return { shedReason: "wait_too_long", error };
  }

  #startRefusal(): Refusal<"start_failed" | "cli_unavailable"> | undefined {
    const { clock, random } = this.#options;
    const error = this.breaker.refusal(clock.now(), (aboutMs) => jitteredPushBackMs(aboutMs, random));
    if (error === undefined) return undefined;
    return { shedReason: error.reason === "CLI_UNAVAILABLE" ? "cli_unavailable" : "start_failed", error };
  }

  /** Whether some worker that is there may yet serve the turn. */
  #hasProspect(turn: WaitingTurn<Claim>): boolean {
    if (turn.dedication !== undefined)
      return ofSession(this.workers, turn.dedication).some(({ state }) => isLiving(state.kind));
    for (const { state, dedication } of this.workers) {
      if (dedication !== undefined) continue;
      if (!isLiving(state.kind) || state.kind === "starting") continue;
      const idle = state.kind === "checking" ? state.idle : state;
      if (idle.kind === "spare") return true;
      if ("affinity" in idle && idle.affinity === turn.affinity && this.profile.reuse) return true;
    }
    return false;
  }

  #pushBackMs(): number {
    const { clock, random } = this.#options;
    return this.#queuePace.pushBackMs(this.queue.length, clock.now(), random);
  }

  #countShed(reason: ShedReason): void {
    instruments().sheds.add(1, { [attributeNames.shedReason]: reason, [attributeNames.profile]: this.name });
  }
}
