import { describe, expect, test } from "vitest";
import { type WatchOptions, watch } from "../../../src/service/pool/watch.ts";
import { FakeClock } from "../../fake-clock.ts";

/** A number that changes, and a watch of it. */
class Watched {
  readonly clock = new FakeClock();
  readonly abort = new AbortController();
  value = 0;
  readCount = 0;
  readonly listeners = new Set<() => void>();
  onRead = () => {};

  watch(changes: Partial<WatchOptions<number>> = {}) {
    return watch<number>({
      clock: this.clock,
      signal: this.abort.signal,
      minIntervalMs: 1_000,
      heartbeatMs: 15_000,
      subscribe: (changed) => {
        this.listeners.add(changed);
        return () => this.listeners.delete(changed);
      },
      read: () => {
        this.onRead();
        this.readCount += 1;
        return { state: this.value, mark: String(this.value) };
      },
      ...changes,
    });
  }

  set(value: number): void {
    this.value = value;
    for (const changed of this.listeners) changed();
  }

  /** Reads on and on: what was told, and when. */
  follow(states: AsyncIterable<number>) {
    const told: { readonly atMs: number; readonly value: number }[] = [];
    const followed = { told, error: undefined as unknown };
    void (async () => {
      try {
        for await (const value of states) told.push({ atMs: this.clock.now(), value });
      } catch (error) {
        followed.error = error;
      }
    })();
    return followed;
  }

  get isClean(): boolean {
    return this.listeners.size === 0 && this.clock.pendingTimerCount === 0;
  }
}

describe("a watch", () => {
  test("tells the state at once, and a change after a quiet time at once as well", async () => {
    const t = new Watched();
    const { told } = t.follow(t.watch());
    await t.clock.settle();
    await t.clock.advance(5_000);
    t.set(1);
    await t.clock.settle();
    expect(told).toEqual([
      { atMs: 0, value: 0 },
      { atMs: 5_000, value: 1 },
    ]);
  });

  test("keeps the interval between two states, and tells the newest when it is over", async () => {
    const t = new Watched();
    const { told } = t.follow(t.watch());
    await t.clock.settle();
    for (let value = 1; value <= 25; value += 1) {
      t.set(value);
      await t.clock.advance(100);
    }
    expect(told).toEqual([
      { atMs: 0, value: 0 },
      { atMs: 1_000, value: 10 },
      { atMs: 2_000, value: 20 },
    ]);
    await t.clock.advance(500);
    expect(told.at(-1)).toEqual({ atMs: 3_000, value: 25 });
  });

  test("does not tell again what is as it was, and reads no more often than it may tell", async () => {
    const t = new Watched();
    const { told } = t.follow(t.watch());
    await t.clock.settle();
    for (let step = 0; step < 50; step += 1) {
      t.set(0);
      await t.clock.advance(100);
    }
    expect(told).toHaveLength(1);
    expect(t.readCount).toBeLessThanOrEqual(6);
  });

  test("reads nothing while nothing happens, and tells the state again after the time of a heartbeat", async () => {
    const t = new Watched();
    const { told } = t.follow(t.watch());
    await t.clock.settle();
    await t.clock.advance(14_999);
    expect(t.readCount).toBe(1);
    await t.clock.advance(15_001);
    expect(told.map(({ atMs }) => atMs)).toEqual([0, 15_000, 30_000]);
    t.set(1);
    await t.clock.advance(1_000);
    await t.clock.advance(14_999);
    expect(told.map(({ atMs }) => atMs)).toEqual([0, 15_000, 30_000, 31_000]);
    await t.clock.advance(1);
    expect(told.at(-1)).toEqual({ atMs: 46_000, value: 1 });
  });

  test("keeps an interval that is longer than the time of a heartbeat", async () => {
    const t = new Watched();
    const { told } = t.follow(t.watch({ minIntervalMs: 60_000 }));
    await t.clock.settle();
    t.set(1);
    await t.clock.advance(130_000);
    expect(told).toEqual([
      { atMs: 0, value: 0 },
      { atMs: 60_000, value: 1 },
      { atMs: 120_000, value: 1 },
    ]);
  });

  test("gives a slow reader the newest state, reads nothing for it meanwhile, and holds no timer", async () => {
    const t = new Watched();
    const states = t.watch();
    expect((await states.next()).value).toBe(0);
    for (let value = 1; value <= 100; value += 1) {
      t.set(value);
      await t.clock.advance(500);
    }
    expect(t.readCount).toBe(1);
    expect(t.clock.pendingTimerCount).toBe(0);
    expect((await states.next()).value).toBe(100);
    await states.return?.(undefined as never);
    expect(t.isClean).toBe(true);
  });

  test("ends with the signal's reason while it waits, and leaves no listener and no timer", async () => {
    const t = new Watched();
    const followed = t.follow(t.watch());
    await t.clock.settle();
    expect(t.clock.pendingTimerCount).toBe(1);
    const why = new Error("over");
    t.abort.abort(why);
    await t.clock.settle();
    expect(followed.error).toBe(why);
    expect(t.isClean).toBe(true);
  });

  test("leaves nothing behind when it is ended while nobody reads, even if nobody ever asks it again", async () => {
    const t = new Watched();
    const states = t.watch();
    await states.next();
    t.abort.abort(new Error("over"));
    expect(t.isClean).toBe(true);
    await expect(states.next()).rejects.toThrow("over");
  });

  test("ends with what reading failed with", async () => {
    const t = new Watched();
    const followed = t.follow(t.watch());
    await t.clock.settle();
    t.onRead = () => {
      throw new Error("no more");
    };
    await t.clock.advance(15_000);
    expect(followed.error).toMatchObject({ message: "no more" });
    expect(t.isClean).toBe(true);
  });
});
