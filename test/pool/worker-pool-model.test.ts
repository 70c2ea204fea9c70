/**
 * Whatever happens in whatever order, some things are always true of the pool. fast-check makes up the order.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Claim, Release, SessionClaim } from "../../src/pool/claim.ts";
import type { PoolProfile } from "../../src/pool/pool-options.ts";
import { RunnerError } from "../../src/runner-error.ts";
import type { InMemoryWorker } from "./in-memory-worker.ts";
import { PoolUnderTest } from "./pool-under-test.ts";

/** MODEL_RUNS=20000 looks for hours. */
const numRuns = Number(process.env.MODEL_RUNS ?? 100);

const maxLength = 5;

interface Turn {
  readonly tenant: string;
  readonly bindingKey: string;
  readonly conversation: string | undefined;
  /** The session whose worker it needs. */
  readonly session: string | undefined;
  readonly model: string | undefined;
  readonly abort: AbortController;
  /** When the caller cancelled. */
  isCancelled: boolean;
  settleCount: number;
  claim: Claim | undefined;
  error: unknown;
  isReleased: boolean;
  /** Whether it has said that it is over. */
  isFinishing: boolean;
  /** Whether it got a worker though it was cancelled or over. */
  isLate: boolean;
}

/** The pool beside what must be true of it. */
class World {
  readonly t: PoolUnderTest;
  readonly profile: PoolProfile;
  readonly turns: Turn[] = [];
  /** The tenant whose turn a worker ran. */
  readonly tenantOf = new Map<string, string>();
  readonly bindingOf = new Map<string, string>();
  /** What a worker has kept, and how often it had been reset by then. */
  readonly conversationOf = new Map<string, { readonly id: string; readonly resetCount: number }>();
  /** How many turns of a session have finished: names its conversation. */
  readonly sessionTurnCount = new Map<string, number>();
  isDraining = false;
  /** Whom the pool has told of activity since the last look. `undefined`: everybody. */
  readonly told = new Set<string | undefined>();
  /** What each tenant may know of the pool, at the last look. */
  known: ReadonlyMap<string, string>;

  constructor(profile: PoolProfile) {
    this.profile = profile;
    this.t = new PoolUnderTest({
      profiles: { default: profile },
      pool: { maxStartingWorkers: 2, startFailuresToBreak: 3, maxTurnsPerWorker: 6, resetWaitMs: 50 },
      queue: { maxLength, timeoutMs: 20_000 },
      worker: { startMs: 300, resetMs: 20, stopMs: 100 },
      tenants: { areSeveral: () => true, weightOf: (tenant) => (tenant === "acme" ? 2 : 1) },
    });
    this.known = this.toBeKnown();
    this.t.pool.onActivity((tenant) => this.told.add(tenant));
    this.t.pool.start();
  }

  /** One turn of a session at a time, as its lease has it. */
  submitToSession(tenant: string, name: string, model: string, timeoutMs: number): void {
    const session = `${tenant}-${name}`;
    if (this.turns.some((turn) => turn.session === session && !turn.isReleased && turn.error === undefined)) return;
    const conversation = `${session}@${this.sessionTurnCount.get(session) ?? 0}`;
    const launch = { cliSessionId: session, model, effort: "medium", binding: {} } as const;
    this.submit(tenant, "b1", timeoutMs, conversation, { conversation, launch });
  }

  submit(tenant: string, bindingKey: string, timeoutMs: number, conversation?: string, session?: SessionClaim): void {
    const turn: Turn = {
      tenant,
      bindingKey,
      conversation,
      session: session?.launch.cliSessionId,
      model: session?.launch.model,
      abort: new AbortController(),
      isCancelled: false,
      settleCount: 0,
      claim: undefined,
      error: undefined,
      isReleased: false,
      isFinishing: false,
      isLate: false,
    };
    this.turns.push(turn);
    const { signal } = turn.abort;
    const deadlineMs = this.t.clock.now() + timeoutMs;
    const request = { tenant, bindingKey, signal, deadlineMs };
    this.t.claim({ ...request, ...(session ? { session } : { conversation }) }).then(
      (claim) => {
        turn.settleCount++;
        turn.claim = claim;
        turn.isLate = turn.isCancelled || this.t.clock.now() >= deadlineMs;
      },
      (error: unknown) => {
        turn.settleCount++;
        turn.error = error;
      },
    );
  }

  running(): Turn[] {
    return this.turns.filter(({ claim, isReleased }) => claim !== undefined && !isReleased);
  }

  waiting(): Turn[] {
    return this.turns.filter(({ settleCount }) => settleCount === 0);
  }

  living(): InMemoryWorker[] {
    return this.t.workers.filter(({ exit }) => exit === undefined);
  }

  release(turn: Turn, how: Release): void {
    const { claim } = turn;
    if (claim === undefined) return;
    // The turn reached the worker: it is this tenant's from now on.
    const { id } = claim.worker;
    const worker = this.t.workers.find((one) => one.id === id)!;
    expect(this.tenantOf.get(id) ?? turn.tenant, "no worker changes its tenant").toBe(turn.tenant);
    expect(this.bindingOf.get(id) ?? turn.bindingKey, "no worker changes its binding").toBe(turn.bindingKey);
    expect(worker.session?.cliSessionId, "a session's worker serves that session, and no other worker does").toBe(
      turn.session,
    );
    if (turn.session !== undefined) {
      expect(worker.session?.model, "and only with the model that it was launched for").toBe(turn.model);
      this.releaseOwn(turn, turn.session, claim, how);
      return;
    }
    const kept = this.conversationOf.get(id);
    const holds =
      kept !== undefined && kept.resetCount === worker.resetCount
        ? { kind: "conversation", id: turn.conversation }
        : { kind: this.bindingOf.has(id) ? "binding" : "nothing" };
    expect(claim.holds, "no turn meets a conversation that it has not asked for").toEqual(holds);
    this.tenantOf.set(id, turn.tenant);
    this.bindingOf.set(id, turn.bindingKey);
    const conversation = how.kind === "finished" && this.profile.keepConversationMs > 0 ? how.conversation : undefined;
    if (conversation === undefined) this.conversationOf.delete(id);
    else this.conversationOf.set(id, { id: conversation, resetCount: worker.resetCount });
    turn.isReleased = true;
    claim.release(how);
  }

  releaseOwn(turn: Turn, session: string, claim: Claim, how: Release): void {
    expect(claim.holds, "its worker has what the turn goes on with").toEqual({
      kind: "conversation",
      id: turn.conversation,
    });
    this.tenantOf.set(claim.worker.id, turn.tenant);
    this.bindingOf.set(claim.worker.id, turn.bindingKey);
    turn.isReleased = true;
    // Whatever came of it, the conversation is another one now.
    const count = (this.sessionTurnCount.get(session) ?? 0) + 1;
    const isKept = how.kind === "finished" && how.conversation !== undefined;
    // What its worker has may not be what the session goes on with, such as after a turn that was dropped.
    this.sessionTurnCount.set(session, isKept && how.conversation === "c2" ? count + 1 : count);
    claim.release(isKept ? { kind: "finished", conversation: `${session}@${count}` } : how);
  }

  check(): void {
    const { maxWorkers } = this.profile;
    const { workers, waitingCount } = this.t.profile();
    const claimed = this.running().map(({ claim }) => claim?.worker.id);
    expect(new Set(claimed).size, "no worker serves two turns").toBe(claimed.length);
    expect(workers.claimed, "no more turns run than there may be workers").toBeLessThanOrEqual(maxWorkers);
    const { stopping, ...living } = workers;
    const livingCount = Object.values(living).reduce((sum, count) => sum + count, 0);
    expect(livingCount).toBeLessThanOrEqual(maxWorkers);
    expect(livingCount + stopping, "few workers are replaced before they are gone").toBeLessThanOrEqual(
      maxWorkers + Math.floor(maxWorkers / 4),
    );
    expect(workers.starting).toBeLessThanOrEqual(2);
    expect(waitingCount, "the queue is bounded").toBeLessThanOrEqual(maxLength);
    expect(waitingCount, "the pool waits for whom it was asked").toBe(this.waiting().length);
    for (const turn of this.turns) {
      expect(turn.settleCount, "a claim settles once").toBeLessThanOrEqual(1);
      expect(turn.isLate, "a cancelled or expired turn never starts").toBe(false);
    }
    for (const turn of this.waiting()) expect(turn.isCancelled, "a cancelled turn leaves").toBe(false);
    const sessions = this.living().flatMap(({ session }) => session?.cliSessionId ?? []);
    expect(new Set(sessions).size, "no session has two workers").toBe(sessions.length);
    const parked = this.living().filter((worker) => worker.session && this.lastStateOf(worker) === "bound_idle");
    const mayBeParked = this.profile.parkedIdleMs > 0 ? this.profile.maxParkedWorkers : 0;
    // One that has just started for a turn that has gone is parked without having served it.
    const unused = parked.filter(({ id }) => !this.tenantOf.has(id));
    expect(parked.length - unused.length, "few workers are parked").toBeLessThanOrEqual(mayBeParked);
    this.checkNobodyIsForgotten();
    this.checkActivityIsTold();
  }

  /** Whoever watches the pool misses nothing. */
  checkActivityIsTold(): void {
    const now = this.toBeKnown();
    for (const [whose, part] of now) {
      if (part === this.known.get(whose)) continue;
      const isTold = this.told.has(undefined) || (whose === "all" ? this.told.size > 0 : this.told.has(whose));
      expect(isTold, `a change that ${whose} can see is told`).toBe(true);
    }
    this.known = now;
    this.told.clear();
  }

  toBeKnown(): ReadonlyMap<string, string> {
    const { profiles, workers, memoryBytes, ...rest } = this.t.pool.snapshot();
    const parts = new Map([["all", JSON.stringify([rest, profiles, workers, memoryBytes])]]);
    for (const tenant of ["acme", "zeta"]) {
      const mine = workers.filter((worker) => worker.tenant === tenant || worker.tenant === undefined);
      const [profile] = profiles;
      const waiting = profile?.waiting.find((of) => of.tenant === tenant);
      const claims = profile?.claims.byTenant.get(tenant);
      parts.set(tenant, JSON.stringify([rest, mine, waiting, claims, profile?.isReady, profile?.starts]));
    }
    return parts;
  }

  /**
   * No lost wake-up: nobody waits while a worker that fits is idle. Except for a moment, beside an idle spare, for a
   * worker of the turn's own binding that is finishing, being reset or checked: one turn for one such worker; and except
   * for the places that are kept. A worker that has kept a conversation counts as idle unless another is about to be.
   */
  checkNobodyIsForgotten(): void {
    const idleAffinities = new Set<string>();
    const keptAffinities = new Set<string>();
    const comingCounts = new Map<string, number>();
    let idleSpareCount = 0;
    const parked = new Set<string>();
    for (const worker of this.living()) {
      if (worker.session !== undefined) {
        if (this.lastStateOf(worker) === "bound_idle") parked.add(worker.session.cliSessionId);
        continue;
      }
      const affinity = `${this.tenantOf.get(worker.id)} ${this.bindingOf.get(worker.id)}`;
      const state = this.lastStateOf(worker);
      if (state === "spare") idleSpareCount++;
      if (state === "bound_idle") {
        const hasKept = this.conversationOf.get(worker.id)?.resetCount === worker.resetCount;
        (hasKept ? keptAffinities : idleAffinities).add(affinity);
      }
      if (state === "resetting" || state === "checking") {
        comingCounts.set(affinity, (comingCounts.get(affinity) ?? 0) + 1);
      }
    }
    for (const { tenant, bindingKey, isFinishing, session } of this.running()) {
      if (session !== undefined) continue;
      const affinity = `${tenant} ${bindingKey}`;
      if (isFinishing) comingCounts.set(affinity, (comingCounts.get(affinity) ?? 0) + 1);
    }
    // The last places are for tenants that have no busy worker.
    const { claimed, resetting } = this.t.counts();
    const { maxWorkers, keptPlaces } = this.profile;
    // One that is started for a session has its turn already. Until then the log names it otherwise.
    const startingOwn = this.living().filter((worker) => worker.session && this.lastStateOf(worker) === undefined);
    if (claimed + resetting + startingOwn.length >= Math.max(1, maxWorkers - keptPlaces)) return;
    for (const { tenant, bindingKey, session } of this.waiting()) {
      if (session !== undefined) {
        expect(parked, "no turn waits beside its session's worker").not.toContain(session);
        continue;
      }
      const affinity = `${tenant} ${bindingKey}`;
      expect(idleAffinities, "no turn that fits an idle worker waits").not.toContain(affinity);
      const comingCount = comingCounts.get(affinity) ?? 0;
      if (comingCount > 0) {
        comingCounts.set(affinity, comingCount - 1);
        continue;
      }
      expect(keptAffinities, "no turn waits beside a worker that it could have after a reset").not.toContain(affinity);
      expect(idleSpareCount, "no turn waits beside a spare").toBe(0);
    }
  }

  lastStateOf(worker: InMemoryWorker): unknown {
    return this.t.logLines.findLast(({ fields }) => fields.workerId === worker.id && "to" in fields)?.fields.to;
  }

  /** Everything ends, and nothing is left. */
  async end(): Promise<void> {
    const stopped = this.t.pool.stop();
    await this.t.clock.advance(25_000);
    await stopped;
    for (const turn of this.turns) {
      expect(turn.settleCount, "every claim settles exactly once").toBe(1);
      if (turn.error !== undefined && !turn.isCancelled) expect(turn.error).toBeInstanceOf(RunnerError);
      turn.claim?.release({ kind: "finished" });
    }
    expect(this.living(), "no worker is left").toEqual([]);
    expect(this.t.clock.pendingTimerCount, "no timer is left").toBe(0);
  }
}

interface Model {
  readonly isDraining: boolean;
}
type Command = fc.AsyncCommand<Model, World>;

/** A step, then time for what hangs on it, then the checks. */
function command(name: string, act: (world: World) => void | Promise<void>): Command {
  return {
    check: () => true,
    async run(_, world) {
      await act(world);
      await world.t.clock.settle();
      world.check();
    },
    toString: () => name,
  };
}

const pick = <T>(list: readonly T[], index: number): T | undefined => list[index % Math.max(1, list.length)];

const releases: readonly Release[] = [
  { kind: "finished" },
  { kind: "finished" },
  { kind: "finished" },
  { kind: "finished", conversation: "c1" },
  { kind: "finished", conversation: "c2" },
  { kind: "discard", why: "preparation_failed" },
];

const commands = [
  fc
    .tuple(
      fc.constantFrom("acme", "zeta"),
      fc.constantFrom("b1", "b2"),
      fc.constantFrom(200, 5_000, 600_000),
      fc.constantFrom(undefined, undefined, "c1", "c2"),
    )
    .map(([tenant, binding, timeoutMs, conversation]) =>
      command(`claim(${tenant}, ${binding}, ${timeoutMs}, ${conversation ?? "none"})`, (world) =>
        world.submit(tenant, binding, timeoutMs, conversation),
      ),
    ),
  fc
    .tuple(
      fc.constantFrom("acme", "zeta"),
      fc.constantFrom("s1", "s1", "s2"),
      fc.constantFrom("m1", "m1", "m1", "m2"),
      fc.constantFrom(200, 600_000),
    )
    .map(([tenant, session, model, timeoutMs]) =>
      command(`claimOwn(${tenant}, ${session}, ${model}, ${timeoutMs})`, (world) =>
        world.submitToSession(tenant, session, model, timeoutMs),
      ),
    ),
  fc.tuple(fc.constantFrom("m1", "m1", "m2"), fc.constantFrom("c1", "c1", "c2")).map(([model, conversation]) =>
    command(`ownTurn(${model}, ${conversation})`, async (world) => {
      world.submitToSession("acme", "s1", model, 10_000);
      const turn = world.turns.at(-1);
      await world.t.clock.advance(1_000);
      if (turn?.session !== undefined && !turn.isReleased) world.release(turn, { kind: "finished", conversation });
    }),
  ),
  fc.nat(9).map((index) =>
    command(`forget(${index})`, (world) => {
      const sessions = [...world.sessionTurnCount];
      const [session, count] = pick(sessions, index) ?? [];
      if (session !== undefined) void world.t.pool.forget((held) => held === `${session}@${count}`);
    }),
  ),
  fc.nat(9).map((index) =>
    command(`cancel(${index})`, (world) => {
      const turn = pick(world.waiting(), index);
      if (turn === undefined) return;
      turn.isCancelled = true;
      turn.abort.abort(new Error("cancelled"));
    }),
  ),
  fc.tuple(fc.nat(9), fc.constantFrom(...releases)).map(([index, how]) =>
    command(`release(${index}, ${how.kind})`, (world) => {
      const turn = pick(world.running(), index);
      if (turn !== undefined) world.release(turn, how);
    }),
  ),
  fc.nat(9).map((index) =>
    command(`finishing(${index})`, (world) => {
      const turn = pick(world.running(), index);
      if (turn === undefined) return;
      turn.isFinishing = true;
      turn.claim?.finishing();
    }),
  ),
  fc.nat(9).map((index) =>
    command(`releaseUnclean(${index})`, (world) => {
      const turn = pick(world.running(), index);
      const worker = world.t.workers.find(({ id }) => id === turn?.claim?.worker.id);
      if (turn === undefined || worker === undefined) return;
      worker.resetOutcome = { clean: false, why: "foreign_turn" };
      world.release(turn, { kind: "finished" });
    }),
  ),
  fc.nat(9).map((index) => command(`die(${index})`, (world) => pick(world.living(), index)?.die())),
  fc.nat(9).map((index) =>
    command(`fallSilent(${index})`, (world) => {
      const worker = pick(world.living(), index);
      if (worker !== undefined) worker.isSilent = true;
    }),
  ),
  fc.constantFrom(undefined, "WORKER_START_FAILED" as const, "CLI_UNAVAILABLE" as const).map((reason) =>
    command(`startsFail(${reason ?? "no"})`, (world) => {
      world.t.startError = reason && new RunnerError(reason, "made up");
    }),
  ),
  fc
    .constantFrom(1, 20, 100, 300, 1_000, 16_000)
    .map((ms) => command(`advance(${ms})`, (world) => world.t.clock.advance(ms))),
  fc.constantFrom(10, 40_000).map((ms) =>
    command(`block(${ms})`, async (world) => {
      // The event loop was blocked, and what was waiting to happen comes before the timers that are overdue.
      world.t.clock.jump(ms);
      const [turn] = world.running();
      if (turn !== undefined) world.release(turn, { kind: "finished" });
      await world.t.clock.settle();
      await world.t.clock.advance(0);
    }),
  ),
];

const profiles = fc.record({
  reuse: fc.boolean(),
  minSpares: fc.constantFrom(0, 1, 2),
  maxWorkers: fc.constantFrom(1, 4, 4),
  keptPlaces: fc.constantFrom(0, 1, 2),
  keepConversationMs: fc.constantFrom(0, 15_000),
  parkedIdleMs: fc.constantFrom(0, 15_000, 600_000),
  maxParkedWorkers: fc.constantFrom(0, 1, 2),
});

const drain = fc.constant(command("drain", (world) => void world.t.pool.drain()));

test("holds its promises whatever happens in whatever order", async () => {
  const weighted = fc.oneof(
    ...commands.map((arbitrary, index) => ({ arbitrary, weight: [8, 4, 3, 1, 2, 6, 2, 1, 2, 1, 1, 6, 1][index] ?? 1 })),
  );
  await fc.assert(
    fc.asyncProperty(
      profiles,
      fc.commands([weighted, weighted, weighted, weighted, weighted, weighted, weighted, weighted, drain], {
        maxCommands: 60,
        size: "max",
      }),
      async (profile, steps) => {
        const world = new World(profile);
        await fc.asyncModelRun(() => ({ model: { isDraining: false }, real: world }), steps);
        await world.end();
      },
    ),
    { numRuns },
  );
}, 3_600_000);

test("serves everybody in the end once nothing goes wrong any more", async () => {
  await fc.assert(
    fc.asyncProperty(profiles, fc.array(fc.oneof(...commands), { maxLength: 40 }), async (profile, steps) => {
      const world = new World(profile);
      for (const step of steps) await step.run({ isDraining: false }, world);
      // All is well from here on, and turns end.
      world.t.startError = undefined;
      for (let round = 0; round < 60; round++) {
        for (const turn of world.running()) world.release(turn, { kind: "finished" });
        await world.t.clock.advance(1_000);
      }
      expect(world.waiting()).toEqual([]);
      world.submit("acme", "b1", 600_000);
      await world.t.clock.advance(1_000);
      expect(world.turns.at(-1)?.claim).toBeDefined();
      world.release(world.turns.at(-1)!, { kind: "finished" });
      world.submitToSession("zeta", "s1", "m1", 600_000);
      await world.t.clock.advance(15_000); // for so long a tenant's only warm worker is its own
      expect(world.turns.at(-1)?.claim).toBeDefined();
      await world.end();
    }),
    { numRuns },
  );
}, 3_600_000);
