import { expect, test } from "vitest";
import { Tenants } from "../../src/policy/tenants.ts";

const token = (tenant: string, profiles: readonly string[] = ["*"], weight = 1) => ({ tenant, profiles, weight });
const nobodys = () => undefined;

test("a tenant has the largest weight of its tokens, and 1 if it has none", () => {
  const tenants = new Tenants([token("acme", ["*"], 2), token("acme", ["*"], 5), token("acme")], nobodys);
  expect(tenants.weightOf("acme")).toBe(5);
  expect(tenants.weightOf("default")).toBe(1);
});

test("a profile is shared when tokens of several tenants may name it", () => {
  const tenants = new Tenants([token("acme"), token("acme", ["a"]), token("zeta", ["b"])], nobodys);
  expect(tenants.areSeveral("a")).toBe(false);
  expect(tenants.areSeveral("b")).toBe(true);
});

test("a tenant's own profile is shared with nobody", () => {
  const tenants = new Tenants([token("acme"), token("zeta")], (profile) => (profile === "own" ? "acme" : undefined));
  expect(tenants.areSeveral("own")).toBe(false);
  expect(tenants.areSeveral("other")).toBe(true);
});

test("new tokens count from their reload on", () => {
  const tenants = new Tenants([token("acme")], nobodys);
  expect(tenants.areSeveral("a")).toBe(false);
  tenants.reload([token("acme"), token("zeta", ["*"], 3)]);
  expect(tenants.areSeveral("a")).toBe(true);
  expect(tenants.weightOf("zeta")).toBe(3);
});
