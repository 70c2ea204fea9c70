import { expect, test } from "vitest";
import { SparePace } from "../../src/pool/spare-pace.ts";

const pace = () => new SparePace({ startFailuresToBreak: 3, startRetryMs: 15_000 });

test("replaces the first spares that die at once", () => {
  const spares = pace();
  spares.died(0);
  spares.died(10);
  expect(spares.sparesAllowed(10, 2)).toBe(Number.POSITIVE_INFINITY);
  expect(spares.nextSpareAtMs).toBeUndefined();
});

test("then starts one per pause", () => {
  const spares = pace();
  for (const atMs of [0, 10, 20]) spares.died(atMs);
  expect(spares.sparesAllowed(15_019, 0)).toBe(0);
  expect(spares.sparesAllowed(15_020, 1)).toBe(0);
  expect(spares.sparesAllowed(15_020, 0)).toBe(1);
  spares.died(15_500);
  expect(spares.nextSpareAtMs).toBe(30_500);
});

test("until a worker that started after the last death has proved itself", () => {
  const spares = pace();
  for (const atMs of [0, 10, 20]) spares.died(atMs);
  spares.proved(20);
  expect(spares.nextSpareAtMs).toBe(15_020);
  spares.proved(21);
  expect(spares.nextSpareAtMs).toBeUndefined();
});
