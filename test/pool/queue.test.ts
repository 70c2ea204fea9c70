import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ClaimRequest } from "../../src/pool/claim.ts";
import { TurnQueue, type WaitingTurn } from "../../src/pool/queue.ts";
import { TenantShares } from "../../src/pool/shares.ts";
import { FakeClock } from "../fake-clock.ts";

class QueueUnderTest {
  readonly clock = new FakeClock();
  readonly timedOut: unknown[] = [];
  readonly changes: string[] = [];
  readonly queue: TurnQueue<string>;
  readonly shares: TenantShares;
  #order = 0;

  constructor(limits: { maxLength?: number; timeoutMs?: number } = {}, weights: Readonly<Record<string, number>> = {}) {
    this.shares = new TenantShares((tenant) => weights[tenant] ?? 1);
    this.queue = new TurnQueue(this.clock, { maxLength: 64, timeoutMs: 30_000, ...limits }, this.shares, {
      timedOut: (error) => this.timedOut.push(error),
      retryAfterMs: () => 1234,
      changed: (tenant) => this.changes.push(tenant),
    });
  }

  enter(changes: Partial<ClaimRequest> = {}): WaitingTurn<string> {
    const request = {
      turnId: `turn-${this.#order}`,
      tenant: "a",
      profile: "default",
      bindingKey: "b",
      signal: new AbortController().signal,
      deadlineMs: this.clock.now() + 600_000,
      ...changes,
    };
    return this.queue.enter(request, ++this.#order);
  }

  /** Enters and stays. */
  wait(changes: Partial<ClaimRequest> = {}) {
    const turn = this.enter(changes);
    this.queue.keep(turn);
    const outcome = turn.outcome.promise.then(
      (given) => ({ given }),
      (error) => ({ error }),
    );
    return { turn, outcome };
  }

  order(): string[] {
    return [...this.queue].map(({ request }) => request.turnId);
  }
}

describe("the order", () => {
  test("is first come, first served inside a tenant", () => {
    const t = new QueueUnderTest();
    for (const turnId of ["1", "2", "3"]) t.wait({ turnId });
    expect(t.order()).toEqual(["1", "2", "3"]);
  });

  test("lets tenants take turns", () => {
    const t = new QueueUnderTest();
    for (const turnId of ["a1", "a2", "a3"]) t.wait({ turnId, tenant: "a" });
    t.wait({ turnId: "b1", tenant: "b" });
    t.wait({ turnId: "c1", tenant: "c" });
    t.wait({ turnId: "b2", tenant: "b" });
    expect(t.order()).toEqual(["a1", "b1", "c1", "a2", "b2", "a3"]);
  });

  test("puts a tenant that was served behind the others", () => {
    const t = new QueueUnderTest();
    const first = t.wait({ turnId: "a1", tenant: "a" });
    t.wait({ turnId: "a2", tenant: "a" });
    t.wait({ turnId: "b1", tenant: "b" });
    t.queue.give(first.turn, "worker");
    expect(t.order()).toEqual(["b1", "a2"]);
  });

  test("leaves a tenant its place when one of its turns is cancelled", () => {
    const t = new QueueUnderTest();
    const cancelled = t.wait({ turnId: "a1", tenant: "a" });
    t.wait({ turnId: "a2", tenant: "a" });
    t.wait({ turnId: "b1", tenant: "b" });
    t.queue.refuse(cancelled.turn, new Error("cancelled"));
    expect(t.order()).toEqual(["a2", "b1"]);
  });

  test("is what the position says, whatever came and went", () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("enter" as const), tenant: fc.constantFrom("a", "b", "c", "d") }),
      fc.record({ kind: fc.constantFrom("give" as const, "refuse" as const), index: fc.nat(10) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const t = new QueueUnderTest();
        for (const step of steps) {
          const turns = [...t.queue];
          if (step.kind === "enter") t.wait({ tenant: step.tenant });
          else {
            const turn = turns[step.index % Math.max(1, turns.length)];
            if (turn && step.kind === "give") t.queue.give(turn, "worker");
            else if (turn) t.queue.refuse(turn, "refused");
          }
          const now = [...t.queue];
          expect(now.map((turn) => t.queue.position(turn))).toEqual(now.map((_, index) => index));
          expect(t.queue.length).toBe(now.length);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe("a wait", () => {
  test("ends with what was waited for", async () => {
    const t = new QueueUnderTest();
    const { turn, outcome } = t.wait();
    t.queue.give(turn, "worker");
    expect(await outcome).toEqual({ given: "worker" });
    expect(t.queue.length).toBe(0);
    expect(t.clock.pendingTimerCount).toBe(0);
  });

  test("ends when the caller cancels, with the signal's reason", async () => {
    const t = new QueueUnderTest();
    const abort = new AbortController();
    const { turn, outcome } = t.wait({ signal: abort.signal });
    abort.abort("gone");
    expect(await outcome).toEqual({ error: "gone" });
    expect(t.queue.has(turn)).toBe(false);
    expect(t.clock.pendingTimerCount).toBe(0);
  });

  test("leaves no listener behind", async () => {
    const t = new QueueUnderTest();
    const listeners = new Set<unknown>();
    const signal = new AbortController().signal;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (type: string, listener: never) => {
      listeners.add(listener);
      add(type, listener);
    };
    signal.removeEventListener = (type: string, listener: never) => {
      listeners.delete(listener);
      remove(type, listener);
    };
    const { turn } = t.wait({ signal });
    expect(listeners.size).toBe(1);
    t.queue.give(turn, "worker");
    expect(listeners.size).toBe(0);
  });

  test("ends after the queue's timeout, with a time to come back", async () => {
    const t = new QueueUnderTest({ timeoutMs: 1000 });
    const { outcome } = t.wait();
    await t.clock.advance(1000);
    expect(await outcome).toMatchObject({
      error: {
        reason: "QUEUE_TIMEOUT",
        facts: { waitedMs: 1000, queueTimeoutMs: 1000, deadlinePassed: false },
        retryAfterMs: 1234,
      },
    });
    expect(t.timedOut).toHaveLength(1);
  });

  test("ends at the call's deadline when that is sooner, and says so", async () => {
    const t = new QueueUnderTest();
    const { outcome } = t.wait({ deadlineMs: 200 });
    await t.clock.advance(200);
    expect(await outcome).toMatchObject({
      error: { reason: "QUEUE_TIMEOUT", facts: { deadlinePassed: true }, retryAfterMs: undefined },
    });
  });

  test("does not begin with a timeout of 0", async () => {
    const t = new QueueUnderTest({ timeoutMs: 0 });
    const { outcome } = t.wait();
    expect(await outcome).toMatchObject({ error: { reason: "QUEUE_TIMEOUT", facts: { waitedMs: 0 } } });
    expect(t.clock.pendingTimerCount).toBe(0);
  });

  test("is overdue when its time has passed though the timer has not fired", () => {
    const t = new QueueUnderTest({ timeoutMs: 1000 });
    const { turn } = t.wait();
    expect(t.queue.isOverdue(turn)).toBe(false);
    t.clock.jump(1000);
    expect(t.queue.isOverdue(turn)).toBe(true);
  });

  test("ends once: what comes later is not heard", async () => {
    const t = new QueueUnderTest();
    const abort = new AbortController();
    const { turn, outcome } = t.wait({ signal: abort.signal });
    const other = t.wait();
    t.queue.refuse(turn, "first");
    t.queue.give(turn, "worker");
    abort.abort("late");
    t.queue.expire(turn);
    expect(await outcome).toEqual({ error: "first" });
    expect([...t.queue]).toEqual([other.turn]);
    expect(t.queue.length).toBe(1);
    expect(t.timedOut).toHaveLength(0);
  });
});

describe("entering", () => {
  test("is refused to a call that is cancelled already", () => {
    const t = new QueueUnderTest();
    expect(() => t.enter({ signal: AbortSignal.abort("gone") })).toThrow("gone");
    expect(t.queue.length).toBe(0);
  });

  test("is refused to a call whose deadline has passed", () => {
    const t = new QueueUnderTest();
    expect(() => t.enter({ deadlineMs: t.clock.now() })).toThrow("deadline");
    expect(t.queue.length).toBe(0);
  });

  test("is refused once the queue is full", () => {
    const t = new QueueUnderTest({ maxLength: 2 });
    t.wait();
    expect(t.queue.fullness("a", false)).toBeUndefined();
    t.wait();
    expect(t.queue.fullness("a", false)).toEqual({ waiting: 2, limit: 2, isTenants: false });
  });

  test("does not let one tenant fill a queue that others share", () => {
    const t = new QueueUnderTest();
    const fill = (tenant: string) => {
      while (t.queue.fullness(tenant, true) === undefined) t.wait({ tenant });
      return t.queue.waiting().find((of) => of.tenant === tenant)?.count;
    };
    expect(fill("greedy")).toBe(48);
    expect(fill("other")).toBe(12);
    expect(fill("third")).toBe(3);
    expect(t.queue.fullness("fourth", true)).toBeUndefined();
    expect(t.queue.fullness("greedy", true)).toEqual({ waiting: 48, limit: 48, isTenants: true });
  });

  test("lets a tenant of more weight have more of the queue", () => {
    const t = new QueueUnderTest({}, { heavy: 4 });
    while (t.queue.fullness("heavy", true) === undefined) t.wait({ tenant: "heavy" });
    expect(t.queue.length).toBe(59);
  });
});
