import { expect, test } from "vitest";
import { type Prospects, type RefusedAtOnce, shedding } from "../../src/pool/shedding.ts";

interface Facts {
  readonly hasPlace?: boolean;
  readonly hasHope?: boolean;
  readonly startsFail?: "start_failed" | "cli_unavailable";
  readonly isCrowded?: boolean;
  readonly waitMs?: number;
}

const prospects = ({ hasPlace = true, hasHope = true, startsFail, isCrowded = false, waitMs }: Facts): Prospects => ({
  hasPlace,
  hasHope: () => hasHope,
  startsFail: () => startsFail,
  isCrowded,
  waitMs: () => waitMs,
  leftMs: 30_000,
});

test.each<[string, Facts, RefusedAtOnce | undefined]>([
  ["all is well", {}, undefined],
  ["the queue has no place", { hasPlace: false }, "queue_full"],
  ["nor do workers start", { hasPlace: false, hasHope: false, startsFail: "start_failed" }, "queue_full"],
  ["workers do not start, and none is there for it", { hasHope: false, startsFail: "start_failed" }, "start_failed"],
  ["there is no program, and no worker for it", { hasHope: false, startsFail: "cli_unavailable" }, "cli_unavailable"],
  ["workers do not start, and one is there for it", { startsFail: "start_failed" }, undefined],
  ["no worker is there for it, and starts are not known to fail", { hasHope: false }, undefined],
  ["it would wait longer than it may", { isCrowded: true, waitMs: 30_001 }, "wait_too_long"],
  ["it would wait just as long as it may", { isCrowded: true, waitMs: 30_000 }, undefined],
  ["nobody knows how long it would wait", { isCrowded: true }, undefined],
  ["there is room for it, however slow the queue was", { waitMs: 60_000 }, undefined],
])("when %s", (_, facts, reason) => {
  expect(shedding(prospects(facts))).toBe(reason);
});

test("a full queue costs no look at workers or starts", () => {
  const look = () => {
    throw new Error("looked");
  };
  const full = { ...prospects({ hasPlace: false }), hasHope: look, startsFail: look, waitMs: look };
  expect(shedding(full)).toBe("queue_full");
});
