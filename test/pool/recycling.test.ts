import { expect, test } from "vitest";
import { type AgingWorker, ageLimitMs, idleTooLong, wornOut } from "../../src/pool/recycling.ts";

const limits = {
  maxTurnsPerWorker: 100,
  maxWorkerMemoryBytes: 600,
  maxIdleCpuPercent: 20,
  boundIdleTimeoutMs: 1000,
  parkedIdleMs: 500,
};
const spare: AgingWorker = {
  state: { kind: "spare", sinceMs: 0, order: 1, verifiedAtMs: 0 },
  dedication: undefined,
  finishedTurnCount: 0,
  startedAtMs: 0,
  ageLimitMs: 5000,
  memoryBytes: 600,
  idleCpuPercent: 20,
};
const bound: AgingWorker = {
  ...spare,
  state: { ...spare.state, kind: "boundIdle", affinity: "a" } as AgingWorker["state"],
};

test.each([
  ["fit", {}, 4999, undefined],
  ["max_turns", { finishedTurnCount: 100 }, 0, "max_turns"],
  ["max_age", {}, 5000, "max_age"],
  ["memory", { memoryBytes: 601 }, 0, "memory"],
  ["fit while nothing was measured", { memoryBytes: undefined }, 0, undefined],
])("a worker is %s", (_, changes, nowMs, reason) => {
  expect(wornOut({ ...spare, ...changes }, limits, nowMs)).toBe(reason);
});

test("an idle worker that burns CPU ends", () => {
  expect(idleTooLong({ ...spare, idleCpuPercent: 21 }, limits, 0, false)).toBe("idle_cpu");
  expect(idleTooLong({ ...spare, idleCpuPercent: undefined }, limits, 0, false)).toBeUndefined();
});

test("a bound worker that nobody uses ends, a spare only if there are too many", () => {
  expect(idleTooLong(bound, limits, 999, true)).toBeUndefined();
  expect(idleTooLong(bound, limits, 1000, false)).toBe("idle_timeout");
  expect(idleTooLong(spare, limits, 1000, false)).toBeUndefined();
  expect(idleTooLong(spare, limits, 1000, true)).toBe("surplus");
});

test("a session's worker ends when it was parked for long enough, whatever holds for others", () => {
  const parked = { ...bound, dedication: {} as AgingWorker["dedication"] };
  expect(idleTooLong(parked, limits, 499, true)).toBeUndefined();
  expect(idleTooLong(parked, limits, 500, false)).toBe("parked_too_long");
  expect(idleTooLong(parked, { ...limits, parkedIdleMs: 5_000 }, 1_000, false)).toBeUndefined();
});

test("a worker in mid-turn is never too long idle", () => {
  const state = {
    kind: "claimed",
    sinceMs: 0,
    turnId: "t",
    affinity: "a",
    before: spare.state,
  } as AgingWorker["state"];
  expect(idleTooLong({ ...spare, state, idleCpuPercent: 100 }, limits, 1e9, true)).toBeUndefined();
});

test("ages differ by up to a tenth, so that workers of one hour do not end in one minute", () => {
  expect(ageLimitMs(1000, () => 0)).toBe(900);
  expect(ageLimitMs(1000, () => 0.5)).toBe(1000);
  expect(ageLimitMs(1000, () => 0.999999)).toBeCloseTo(1100, 2);
});
