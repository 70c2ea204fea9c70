/**
 * The pool: sole owner of the workers of all profiles.
 *
 * Everything that happens (a turn comes, a worker becomes idle or ends, time passes) leads to one function, `#serve`,
 * which looks at how things are, decides by pure functions and carries out. It runs to its end without waiting for
 * anything, so no two decisions see the same place free. The pool knows `WorkerProcess` and nothing of what is behind it.
 */
import type { CancelTimer } from "../clock.ts";
import type { RunnerError } from "../runner-error.ts";
import type { Claim, ClaimRequest, KeptConversations, Release, WorkerPool } from "./claim.ts";
import { evictedFirst } from "./eviction.ts";
import { Inventory } from "./inventory.ts";
import { isIdleOutdated, isOutdated } from "./outdated.ts";
import { parkedTooMany } from "./parking.ts";
import type { PoolOptions } from "./pool-options.ts";
import { ProfilePool } from "./profile-pool.ts";
import type { WaitingTurn } from "./queue.ts";
import { hasRoomForAll, placesFor, placesToFreeForSpares, workersToEndForMemory, workersToStart } from "./sizing.ts";
import type { PoolSnapshot } from "./snapshot.ts";
import { startsFor, wantingOf } from "./starts-for.ts";
import { Upkeep } from "./upkeep.ts";
import type { Worker } from "./worker.ts";
import { fateOf, holdersOf, type WorkerFate } from "./worker-fate.ts";
import { WorkerLives } from "./worker-life.ts";

/**
 * Told that something of this tenant's may have changed; `undefined`: something that is nobody's, or of all. Called in
 * the middle of a change: it may note that and nothing more, least of all ask the pool.
 */
export type ActivityListener = (tenant: string | undefined) => void;

/** A bound worker that was not used for so long gives its place to a missing spare. */
const placeForSparesAfterMs = 60_000;

type Phase = "open" | "draining" | "stopped";

export class Pool implements WorkerPool, KeptConversations {
  readonly #options: PoolOptions;
  readonly #profiles: ReadonlyMap<string, ProfilePool>;
  readonly #inventory: Inventory;
  readonly #lives: WorkerLives;
  readonly #upkeep: Upkeep;
  readonly #listeners = new Set<() => void>();
  readonly #activityListeners = new Set<ActivityListener>();
  readonly #drained = Promise.withResolvers<void>();
  #idleWorkers: "stay" | "end" = "stay";
  #phase: Phase = "open";
  #stopped: Promise<void> | undefined;
  #lastOrder = 0;
  /** Rises with each `#serve`, so that no profile is always the first to be served. */
  #round = 0;
  #wake: { readonly atMs: number; readonly cancel: CancelTimer } | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#profiles = new Map(
      Object.entries(options.profiles).map(([name, profile]) => [
        name,
        new ProfilePool({
          ...options,
          name,
          profile,
          healthChanged: () => this.#healthChanged(),
          queueChanged: (tenant) => this.#active(tenant),
          release: (owner, worker, how) => this.#release(owner, worker, how),
        }),
      ]),
    );
    const profiles = [...this.#profiles.values()];
    this.#inventory = new Inventory(options.clock, options.settings.pool, profiles, (tenant) =>
      options.tenants.weightOf(tenant),
    );
    this.#lives = new WorkerLives({
      ...options,
      nextOrder: () => ++this.#lastOrder,
      active: (tenant) => this.#active(tenant),
      serve: () => this.#serve(),
    });
    this.#upkeep = new Upkeep({
      clock: options.clock,
      settings: options.settings.pool,
      profiles,
      excessBytes: () => this.#inventory.excessBytes(),
      evictedFirst: () => this.#inventory.evictedFirst(),
      reset: (worker) => void this.#lives.reset(worker),
      done: () => {
        this.#serve();
        this.#active(undefined); // memory was measured
      },
    });
  }

  /** Starts the spares, and the looking after. */
  start(): void {
    if (this.#phase !== "open") return;
    this.#upkeep.start();
    this.#serve();
  }

  /** What a claim would be refused with at once, counted as refused; for those who have something to do before they claim. */
  refusalAtOnce(request: ClaimRequest): RunnerError | undefined {
    return this.#refusalAtOnce(this.#profile(request), request);
  }

  #refusalAtOnce(profile: ProfilePool, request: ClaimRequest): RunnerError | undefined {
    if (request.signal.aborted) return undefined;
    const refusal = profile.refusalAtOnce(request);
    return refusal && profile.shed(refusal);
  }

  #profile({ profile: name }: ClaimRequest): ProfilePool {
    const profile = this.#profiles.get(name);
    if (profile === undefined) throw new Error(`bug: the pool has no profile ${name}`);
    return profile;
  }

  async claim(request: ClaimRequest): Promise<Claim> {
    const profile = this.#profile(request);
    if (this.#phase !== "open") throw profile.shed(profile.drainingRefusal());
    const refusalAtOnce = this.#refusalAtOnce(profile, request);
    if (refusalAtOnce !== undefined) throw refusalAtOnce;
    const turn = profile.queue.enter(request, ++this.#lastOrder);
    // Whoever is idle is given out first, in the queue's order, and only then is it asked whether the turn may wait: in
    // one breath, so that no other turn comes between.
    const { unfitted, held } = this.#handOut(profile);
    if (profile.queue.has(turn)) {
      const now = this.#inventory.sizing(profile, wantingOf([...unfitted, ...held], profile.workers));
      const isCrowded = !hasRoomForAll(now, profile.profile);
      const refusal = profile.refusal(turn, isCrowded);
      if (refusal !== undefined) {
        profile.queue.withdraw(turn);
        throw profile.shed(refusal);
      }
      profile.keep(turn);
    }
    this.#serve();
    return turn.outcome.promise;
  }

  async forget(isGone: (conversation: string) => boolean): Promise<void> {
    const { reset, end } = holdersOf(this.#inventory.workers(), isGone);
    for (const worker of end) worker.stop("session_deleted");
    const forgotten = [...reset.map((worker) => this.#lives.reset(worker)), ...end.map(({ gone }) => gone)];
    this.#serve();
    await Promise.all(forgotten);
  }

  /** Looks at once whether idle workers are outdated, and replaces them. */
  replaceOutdated(): void {
    this.#serve();
  }

  /** Whether new turns are served: the pool is not draining, and at least one profile is ready. */
  isServing(): boolean {
    return this.#phase === "open" && [...this.#profiles.values()].some(({ readiness }) => readiness.isReady);
  }

  /** Whether new turns of one profile are served. */
  isReady(profile: string): boolean {
    return this.#phase === "open" && (this.#profiles.get(profile)?.readiness.isReady ?? false);
  }

  /** Calls `listener` after every change of what `isServing` or `isReady` say. Returns how to end that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /**
   * Calls `listener` whenever something that a snapshot tells may have changed: several times for one turn, so it has to
   * be cheap. Returns how to end that.
   */
  onActivity(listener: ActivityListener): () => void {
    this.#activityListeners.add(listener);
    return () => {
      this.#activityListeners.delete(listener);
    };
  }

  snapshot(): PoolSnapshot {
    const { usedBytes, limitBytes } = this.#inventory.memory();
    const workers = this.#inventory.workers().sort((one, other) => one.startOrder - other.startOrder);
    return {
      isServing: this.isServing(),
      isDraining: this.#phase !== "open",
      memoryBytes: usedBytes,
      memoryLimitBytes: limitBytes,
      maxWaitingCount: this.#options.settings.queue.maxLength,
      profiles: [...this.#profiles.values()].map((profile) => ({
        profile: profile.name,
        isReady: this.isReady(profile.name),
        minSpares: profile.profile.minSpares,
        maxWorkers: profile.profile.maxWorkers,
        workers: profile.stateCounts(),
        waitingCount: profile.queue.length,
        waiting: profile.queue.waiting(),
        claims: profile.claimCounts.snapshot(),
        starts: profile.breaker.kind,
      })),
      workers: workers.flatMap((worker) => worker.snapshot() ?? []),
    };
  }

  /**
   * Serves every turn that is there or comes, and keeps no worker for later ones: idle ones end, and others are started
   * for turns only. For a server that another one has taken over from.
   */
  windDown(): void {
    this.#idleWorkers = "end";
    this.#serve();
  }

  /**
   * Takes no new turns, refuses those that wait and ends the workers that nobody uses. Running turns go on; settles when
   * the last one has given its worker back.
   */
  drain(): Promise<void> {
    if (this.#phase === "open") {
      this.#phase = "draining";
      this.#upkeep.stop();
      this.#cancelWake();
      for (const profile of this.#profiles.values()) {
        profile.readiness.stop();
        profile.refuseAll();
        for (const worker of profile.workers) if (worker.state.kind !== "claimed") worker.stop("drained");
      }
      this.#healthChanged();
      this.#lookWhetherDrained();
    }
    return this.#drained.promise;
  }

  /** Drains, ends every worker, also those in mid-turn, and settles when nothing of them is left. Twice is fine. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    void this.drain();
    this.#phase = "stopped";
    const workers = this.#inventory.workers();
    for (const worker of workers) worker.stop("stopped");
    await Promise.all(workers.map(({ gone }) => gone));
  }

  // ---- Decide, then do ------------------------------------------------------------------------------------------

  #serve(): void {
    if (this.#phase !== "open") {
      this.#lookWhetherDrained();
      return;
    }
    const all = [...this.#profiles.values()];
    const first = this.#round++ % all.length;
    const profiles = [...all.slice(first), ...all.slice(0, first)];

    const plans = profiles.map((profile) => {
      const matching = this.#handOut(profile);
      profile.refuseHopeless();
      for (const worker of matching.evict) worker.stop("evicted");
      return { profile, ...matching };
    });
    // Waiting turns come before spares, whoever's they are.
    for (const { profile, unfitted } of plans) this.#startForTurns(profile, unfitted);
    for (const { profile, unfitted } of plans) {
      if (this.#idleWorkers === "stay") this.#startSpares(profile, unfitted);
      else if (unfitted.length === 0) this.#endIdle(profile);
    }
    for (const profile of profiles) profile.lookAtReadiness();
    const now = this.#options.clock.now();
    const moments = plans.flatMap(({ profile, lookAgainAtMs }) => [
      lookAgainAtMs,
      profile.breaker.nextStartAtMs,
      profile.sparePace.nextSpareAtMs,
    ]);
    this.#wakeAt(Math.min(...moments.filter((atMs) => atMs !== undefined && atMs > now).map(Number)));
  }

  #handOut(profile: ProfilePool): ReturnType<ProfilePool["handOut"]> {
    for (const worker of profile.workers) if (isIdleOutdated(worker)) worker.stop("outdated");
    const matching = profile.handOut((wanting) =>
      wanting.anyCount + wanting.ownCount === 0
        ? { coveredCount: 0, endCount: 0 }
        : placesFor(this.#inventory.sizing(profile, wanting), profile.profile),
    );
    for (const worker of matching.supersede) worker.stop("superseded");
    const { checkTimeoutMs } = this.#options.settings.pool;
    for (const worker of matching.check) void worker.check(checkTimeoutMs).then(() => this.#serve());
    for (const worker of matching.reset) void this.#lives.reset(worker);
    return matching;
  }

  #startForTurns(profile: ProfilePool, unfitted: readonly WaitingTurn<Claim>[]): void {
    if (unfitted.length === 0) return;
    const wanting = wantingOf(unfitted, profile.workers);
    const now = this.#inventory.sizing(profile, wanting);
    const endCount = workersToEndForMemory(now, profile.profile, this.#inventory.count("stopping"));
    if (endCount > 0) {
      const ended = this.#inventory.evictedForTurnsOf(profile, wanting).slice(0, endCount);
      for (const worker of ended) worker.stop("evicted");
    }
    const count = workersToStart(this.#inventory.sizing(profile, wanting), profile.profile, 0);
    for (const turn of startsFor(unfitted, now.counts.starting, count)) void this.#lives.live(profile, turn);
  }

  #startSpares(profile: ProfilePool, unfitted: readonly WaitingTurn<Claim>[]): void {
    const { minSpares } = profile.profile;
    const wanting = wantingOf(unfitted, profile.workers);
    const now = this.#inventory.sizing(profile, wanting);
    const endCount = placesToFreeForSpares(now, profile.profile);
    if (endCount > 0) {
      const longAgoMs = this.#options.clock.now() - placeForSparesAfterMs;
      const unused = evictedFirst([profile]).filter(({ state }) => state.sinceMs <= longAgoMs);
      for (const worker of unused.slice(0, endCount)) worker.stop("evicted");
    }
    // While starts fail one is tried now and then also when nobody needs it: who else would find out that they work?
    const target = profile.breaker.kind === "normal" ? minSpares : Math.max(minSpares, now.counts.spare + 1);
    const wanted = workersToStart(this.#inventory.sizing(profile, wanting), profile.profile, target);
    const allowed = profile.sparePace.sparesAllowed(this.#options.clock.now(), profile.counts().starting);
    this.#start(profile, Math.min(wanted, allowed));
  }

  #endIdle(profile: ProfilePool): void {
    for (const worker of profile.workers) {
      if (worker.state.kind === "spare" || worker.state.kind === "boundIdle") worker.stop("drained");
    }
  }

  #start(profile: ProfilePool, count: number): void {
    for (let i = 0; i < count; i++) void this.#lives.live(profile);
  }

  #release(profile: ProfilePool, worker: Worker, how: Release): void {
    if (worker.state.kind !== "claimed") return; // It died, or the pool was stopped.
    switch (how.kind) {
      case "discard":
        worker.stop(how.why);
        break;
      case "finished": {
        worker.countTurn();
        profile.sparePace.proved(worker.startedAtMs);
        const { settings, clock } = this.#options;
        const rules = {
          isOpen: this.#phase === "open",
          isOutdated: isOutdated(worker),
          profile: profile.profile,
          limits: settings.pool,
          nowMs: clock.now(),
        };
        this.#dispose(profile, worker, fateOf(worker, how.conversation, rules));
        break;
      }
      default:
        how satisfies never;
    }
    this.#serve();
  }

  #dispose(profile: ProfilePool, worker: Worker, fate: WorkerFate): void {
    switch (fate.kind) {
      case "ended":
        worker.stop(fate.why);
        break;
      case "reset":
        void this.#lives.reset(worker);
        break;
      case "kept":
        worker.keep(fate.conversation);
        for (const longest of parkedTooMany(profile.workers, profile.profile)) longest.stop("parked_surplus");
        break;
      default:
        fate satisfies never;
    }
  }

  #lookWhetherDrained(): void {
    if (this.#phase !== "open" && this.#inventory.count("claimed") === 0) this.#drained.resolve();
  }

  #healthChanged(): void {
    for (const listener of this.#listeners) listener();
    this.#active(undefined);
  }

  #active(tenant: string | undefined): void {
    for (const listener of this.#activityListeners) listener(tenant);
  }

  #wakeAt(atMs: number): void {
    if (this.#wake?.atMs === atMs) return;
    this.#cancelWake();
    if (atMs === Infinity) return;
    const cancel = this.#options.clock.after(atMs - this.#options.clock.now(), () => {
      this.#wake = undefined;
      this.#serve();
    });
    this.#wake = { atMs, cancel };
  }

  #cancelWake(): void {
    this.#wake?.cancel();
    this.#wake = undefined;
  }
}
