import { describe, expect, it } from "vitest";
import type { ProfileSnapshot } from "../../src/pool/snapshot.ts";
import { isWarm, untilWarm, type WarmingPool } from "../../src/pool/warm.ts";
import { FakeClock } from "../fake-clock.ts";

const profile = (spare: number, minSpares: number, starts: ProfileSnapshot["starts"] = "normal") =>
  ({ minSpares, starts, workers: { spare } }) as ProfileSnapshot;

describe("a pool is warm", () => {
  it("when every profile has its spares and turns are served", () => {
    expect(isWarm({ isServing: true, profiles: [profile(2, 2), profile(0, 0)] })).toBe(true);
    expect(isWarm({ isServing: true, profiles: [profile(2, 2), profile(0, 1)] })).toBe(false);
    expect(isWarm({ isServing: false, profiles: [profile(2, 2)] })).toBe(false);
  });

  it("without a profile whose starts are known to fail, as long as another one serves", () => {
    expect(isWarm({ isServing: true, profiles: [profile(2, 2), profile(0, 1, "failing")] })).toBe(true);
  });
});

describe("a server that waits until its pool is warm", () => {
  const setUp = () => {
    const listeners = new Set<() => void>();
    let snapshot = { isServing: false, profiles: [profile(0, 2)] };
    const pool = {
      snapshot: () => snapshot,
      onActivity(listener: () => void) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    };
    const become = (isServing: boolean, spare: number) => {
      snapshot = { isServing, profiles: [profile(spare, 2)] };
      for (const listener of listeners) listener();
    };
    return { pool: pool as unknown as WarmingPool, become, listeners, clock: new FakeClock() };
  };

  it("goes on with the last spare, and listens no longer", async () => {
    const { pool, become, listeners, clock } = setUp();
    const waiting = untilWarm(pool, { timeoutMs: 1_000, clock });
    become(true, 1);
    become(true, 2);
    expect(await waiting).toBe(true);
    expect([listeners.size, clock.pendingTimerCount]).toEqual([0, 0]);
  });

  it("goes on when its time is over, and says whether turns can be served", async () => {
    for (const isServing of [true, false]) {
      const { pool, become, clock } = setUp();
      const waiting = untilWarm(pool, { timeoutMs: 1_000, clock });
      become(isServing, 1);
      await clock.advance(1_000);
      expect(await waiting).toBe(isServing);
    }
  });

  it("ends when it is told to stop", async () => {
    const { pool, listeners, clock } = setUp();
    const stop = new AbortController();
    const waiting = untilWarm(pool, { timeoutMs: 1_000, clock, signal: stop.signal });
    stop.abort(new Error("told to stop"));
    await expect(waiting).rejects.toThrow("told to stop");
    expect(listeners.size).toBe(0);
  });
});
