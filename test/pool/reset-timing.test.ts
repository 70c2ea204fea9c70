import { expect, test } from "vitest";
import { hasKeptTooLong, keptConversation, needsReset } from "../../src/pool/reset-timing.ts";
import type { WorkerState } from "../../src/pool/worker-state.ts";

const idle = { kind: "boundIdle", sinceMs: 1_000, order: 1, verifiedAtMs: 1_000, affinity: "a" } as const;
const bound: WorkerState = { ...idle, holds: { kind: "binding" } };
const keeping: WorkerState = { ...idle, holds: { kind: "conversation", id: "c1" } };
const spare: WorkerState = { kind: "spare", sinceMs: 1_000, order: 1, verifiedAtMs: 1_000 };
const busy: WorkerState = { kind: "claimed", sinceMs: 1_000, turnId: "t", affinity: "a" };

test("a worker keeps a conversation only where its profile says for how long, and only one that has a name", () => {
  expect(keptConversation("c1", { keepConversationMs: 0 })).toBeUndefined();
  expect(keptConversation("c1", { keepConversationMs: 1 })).toBe("c1");
  expect(keptConversation(undefined, { keepConversationMs: 1 })).toBeUndefined();
});

test("it has kept it long enough when it was idle for that time", () => {
  const limits = { keepConversationMs: 5_000 };
  expect(hasKeptTooLong(keeping, limits, 5_999)).toBe(false);
  expect(hasKeptTooLong(keeping, limits, 6_000)).toBe(true);
  for (const state of [bound, spare, busy]) expect(hasKeptTooLong(state, limits, 60_000)).toBe(false);
});

test("it needs a reset for every turn but the one that goes on with its conversation", () => {
  expect(needsReset(keeping, "c1")).toBe(false);
  expect(needsReset(keeping, "c2")).toBe(true);
  expect(needsReset(keeping, undefined)).toBe(true);
  for (const state of [bound, spare]) expect(needsReset(state, "c1")).toBe(false);
});
