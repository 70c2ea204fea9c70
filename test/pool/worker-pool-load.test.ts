/** Many turns at once: nobody is let in too many, nobody is forgotten, nobody is favoured. */
import { expect, test } from "vitest";
import type { Claim } from "../../src/pool/claim.ts";
import { PoolUnderTest } from "./pool-under-test.ts";

test("100,000 racing turns never run or wait in greater number than allowed", async () => {
  const maxWorkers = 8;
  const maxLength = 64;
  const t = await PoolUnderTest.warm({ profiles: { default: { minSpares: 2, maxWorkers } }, queue: { maxLength } });
  let running = 0;
  let served = 0;
  let refused = 0;
  let mostRunning = 0;
  let mostWaiting = 0;
  const look = () => {
    mostRunning = Math.max(mostRunning, running);
    mostWaiting = Math.max(mostWaiting, t.profile().waitingCount);
  };
  const run = async (claimed: Promise<Claim>) => {
    try {
      const claim = await claimed;
      running++;
      look();
      await null;
      running--;
      served++;
      claim.release({ kind: "finished" });
    } catch {
      refused++;
    }
  };
  const all: Promise<void>[] = [];
  for (let batch = 0; batch < 200; batch++) {
    for (let turn = 0; turn < 500; turn++) all.push(run(t.claim({ tenant: `tenant-${turn % 3}` })));
    look();
    await t.clock.advance(batch % 10 === 0 ? 600 : 10);
  }
  await t.clock.advance(30_000);
  await Promise.all(all);

  expect(served + refused).toBe(100_000);
  expect(served).toBeGreaterThan(2_000);
  expect(mostRunning).toBeLessThanOrEqual(maxWorkers);
  expect(mostWaiting).toBe(maxLength);
  expect(t.profile().waitingCount).toBe(0);
  await Promise.all([t.pool.stop(), t.clock.advance(1000)]);
  expect(t.clock.pendingTimerCount).toBe(0);
}, 120_000);

test("one tenant at ten times its share does not slow nine others at half of theirs", async () => {
  const waits = async (elephantShare: number) => {
    const t = await PoolUnderTest.warm({
      profiles: { default: { minSpares: 2, maxWorkers: 10, reuse: false } },
      worker: { startMs: 1, stopMs: 1 },
      queue: { maxLength: 10_000, timeoutMs: 3_600_000 },
    });
    const served = new Map<string, number[]>();
    const turnMs = 1000;
    const submit = async (tenant: string) => {
      const claim = await t.claim({ tenant, deadlineMs: 1e9 }).catch(() => undefined);
      if (claim === undefined) return; // Still waiting at the end.
      const list = served.get(tenant) ?? [];
      list.push(claim.queueWaitMs);
      served.set(tenant, list);
      t.clock.after(turnMs, () => claim.release({ kind: "finished" }));
    };
    // Ten workers, turns of a second: a share is one turn per second.
    for (let tick = 0; tick < 120; tick++) {
      for (let turn = 0; turn < elephantShare; turn++) void submit("elephant");
      if (tick % 2 === 0) for (let mouse = 0; mouse < 9; mouse++) void submit(`mouse-${mouse}`);
      await t.clock.advance(1000);
    }
    const mice = [...served].filter(([tenant]) => tenant !== "elephant").flatMap(([, list]) => list);
    const p95 = mice.toSorted((a, b) => a - b)[Math.floor(mice.length * 0.95)] ?? Number.NaN;
    await Promise.all([t.pool.stop(), t.clock.advance(1000)]);
    return { p95, turns: mice.length };
  };
  const alone = await waits(0);
  const crowded = await waits(10);
  expect(crowded.turns).toBe(alone.turns);
  // A mouse waits for the next worker to come free, whoever has it, but never behind the elephant's line.
  expect(crowded.p95).toBeLessThanOrEqual(1_100);
}, 120_000);
