/**
 * The turns of one profile that wait for a worker: bounded in number and time, fair between tenants.
 *
 * The tenant is served first that has had the least of the workers for its weight (`shares.ts`), and inside a tenant the
 * first come is the first served: a tenant with a hundred waiting turns delays another's single one by one place. Where
 * several tenants share a profile none can fill the queue: it may have three times as many turns in it, by its weight, as
 * places are left for others. Settling a turn, in whatever way, takes it out, ends its timer and its
 * listener: what was cancelled or refused can never start. Which worker serves whom is decided elsewhere.
 */
import type { CancelTimer, Clock } from "../clock.ts";
import { RunnerError } from "../runner-error.ts";
import type { ClaimRequest } from "./claim.ts";
import { conversationOf, type Dedication, dedicationOf } from "./dedicated.ts";
import type { TenantShares } from "./shares.ts";
import type { WaitingSnapshot } from "./snapshot.ts";
import { affinityOf } from "./worker-state.ts";

export interface QueueLimits {
  readonly maxLength: number;
  readonly timeoutMs: number;
}

/** A tenant may have so many turns in the queue for each place that is left in it. */
const turnsPerFreePlace = 3;
/** What a waiting turn counts for in the order, in milliseconds of a worker, until it has run. */
const turnWeightMs = 1_000;

/** A turn in the queue, and the end of its wait. */
export class WaitingTurn<Given> {
  readonly request: ClaimRequest;
  readonly tenant: string;
  readonly affinity: string;
  readonly conversation: string | undefined;
  /** Set: only a worker that serves its session alone will do. */
  readonly dedication: Dedication | undefined;
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
    this.tenant = request.tenant;
    this.affinity = affinityOf(request);
    this.conversation = conversationOf(request);
    this.dedication = dedicationOf(request);
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

export interface QueueFullness {
  readonly waiting: number;
  readonly limit: number;
  /** Whether it is the tenant's part of the queue that is full. */
  readonly isTenants: boolean;
}

interface Line<T> {
  readonly tenant: string;
  readonly turns: Iterator<T, unknown>;
  readonly length: number;
  readonly servedMs: number;
  readonly stepMs: number;
  /** Turns of it that have had their place in the order. */
  count: number;
}

/** When the turn at `index` of a line is due, in its tenant's account. */
function dueMs(line: Line<unknown>, index: number): number {
  return line.servedMs + index * line.stepMs;
}

export class TurnQueue<Given> {
  readonly #clock: Clock;
  readonly #limits: QueueLimits;
  readonly #hooks: QueueHooks;
  readonly #shares: TenantShares;
  /** Among equals in the order in which they are served next. */
  readonly #tenants = new Map<string, Set<WaitingTurn<Given>>>();
  #length = 0;

  constructor(clock: Clock, limits: QueueLimits, shares: TenantShares, hooks: QueueHooks) {
    this.#clock = clock;
    this.#limits = limits;
    this.#shares = shares;
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

  /**
   * Why one more turn of the tenant may not wait; `undefined` if it may. `isShared`: several tenants may be here.
   * `hasEntered`: it is in the queue already, to see whether there is a worker for it.
   */
  fullness(tenant: string, isShared: boolean, hasEntered = false): QueueFullness | undefined {
    const { maxLength } = this.#limits;
    const own = hasEntered ? 1 : 0;
    const length = this.#length - own;
    if (length >= maxLength) return { waiting: length, limit: maxLength, isTenants: false };
    const waiting = (this.#tenants.get(tenant)?.size ?? 0) - own;
    if (!isShared || waiting <= 0) return undefined;
    const leftCount = maxLength - length - 1;
    const limit = Math.floor(turnsPerFreePlace * this.#shares.weightOf(tenant) * leftCount);
    return waiting < limit ? undefined : { waiting, limit: waiting, isTenants: true };
  }

  /**
   * Lets a turn in, at the end of its tenant's line. It may be one too many: the caller asks `fullness` in the same
   * breath, before or once it knows that no worker is there for the turn, so that nothing comes between the two.
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
    this.#shares.waits(request.tenant, now);
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
    return this.#tenants.get(turn.tenant)?.has(turn) ?? false;
  }

  /** The turns in the order in which they would be served if any worker fitted any turn. */
  *[Symbol.iterator](): Generator<WaitingTurn<Given>> {
    const lines = this.#lines();
    while (lines.length > 0) {
      let first = 0;
      for (let at = 1; at < lines.length; at++) {
        if (dueMs(lines[at]!, lines[at]!.count) < dueMs(lines[first]!, lines[first]!.count)) first = at;
      }
      const line = lines[first]!;
      const { value, done } = line.turns.next();
      if (done) lines.splice(first, 1);
      else {
        line.count++;
        yield value;
      }
    }
  }

  /** How many turns would be served before this one if any worker fitted any turn. */
  position(turn: WaitingTurn<Given>): number {
    let index = 0;
    for (const other of this.#tenants.get(turn.tenant) ?? []) {
      if (other === turn) break;
      index++;
    }
    const lines = this.#lines();
    const mine = lines.findIndex(({ tenant }) => tenant === turn.tenant);
    const mineDueMs = mine < 0 ? 0 : dueMs(lines[mine]!, index);
    let ahead = index;
    for (const [at, line] of lines.entries()) {
      if (at === mine) continue;
      // As many as are due earlier, or at the same time and their tenant's turn is before mine.
      const isBefore = (count: number) => {
        const due = dueMs(line, count);
        return due < mineDueMs || (due === mineDueMs && at < mine);
      };
      let count = Math.max(0, Math.min(line.length, Math.floor((mineDueMs - line.servedMs) / line.stepMs)));
      while (count < line.length && isBefore(count)) count++;
      while (count > 0 && !isBefore(count - 1)) count--;
      ahead += count;
    }
    return ahead;
  }

  /** The tenants' lines, with what decides which of them is next. */
  #lines(): Line<WaitingTurn<Given>>[] {
    const now = this.#clock.now();
    return [...this.#tenants].map(([tenant, line]) => ({
      tenant,
      turns: line.values(),
      length: line.size,
      servedMs: this.#shares.servedMs(tenant, now),
      stepMs: turnWeightMs / this.#shares.weightOf(tenant),
      count: 0,
    }));
  }

  /** Ends the wait with what was waited for. The turn's tenant comes after its equals from now on. */
  give(turn: WaitingTurn<Given>, given: Given): void {
    if (!this.#leave(turn)) return;
    const { tenant } = turn;
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
    const line = this.#tenants.get(turn.tenant);
    if (!line?.delete(turn)) return false;
    if (line.size === 0) this.#tenants.delete(turn.tenant);
    this.#length--;
    turn.endWait?.();
    this.#shares.waitsNoMore(turn.tenant, this.#clock.now());
    this.#hooks.changed(turn.tenant);
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
