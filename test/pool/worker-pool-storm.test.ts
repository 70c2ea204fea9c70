/**
 * Somebody kills workers at random, those that are starting included, while turns come, are cancelled and run out of
 * time. Nobody is refused for it but by the queue, and the pool is back as soon as it stops.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sleep } from "../../src/clock.ts";
import { RunnerError } from "../../src/runner-error.ts";
import { PoolUnderTest } from "./pool-under-test.ts";

/** STORM_RUNS=2000 looks for an hour, each time with another seed. */
const numRuns = Number(process.env.STORM_RUNS ?? 12);
const seed = process.env.STORM_RUNS === undefined ? { seed: 20_261 } : {};

const killed = { code: null, signal: "SIGKILL", detail: "" };
const maxWorkers = 6;

class Storm {
  readonly t: PoolUnderTest;
  readonly random: () => number;
  readonly refusals: string[] = [];
  servedCount = 0;
  killCount = 0;
  #isOver = false;

  constructor(startMs: number, random: () => number) {
    this.random = random;
    this.t = new PoolUnderTest({
      profiles: { default: { minSpares: 1, maxWorkers } },
      pool: { maxStartingWorkers: 2 },
      worker: { startMs },
      random,
    });
  }

  /** One turn after the other; some are cancelled, some are in a hurry. */
  async call(tenant: string): Promise<void> {
    const { clock } = this.t;
    while (!this.#isOver) {
      const abort = new AbortController();
      if (this.random() < 0.1) clock.after(1000 * this.random(), () => abort.abort(new Error("cancelled")));
      const deadlineMs = clock.now() + (this.random() < 0.2 ? 2000 * this.random() : 600_000);
      try {
        const claim = await this.t.claim({ tenant, signal: abort.signal, deadlineMs });
        const worker = this.t.workers.find(({ id }) => id === claim.worker.id);
        await Promise.race([sleep(clock, 50 + 500 * this.random()), claim.worker.exited]);
        claim.release(worker?.exit === undefined ? { kind: "finished" } : { kind: "discard", why: "died" });
        this.servedCount++;
      } catch (error) {
        if (!abort.signal.aborted) this.refusals.push(error instanceof RunnerError ? error.reason : String(error));
        await sleep(clock, 200);
      }
    }
  }

  kill(): void {
    const living = this.t.workers.filter(({ exit, isStopped }) => exit === undefined && !isStopped);
    const victim = living[Math.floor(this.random() * living.length)];
    if (victim === undefined) return;
    victim.die(killed);
    this.killCount++;
  }

  end(): void {
    this.#isOver = true;
  }
}

describe("while somebody kills workers at random", () => {
  test("turns are refused by the queue alone, and three starts after the last kill a worker serves", async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(300, 1000, 3000, 7500), fc.integer({ min: 1 }), async (startMs, start) => {
        const storm = new Storm(startMs, numbers(start));
        const { clock, pool } = storm.t;
        pool.start();
        await clock.advance(2 * startMs);
        const callers = Array.from({ length: 24 }, (_, at) => storm.call(`tenant-${at % 4}`));
        for (let second = 0; second < 120; second++) {
          await clock.advance(600 + 800 * storm.random());
          storm.kill();
        }
        const before = storm.servedCount;
        await clock.advance(3 * startMs);
        expect(storm.killCount).toBeGreaterThan(5);
        expect(storm.servedCount, "a worker serves again").toBeGreaterThan(before);
        expect(pool.isServing()).toBe(true);
        const others = storm.refusals.filter((reason) => reason !== "QUEUE_TIMEOUT" && reason !== "QUEUE_FULL");
        expect(others).toEqual([]);

        storm.end();
        await clock.advance(60_000);
        await Promise.all(callers);
        const stopped = pool.stop();
        await clock.advance(1000);
        await stopped;
        expect(storm.t.workers.filter(({ exit }) => exit === undefined)).toEqual([]);
        expect(clock.pendingTimerCount).toBe(0);
      }),
      { numRuns, ...seed },
    );
  }, 3_600_000);

  test("and a program that is killed at every start is started once per pause in the end", async () => {
    const t = await PoolUnderTest.warm({ profiles: { default: { minSpares: 1 } } });
    const minutesOf = async (count: number) => {
      const before = t.startAttempts;
      for (let tick = 0; tick < count * 600; tick++) {
        for (const worker of t.workers) worker.die(killed);
        if (tick % 10 === 0) t.ask();
        await t.clock.advance(100);
      }
      return t.startAttempts - before;
    };
    expect(await minutesOf(1), "5 at once, 4 with growing pauses, then one per 15 s").toBeLessThanOrEqual(13);
    expect(await minutesOf(2)).toBeLessThanOrEqual(8);
  });
});

/** Numbers from 0 to 1 that are the same for the same start. */
function numbers(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
