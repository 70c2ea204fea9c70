import { expect, test } from "vitest";
import { maxLeadMs, TenantShares } from "../../src/pool/shares.ts";

const shares = (weights: Readonly<Record<string, number>> = {}) => new TenantShares((tenant) => weights[tenant] ?? 1);

/** Runs a turn from one moment to another. */
function run(of: TenantShares, tenant: string, sinceMs: number, untilMs: number): void {
  of.began(tenant, sinceMs);
  of.ended(tenant, sinceMs, untilMs);
}

test("counts turns while they run, and after", () => {
  const of = shares();
  of.waits("a", 0);
  of.began("a", 0);
  of.began("a", 100);
  expect(of.servedMs("a", 300)).toBe(500);
  of.ended("a", 0, 300);
  expect(of.servedMs("a", 400)).toBe(600);
});

test("divides by the weight", () => {
  const of = shares({ heavy: 4 });
  of.began("heavy", 0);
  of.began("light", 0);
  expect([of.servedMs("heavy", 400), of.servedMs("light", 400)]).toEqual([100, 400]);
});

test("who comes starts level with the least served of those that are there", () => {
  const of = shares();
  of.waits("a", 0);
  run(of, "a", 0, 5_000);
  of.waits("b", 5_000);
  expect(of.servedMs("b", 5_000)).toBe(5_000);
  run(of, "a", 5_000, 6_000);
  of.waits("c", 6_000);
  expect(of.servedMs("c", 6_000)).toBe(5_000);
});

test("going and coming back earns nothing", () => {
  const of = shares();
  of.waits("a", 0);
  of.waits("b", 0);
  run(of, "b", 0, 3_000);
  of.waitsNoMore("b", 3_000);
  of.waits("b", 3_000);
  expect(of.servedMs("b", 3_000)).toBe(3_000);
});

test("one very long turn costs its tenant a bounded time", () => {
  const of = shares();
  of.waits("a", 0);
  of.waits("b", 0);
  run(of, "b", 0, 3_600_000);
  expect(of.servedMs("b", 3_600_000)).toBe(maxLeadMs);
});

test("a past when nobody else was there counts for nothing", () => {
  const of = shares();
  run(of, "a", 0, 3_600_000);
  of.waits("b", 3_600_000);
  of.waits("a", 3_600_000);
  expect(of.servedMs("a", 3_600_000)).toBe(of.servedMs("b", 3_600_000));
});

test("keeps nothing of tenants that are gone", () => {
  const of = shares();
  for (let at = 0; at < 1_000; at++) {
    of.waits(`tenant-${at}`, at);
    of.began(`tenant-${at}`, at);
    of.waitsNoMore(`tenant-${at}`, at);
    of.ended(`tenant-${at}`, at, at + 10);
  }
  expect(of.accountCount).toBe(0);
});
