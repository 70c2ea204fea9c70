import { describe, expect, it } from "vitest";
import { DurationLimit } from "../../../src/cli/turn/duration-limit.ts";
import { FakeClock } from "../../fake-clock.ts";

function limited(limitMs: number) {
  const clock = new FakeClock();
  const reachedAtMs: number[] = [];
  const limit = new DurationLimit(clock, limitMs, () => reachedAtMs.push(clock.now()));
  return { clock, reachedAtMs, limit };
}

describe("the limit on a turn's duration", () => {
  it("is reached once, when its time is up", async () => {
    const { clock, reachedAtMs } = limited(1_000);
    await clock.advance(10_000);
    expect(reachedAtMs).toEqual([1_000]);
  });

  it("does not count the time of its pauses", async () => {
    const { clock, reachedAtMs, limit } = limited(1_000);
    await clock.advance(400);
    limit.pause();
    limit.pause();
    await clock.advance(60_000);
    limit.resume();
    limit.resume();
    await clock.advance(300);
    limit.pause();
    await clock.advance(5);
    limit.resume();
    await clock.advance(10_000);
    expect(reachedAtMs).toEqual([400 + 60_000 + 300 + 5 + 300]);
  });

  it("leaves no timer behind when it is paused for good", () => {
    const { clock, limit } = limited(1_000);
    limit.pause();
    expect(clock.pendingTimerCount).toBe(0);
  });
});
