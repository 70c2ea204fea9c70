import fc from "fast-check";
import { expect, test } from "vitest";
import { jitteredPushBackMs, QueuePace } from "../../src/pool/queue-pace.ts";

const noJitter = () => 0.5;

function measured(intervalMs: number, count: number): { rate: QueuePace; nowMs: number } {
  const rate = new QueuePace();
  rate.begin(0);
  for (let i = 1; i <= count; i++) rate.served(i * intervalMs);
  return { rate, nowMs: count * intervalMs };
}

test("tells no wait before it has seen enough", () => {
  const { rate, nowMs } = measured(100, 7);
  expect(rate.waitMs(50, nowMs)).toBeUndefined();
  rate.served(nowMs + 100);
  expect(rate.waitMs(50, nowMs + 100)).toBeCloseTo(5000);
});

test("tells nobody at the head of the queue to wait", () => {
  const { rate, nowMs } = measured(60_000, 20);
  expect(rate.waitMs(0, nowMs)).toBe(0);
});

test("follows when the queue slows down", () => {
  const { rate, nowMs } = measured(100, 50);
  for (let i = 1; i <= 50; i++) rate.served(nowMs + i * 1000);
  expect(rate.waitMs(1, nowMs + 50_000)).toBeGreaterThan(900);
});

test("does not count the time in which nobody waited", () => {
  const { rate, nowMs } = measured(100, 20);
  rate.begin(nowMs + 60_000);
  rate.served(nowMs + 60_100);
  expect(rate.waitMs(1, nowMs + 60_100)).toBeCloseTo(100);
});

test("forgets what it saw long ago", () => {
  const { rate, nowMs } = measured(100, 20);
  expect(rate.waitMs(1, nowMs + 300_001)).toBeUndefined();
  rate.begin(nowMs + 400_000);
  expect(rate.waitMs(1, nowMs + 400_000)).toBeUndefined();
});

test("tells refused callers to come back when the queue will have drained", () => {
  const { rate, nowMs } = measured(100, 20);
  expect(rate.pushBackMs(40, nowMs, noJitter)).toBe(4000);
  expect(new QueuePace().pushBackMs(40, 0, noJitter)).toBe(1000);
});

test("spreads push-back by a fifth each way, between 250 ms and 30 s", () => {
  expect(jitteredPushBackMs(10_000, () => 0)).toBe(8000);
  expect(jitteredPushBackMs(10_000, () => 0.999999)).toBe(12_000);
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 1e12, noNaN: true }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (ms, r) => {
        const pushBackMs = jitteredPushBackMs(ms, () => r);
        expect(pushBackMs).toBeGreaterThanOrEqual(250);
        expect(pushBackMs).toBeLessThanOrEqual(30_000);
      },
    ),
  );
});
