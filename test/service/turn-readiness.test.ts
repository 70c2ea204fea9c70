import { describe, expect, it } from "vitest";
import { readinessOf } from "../../src/service/turn-readiness.ts";
import type { StoreHealth } from "../../src/store/store.ts";
import { FakeClock } from "../fake-clock.ts";
import { TestReadiness } from "../server/scripted-runner.ts";

function setUp() {
  const pool = new TestReadiness();
  const clock = new FakeClock();
  let takesTurns = true;
  const health = (): StoreHealth => ({
    problem: undefined,
    takesTurns,
    usedBytes: 0,
    owedEndCount: 0,
    census: undefined,
  });
  const readiness = readinessOf({ pool, store: { health }, clock });
  const setStore = (takes: boolean) => {
    takesTurns = takes;
  };
  return { pool, clock, readiness, setStore };
}

describe("readiness", () => {
  it("needs workers, and a store that takes turns", () => {
    const { pool, readiness, setStore } = setUp();
    expect(readiness.isServing()).toBe(true);
    setStore(false);
    expect(readiness.isServing()).toBe(false);
    setStore(true);
    pool.set(false);
    expect(readiness.isServing()).toBe(false);
  });

  it("has those who watch look again at once for the pool, and after a while for the store", async () => {
    const { pool, clock, readiness } = setUp();
    let looks = 0;
    const end = readiness.onChange(() => {
      looks += 1;
    });
    pool.set(false);
    expect(looks).toBe(1);
    await clock.advance(5_000);
    expect(looks).toBe(2);
    end();
    pool.set(true);
    await clock.advance(60_000);
    expect(looks).toBe(2);
    expect(clock.pendingTimerCount).toBe(0);
  });
});
