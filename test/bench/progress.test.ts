import { describe, expect, it } from "vitest";
import { duration, Progress } from "../../bench/progress.ts";
import { FakeClock } from "../fake-clock.ts";

function progress(isTTY: boolean) {
  const clock = new FakeClock();
  const written: string[] = [];
  const parts = [
    { name: "one", estimateMs: 60_000 },
    { name: "two", estimateMs: 120_000 },
  ];
  const shown = new Progress(parts, { isTTY, columns: 100, write: (text) => written.push(text) }, clock);
  return { clock, shown, last: () => written.at(-1)!, written };
}

describe("the progress of the bench", () => {
  it("says what runs, how far it is and what is left of the whole", async () => {
    const { clock, shown, last } = progress(true);
    shown.begin();
    await clock.advance(30_000);
    shown.step("round 2 of 4", 0.5);
    expect(last()).toContain("[1/2] one: round 2 of 4 · 50 %, about 2 min 30 s left in all");
  });

  it("learns from parts that took longer than was guessed", async () => {
    const { clock, shown, last } = progress(true);
    shown.begin();
    await clock.advance(120_000);
    shown.begin();
    expect(last()).toContain("about 4 min 0 s left in all");
  });

  it("writes a line only now and then where it cannot rewrite one", async () => {
    const { clock, shown, written } = progress(false);
    shown.begin();
    for (let step = 0; step < 100; step++) {
      await clock.advance(150);
      shown.step("working", step / 100);
    }
    expect(written).toHaveLength(2);
    expect(written.every((line) => line.endsWith("\n"))).toBe(true);
  });

  it("gives times in minutes and seconds", () => {
    expect(duration(59_400)).toBe("59 s");
    expect(duration(150_000)).toBe("2 min 30 s");
  });
});
