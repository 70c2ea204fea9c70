/**
 * The turns of one profile that wait for a worker: bounded in number and time, fair between tenants.
 *
 * Tenants take turns and inside a tenant the first come is the first served, so a tenant with a hundred waiting turns
 * delays another's single one by one place. Settling a turn, in whatever way, takes it out, ends its timer and its
 * listener: what was cancelled or refused can never start. Which worker serves whom is decided elsewhere.
 */
import type { CancelTimer, Clock } from "../clock.ts";
import { RunnerError } from "../errors.ts";
import type { ClaimRequest } from "./claim.ts";
import type { WaitingSnapshot } from "./snapshot.ts";
import { affinityOf } from "./worker.ts";

export interface QueueLimits {
  readonly maxLength: number;
  readonly timeoutMs: number;
}

/** A turn in the queue, and the end of its wait. */
export class WaitingTurn<Given> {
  readonly request: ClaimRequest;
  readonly affinity: string;
  readonly arrivedAtMs: number;
  /** Compares with the start order of a worker: the smaller came first. */
  readonly arrivalOrder: number;
  /** Turns that waited when this one came. */
  readonly lengthSeen: number;
  readonly outcome = Promise.withResolvers<Given>();
  /** Ends what was set up for the wait; `undefined` until the turn was found to have to wait. */
  endWait: CancelTimer | undefined;

  constructor(request: ClaimRequest, arrivedAtMs: number, arrivalOrder: number, lengthSeen: number) {
    this.request = request;
    this.affinity = affinityOf(request);
    this.arrivedAtMs = arrivedAtMs;
    this.arrivalOrder = arrivalOrder;
    this.lengthSeen = lengthSeen;
  }
}

export interface QueueHooks {
  /** A turn's time is up; called before it is told. */
  readonly timedOut: (error: RunnerError) => void;
  /** When a turn that was refused may come again, in milliseconds from now. */
  readonly retryAfterMs: () => number;
  /** A turn of this tenant has come or left. Must not change the queue. */
  readonly changed: (tenant: string) => void;
}

export class TurnQueue<Given> {
  readonly #clock: Clock;
  readonly #limits: QueueLimits;
  readonly #hooks: QueueHooks;
  /** In the order in which the tenants are served next. */
  readonly #tenants = new Map<string, Set<WaitingTurn<Given>>>();
  #length = 0;

  constructor(clock: Clock, limits: QueueLimits, hooks: QueueHooks) {
    this.#clock = clock;
    this.#limits = limits;
    this.#hooks = hooks;
  }

  get length(): number {
    return this.#length;
  }

  /** Who waits. */
  waiting(): WaitingSnapshot[] {
    return [...this.#tenants].map(([tenant, line]) => {
      const [first] = line; // inside a tenant the first is the oldest, and no line is empty
      return { tenant, count: line.size, oldestSinceMs: first!.arrivedAtMs };
    });
  }

  /** Whether there is one turn more than the queue has places for. */
  get isOverfull(): boolean {
    return this.#length > this.#limits.maxLength;
  }

  /**
   * Lets a turn in, at the end of its tenant's line. It may be one too many: the caller looks at `isOverfull` in the
   * same breath, once it knows that no worker is there for the turn, so that nothing comes between the two.
   */
  enter(request: ClaimRequest, arrivalOrder: number): WaitingTurn<Given> {
    const now = this.#clock.now();
    request.signal.throwIfAborted();
    const turn = new WaitingTurn<Given>(request, now, arrivalOrder, this.#length);
    if (request.deadlineMs <= now) throw this.#timeout(turn);
    let line = this.#tenants.get(request.tenant);
    if (line === undefined) {
      line = new Set();
      this.#tenants.set(request.tenant, line);
    }
    line.add(turn);
    this.#length++;
    this.#hooks.changed(request.tenant);
    return turn;
  }

  /** Lets the turn wait: until it is given something, refused, cancelled, or its time is up. */
  keep(turn: WaitingTurn<Given>): void {
    const { signal } = turn.request;
    const leftMs = this.leftMs(turn);
    if (leftMs <= 0) {
      this.expire(turn);
      return;
    }
    const onAbort = () => this.refuse(turn, signal.reason);
    const cancelTimer = this.#clock.after(leftMs, () => this.expire(turn));
    signal.addEventListener("abort", onAbort, { once: true });
    turn.endWait = () => {
      cancelTimer();
      signal.removeEventListener("abort", onAbort);
    };
  }

  /**
   * Whether a turn that was kept waiting has waited too long, though its timer has not fired yet: the event loop was
   * blocked, and a worker must not be spent on it.
   */
  isOverdue(turn: WaitingTurn<Given>): boolean {
    return turn.endWait !== undefined && this.#expiresAtMs(turn) <= this.#clock.now();
  }

  /** How long the turn may go on waiting. */
  leftMs(turn: WaitingTurn<Given>): number {
    return this.#expiresAtMs(turn) - this.#clock.now();
  }

  /** Whether the turn still waits. */
  has(turn: WaitingTurn<Given>): boolean {
    return this.#tenants.get(turn.request.tenant)?.has(turn) ?? false;
  }

  /** The turns in the order in which they would be served if any worker fitted any turn. */
  *[Symbol.iterator](): Generator<WaitingTurn<Given>> {
    let round = [...this.#tenants.values()].map((line) => line.values());
    while (round.length > 0) {
      const next: typeof round = [];
      for (const line of round) {
        const { value, done } = line.next();
        if (done) continue;
        yield value;
        next.push(line);
      }
      round = next;
    }
  }

  /** How many turns would be served before this one if any worker fitted any turn. */
  position(turn: WaitingTurn<Given>): number {
    let index = 0;
    for (const other of this.#tenants.get(turn.request.tenant) ?? []) {
      if (other === turn) break;
      index++;
    }
    let ahead = index;
    let isBeforeMine = true;
    for (const [tenant, line] of this.#tenants) {
      if (tenant === turn.request.tenant) isBeforeMine = false;
      else ahead += Math.min(line.size, isBeforeMine ? index + 1 : index);
    }
    return ahead;
  }

  /** Ends the wait with what was waited for. The turn's tenant is served next after all others that wait now. */
  give(turn: WaitingTurn<Given>, given: Given): void {
    if (!this.#leave(turn)) return;
    const { tenant } = turn.request;
    const line = this.#tenants.get(tenant);
    if (line !== undefined) {
      this.#tenants.delete(tenant);
      this.#tenants.set(tenant, line);
    }
    turn.outcome.resolve(given);
  }

  /** Ends the wait with an error. */
  refuse(turn: WaitingTurn<Given>, error: unknown): void {
    if (this.#leave(turn)) turn.outcome.reject(error);
  }

  /** Ends the wait because its time is up. */
  expire(turn: WaitingTurn<Given>): void {
    if (!this.has(turn)) return;
    const error = this.#timeout(turn);
    this.#hooks.timedOut(error);
    this.refuse(turn, error);
  }

  /** Takes the turn out without a word: the caller tells it. */
  withdraw(turn: WaitingTurn<Given>): void {
    this.#leave(turn);
  }

  /** The one way out. False if the turn had left before. */
  #leave(turn: WaitingTurn<Given>): boolean {
    const line = this.#tenants.get(turn.request.tenant);
    if (!line?.delete(turn)) return false;
    if (line.size === 0) this.#tenants.delete(turn.request.tenant);
    this.#length--;
    turn.endWait?.();
    this.#hooks.changed(turn.request.tenant);
    return true;
  }

  #expiresAtMs(turn: WaitingTurn<Given>): number {
    return Math.min(turn.arrivedAtMs + this.#limits.timeoutMs, turn.request.deadlineMs);
  }

  #timeout(turn: WaitingTurn<Given>): RunnerError {
    const waitedMs = Math.round(this.#clock.now() - turn.arrivedAtMs);
    const queueTimeoutMs = this.#limits.timeoutMs;
    // By the rule that set the timer, not by the clock: timers fire up to a millisecond early.
    const timeoutAtMs = turn.arrivedAtMs + queueTimeoutMs;
    const deadlinePassed = turn.request.deadlineMs <= Math.max(timeoutAtMs, this.#clock.now());
    const facts = { waitedMs, queueTimeoutMs, deadlinePassed };
    return deadlinePassed
      ? new RunnerError("QUEUE_TIMEOUT", `the call's deadline passed after ${waitedMs} ms in the queue`, { facts })
      : new RunnerError("QUEUE_TIMEOUT", `no worker became free within ${queueTimeoutMs} ms`, {
          facts,
          retryAfterMs: this.#hooks.retryAfterMs(),
        });
  }
}
