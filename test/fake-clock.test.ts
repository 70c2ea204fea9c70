import { expect, test } from "vitest";
import { sleep } from "../src/clock.ts";
import { FakeClock } from "./fake-clock.ts";

test("fires timers in the order of their time, ties in the order in which they were set", async () => {
  const clock = new FakeClock();
  const fired: string[] = [];
  clock.after(20, () => fired.push("c"));
  clock.after(10, () => fired.push("a"));
  clock.after(10, () => fired.push("b"));

  await clock.advance(15);
  expect(fired).toEqual(["a", "b"]);
  await clock.advance(5);
  expect(fired).toEqual(["a", "b", "c"]);
});

test("runs what a timer sets off at that timer's moment", async () => {
  const clock = new FakeClock();
  const moments: number[] = [];
  const walk = async () => {
    for (let step = 0; step < 3; step++) {
      await sleep(clock, 10);
      moments.push(clock.now());
    }
  };
  const walked = walk();

  await clock.advance(100);
  await walked;
  expect(moments).toEqual([10, 20, 30]);
  expect(clock.now()).toBe(100);
});

test("forgets cancelled timers", async () => {
  const clock = new FakeClock();
  const cancel = clock.after(10, () => expect.unreachable());
  expect(clock.pendingTimerCount).toBe(1);
  cancel();
  expect(clock.pendingTimerCount).toBe(0);
  await clock.advance(10);
});

test("fires what fell due while the event loop was blocked, at the later time", async () => {
  const clock = new FakeClock();
  const firedAt: number[] = [];
  clock.after(10, () => firedAt.push(clock.now()));
  clock.jump(50);
  expect(firedAt).toEqual([]);
  await clock.advance(0);
  expect(firedAt).toEqual([50]);
});
