import { expect, test } from "vitest";
import { Readiness } from "../../src/pool/readiness.ts";
import { FakeClock } from "../fake-clock.ts";

const worker = { hasWorker: true, startsFail: false };
const none = { hasWorker: false, startsFail: false };
const broken = { hasWorker: false, startsFail: true };

function readiness(keepsSpares = true) {
  const clock = new FakeClock();
  const flips: boolean[] = [];
  const made: Readiness = new Readiness(clock, keepsSpares, () => flips.push(made.isReady));
  return { clock, flips, readiness: made };
}

test("is not ready before the first worker, and at once with it", () => {
  const t = readiness();
  t.readiness.look(none);
  expect(t.readiness.isReady).toBe(false);
  t.readiness.look(worker);
  expect(t.flips).toEqual([true]);
});

test("stays ready for half a minute after a start, and longer when a worker comes", async () => {
  const t = readiness();
  t.readiness.started();
  t.readiness.look(worker);
  t.readiness.look(none);
  await t.clock.advance(29_999);
  expect(t.readiness.isReady).toBe(true);
  t.readiness.look(worker);
  await t.clock.advance(60_000);
  expect(t.flips).toEqual([true]);
  expect(t.clock.pendingTimerCount).toBe(0);
});

test("is not flipped by one glance", async () => {
  const t = readiness();
  t.readiness.look(worker);
  await t.clock.advance(60_000);
  t.readiness.look(none);
  await t.clock.advance(999);
  expect(t.readiness.isReady).toBe(true);
  await t.clock.advance(1);
  expect(t.flips).toEqual([true, false]);
});

test("is not ready at once when starts fail and no worker is left", () => {
  const t = readiness();
  t.readiness.started();
  t.readiness.look({ hasWorker: true, startsFail: true });
  expect(t.readiness.isReady).toBe(true);
  t.readiness.look(broken);
  expect(t.readiness.isReady).toBe(false);
});

test("a profile that keeps no spares is ready until starts fail", async () => {
  const t = readiness(false);
  t.readiness.look(none);
  await t.clock.advance(60_000);
  expect(t.readiness.isReady).toBe(true);
  t.readiness.look(broken);
  expect(t.flips).toEqual([false]);
});
