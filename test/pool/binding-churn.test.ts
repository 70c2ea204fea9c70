import { expect, test } from "vitest";
import { BindingChurn } from "../../src/pool/binding-churn.ts";

function claims(churn: BindingChurn, count: number, isNew: (index: number) => boolean, nowMs = 0, tenant = "acme") {
  const notices: number[] = [];
  for (let index = 0; index < count; index++) {
    const notice = churn.claimed(tenant, isNew(index), nowMs);
    if (notice !== undefined) notices.push(notice);
  }
  return notices;
}

test("says nothing before a hundred claims", () => {
  expect(claims(new BindingChurn(), 99, () => true)).toEqual([]);
});

test("says nothing while half of the claims find their binding", () => {
  expect(claims(new BindingChurn(), 1000, (index) => index % 2 === 0)).toEqual([]);
});

test("speaks once more than half of the last hundred are new, and again after ten minutes", () => {
  const churn = new BindingChurn();
  expect(claims(churn, 100, () => false)).toEqual([]);
  expect(claims(churn, 100, () => true)).toEqual([51]);
  expect(claims(churn, 100, () => true, 599_999)).toEqual([]);
  expect(claims(churn, 100, () => true, 600_000)).toEqual([100]);
});

test("counts each tenant apart", () => {
  const churn = new BindingChurn();
  expect(claims(churn, 99, () => true, 0, "acme")).toEqual([]);
  expect(claims(churn, 99, () => true, 0, "zeta")).toEqual([]);
  expect(claims(churn, 1, () => true, 0, "zeta")).toEqual([100]);
});
