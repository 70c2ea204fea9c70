import { expect, it } from "vitest";
import { until } from "./until.ts";

it("says what it waited for and what it saw last, before the test's own timeout says less", async () => {
  let count = 0;
  await expect(until(() => ++count > 1e9, { see: () => ({ count: count > 0 }) })).rejects.toThrow(
    /^waited \d+ ms for \(\) => \+\+count > 1e9; seen last: \{ count: true \}$/,
  );
}, 1_500);

it("waits as long as it is told, and no longer than it has to", async () => {
  await expect(until(async () => false, { giveUpAfterMs: 20 })).rejects.toThrow("seen last: false");
  let looks = 0;
  await until(() => ++looks === 3);
  expect(looks).toBe(3);
});
