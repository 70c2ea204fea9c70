/** Who waits, who is refused, and who gives way. */
import { describe, expect, test } from "vitest";
import type { RunnerError } from "../../src/runner-error.ts";
import { PoolUnderTest } from "./pool-under-test.ts";

const oneWorker = { profiles: { default: { minSpares: 0, maxWorkers: 1 } } };

/** A pool whose only worker is taken. */
async function busy(changes: ConstructorParameters<typeof PoolUnderTest>[0] = {}) {
  const t = await PoolUnderTest.warm({ ...oneWorker, ...changes });
  const running = t.ask();
  await t.clock.advance(500);
  if (running.claim === undefined) throw new Error("not claimed");
  return { t, running: running.claim };
}

describe("the queue", () => {
  test("is served when a worker comes back", async () => {
    const { t, running } = await busy();
    const asked = t.ask();
    await t.clock.advance(1000);
    expect(asked.isWaiting).toBe(true);
    running.release({ kind: "finished" });
    await t.clock.advance(10);
    expect(asked.claim).toMatchObject({ source: "REUSED", queueWaitMs: 1010, queueLengthSeen: 0 });
  });

  test("refuses the turn that is one too many, and keeps the others", async () => {
    const { t, running } = await busy({ queue: { maxLength: 2 } });
    const kept = [t.ask(), t.ask()];
    const refused = t.ask();
    await t.clock.settle();
    expect(refused.error).toMatchObject({
      reason: "QUEUE_FULL",
      facts: { waiting: 2, limit: 2 },
      retryAfterMs: 1000,
    });
    running.release({ kind: "finished" });
    await t.clock.advance(10);
    expect(kept[0]?.claim?.queueLengthSeen).toBe(0);
    expect(kept[1]?.isWaiting).toBe(true);
  });

  test("without places still lets a turn have a worker that is there", async () => {
    const t = await PoolUnderTest.warm({ queue: { maxLength: 0 } });
    expect((await t.claim()).source).toBe("SPARE");
    expect((await t.claim()).source).toBe("SPARE");
    await expect(t.claim()).rejects.toMatchObject({ reason: "QUEUE_FULL" });
  });

  test("lets a turn have the worker that fits it when all places to wait are taken by others", async () => {
    const t = await PoolUnderTest.warm({
      profiles: { default: { minSpares: 0, maxWorkers: 2 } },
      queue: { maxLength: 1 },
    });
    const first = t.ask();
    await t.clock.advance(500);
    first.claim?.release({ kind: "finished" });
    await t.clock.advance(10);
    const head = t.ask({ tenant: "b" });
    expect((await t.claim()).source).toBe("REUSED");
    await expect(t.claim()).rejects.toMatchObject({ reason: "QUEUE_FULL" });
    await t.clock.advance(500);
    expect(head.claim?.source).toBe("COLD_POOL_OFF");
  });

  test("gives a cancelled turn's place to the next one", async () => {
    const { t, running } = await busy();
    const abort = new AbortController();
    const cancelled = t.ask({ signal: abort.signal });
    const next = t.ask();
    abort.abort("gone");
    running.release({ kind: "finished" });
    await t.clock.advance(10);
    expect(cancelled.error).toBe("gone");
    expect(next.claim?.source).toBe("REUSED");
  });

  test("does not spend a worker on a turn whose time has passed while the event loop was blocked", async () => {
    // A worker that keeps its conversation is idle at once.
    const profiles = { default: { ...oneWorker.profiles.default, keepConversationMs: 60_000 } };
    const { t, running } = await busy({ profiles });
    const overdue = t.ask({ conversation: "c1", deadlineMs: t.clock.now() + 1000 });
    const next = t.ask({ conversation: "c1" });
    await t.clock.settle();
    t.clock.jump(1000);
    running.release({ kind: "finished", conversation: "c1" });
    await t.clock.settle();
    expect(overdue.error).toMatchObject({ reason: "QUEUE_TIMEOUT", facts: { deadlinePassed: true } });
    expect(next.isWaiting).toBe(false);
  });

  test("serves tenants in turn: a hundred turns of one delay another's single one by one place", async () => {
    const { t, running } = await busy({ queue: { maxLength: 200 } });
    for (let i = 0; i < 100; i++) t.ask({ tenant: "elephant" });
    const mouse = t.ask({ tenant: "mouse" });
    running.release({ kind: "discard", why: "preparation_failed" });
    await t.clock.advance(520);
    expect(mouse.isWaiting).toBe(true);
    t.workers.at(-1)?.die();
    await t.clock.advance(500);
    expect(mouse.claim?.queueLengthSeen).toBe(100);
  });
});

describe("at maxWorkers", () => {
  test("the least recently used bound worker gives its place to a turn that fits no idle one", async () => {
    const t = await PoolUnderTest.warm({ profiles: { default: { minSpares: 0, maxWorkers: 2 } } });
    const turns = [t.ask({ tenant: "a" }), t.ask({ tenant: "b" })];
    await t.clock.advance(500);
    for (const { claim } of turns) {
      claim?.release({ kind: "finished" });
      await t.clock.advance(10);
    }
    const asked = t.ask({ tenant: "c" });
    expect(t.recycleReasons).toEqual(["evicted"]);
    await t.clock.advance(520);
    expect(asked.claim?.source).toBe("COLD_POOL_OFF");
    expect((await t.claim({ tenant: "b" })).source).toBe("REUSED");
  });

  test("a worker that is slow to end does not hold up its successor, but for where there may be only one", async () => {
    const startedAtMs = async (maxWorkers: number) => {
      const t = await PoolUnderTest.warm({
        profiles: { default: { minSpares: 0, maxWorkers, reuse: false } },
        worker: { stopMs: 10_000 },
      });
      const claims = Array.from({ length: maxWorkers }, () => t.ask());
      await t.clock.advance(1000);
      claims[0]?.claim?.release({ kind: "finished" });
      const asked = t.ask();
      await t.clock.advance(20_000);
      return asked.claim?.queueWaitMs;
    };
    expect(await startedAtMs(4)).toBe(500);
    expect(await startedAtMs(1)).toBe(10_500);
  });

  test("nobody is evicted for a turn for which a worker is starting", async () => {
    const t = await PoolUnderTest.warm({ profiles: { default: { minSpares: 0, maxWorkers: 2 } } });
    const first = t.ask({ tenant: "a" });
    await t.clock.advance(500);
    first.claim?.release({ kind: "finished" });
    await t.clock.advance(10);
    const asked = t.ask({ tenant: "b" });
    await t.clock.advance(500);
    expect(asked.claim).toBeDefined();
    expect(t.recycleReasons).toEqual([]);
  });

  /** One tenant's turns follow each other on the one worker that there is, while another turn waits for a place. */
  async function overtaking(head: { tenant: string; bindingKey: string }, queue: object) {
    const t = await PoolUnderTest.warm({ profiles: { default: { minSpares: 0, maxWorkers: 1 } }, queue });
    const asked = t.ask({ tenant: "a" });
    await t.clock.advance(500);
    let running = asked.claim;
    const waiting = t.ask(head);
    const servedMs: number[] = [];
    const begunMs = t.clock.now();
    for (let i = 0; i < 100 && waiting.isWaiting; i++) {
      const next = t.ask({ tenant: "a" });
      await t.clock.advance(90);
      running?.release({ kind: "finished" });
      await t.clock.advance(10);
      running = next.claim;
      if (running !== undefined) servedMs.push(t.clock.now() - begunMs);
      else await t.clock.advance(1000);
    }
    expect(waiting.claim).toBeDefined();
    return servedMs;
  }

  test("turns that fit overtake one of their tenant for a second, then the place is the head's", async () => {
    const servedMs = await overtaking({ tenant: "a", bindingKey: "other" }, { overtakeMs: 1000 });
    expect(servedMs).toHaveLength(9);
    expect(servedMs.at(-1)).toBe(900);
  });

  test("turns that fit overtake another tenant's for as long as ten starts take, and no longer than allowed", async () => {
    const head = { tenant: "b", bindingKey: "b" };
    const upToTenStarts = await overtaking(head, { maxOvertakeMs: 60_000 });
    // They use the worker for 90 of 100 ms.
    expect(upToTenStarts.at(-1)).toBeGreaterThan(5_000);
    expect(upToTenStarts.at(-1)).toBeLessThan(5_800);
    const asAllowed = await overtaking(head, { maxOvertakeMs: 2_000 });
    expect(asAllowed.at(-1)).toBeGreaterThan(2_000);
    expect(asAllowed.at(-1)).toBeLessThan(2_400);
  });
});

describe("shedding", () => {
  test("refuses at once a turn that would wait longer than it may, when the queue is known to be slow", async () => {
    const { t, running } = await busy({ queue: { timeoutMs: 30_000 } });
    let claim = running;
    for (let i = 0; i < 10; i++) {
      const next = t.ask();
      await t.clock.advance(9_990);
      claim.release({ kind: "finished" });
      await t.clock.advance(10);
      if (next.claim === undefined) throw new Error("not served");
      claim = next.claim;
    }
    const waiting = [t.ask(), t.ask(), t.ask(), t.ask()];
    const shed = t.ask();
    await t.clock.settle();
    expect(waiting.every(({ isWaiting }) => isWaiting)).toBe(true);
    expect(shed.error).toMatchObject({ reason: "QUEUE_FULL", facts: { waiting: 4, allowedWaitMs: 30_000 } });
    expect((shed.error as RunnerError).facts.estimatedWaitMs).toBeGreaterThan(30_000);
    expect((shed.error as RunnerError).retryAfterMs).toBe(30_000);
    const hurried = t.ask({ deadlineMs: t.clock.now() + 5_000 });
    await t.clock.settle();
    expect(hurried.reason).toBe("QUEUE_FULL");
  });

  test("does not take a time without turns for a slow queue", async () => {
    const { t, running } = await busy();
    let claim = running;
    for (let i = 0; i < 10; i++) {
      await t.clock.advance(60_000);
      const next = t.ask();
      claim.release({ kind: "finished" });
      await t.clock.advance(10);
      if (next.claim === undefined) throw new Error("not served");
      claim = next.claim;
    }
    const asked = Array.from({ length: 10 }, () => t.ask());
    await t.clock.settle();
    expect(asked.every(({ isWaiting }) => isWaiting)).toBe(true);
  });

  test("refuses nobody for whom a worker can still start, however slow the queue was", async () => {
    const t = await PoolUnderTest.warm({ profiles: { default: { minSpares: 0, maxWorkers: 20 } } });
    const claims = Array.from({ length: 20 }, () => t.ask());
    await t.clock.advance(10_000);
    for (let i = 0; i < 10; i++) {
      t.ask();
      await t.clock.advance(20_000);
      claims[i]?.claim?.release({ kind: "discard", why: "preparation_failed" });
      await t.clock.advance(520);
    }
    for (const { claim } of claims) claim?.release({ kind: "discard", why: "preparation_failed" });
    await t.clock.advance(1000);
    const asked = Array.from({ length: 10 }, () => t.ask());
    await t.clock.settle();
    expect(asked.map(({ reason }) => reason)).toEqual(Array(10).fill(undefined));
  });

  test("refuses nobody without evidence", async () => {
    const { t } = await busy();
    const asked = Array.from({ length: 64 }, () => t.ask({ deadlineMs: t.clock.now() + 1_000 }));
    await t.clock.settle();
    expect(asked.every(({ isWaiting }) => isWaiting)).toBe(true);
  });
});

test("profiles do not stand in each other's way", async () => {
  const t = await PoolUnderTest.warm({ profiles: { one: { maxWorkers: 1 }, two: { maxWorkers: 1 } } });
  await t.claim({ profile: "one" });
  const waits = t.ask({ profile: "one" });
  expect((await t.claim({ profile: "two" })).source).toBe("SPARE");
  expect(waits.isWaiting).toBe(true);
  expect(t.profile("one").waitingCount).toBe(1);
  expect(t.profile("two").waitingCount).toBe(0);
});
