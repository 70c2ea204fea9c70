import { describe, expect, it } from "vitest";
import { TurnMeter } from "../../../src/cli/mapping/meter.ts";
import type { JsonObject } from "../../../src/cli/protocol/json-members.ts";
import { type Charge, Charges } from "../../../src/cli/turn/charges.ts";
import { noUsage } from "../../../src/usage.ts";
import { entriesOf } from "../captures.ts";

/** What the results of a capture are charged for, perhaps without the member that newer versions have. */
function charges(name: string, options: { readonly exact: boolean }): readonly Charge[] {
  const ledger = new Charges();
  const booked: Charge[] = [];
  for (const { dir, msg } of entriesOf(name)) {
    if (dir !== "out") continue;
    if (msg.type === "conversation_reset") ledger.conversationReset();
    if (msg.type !== "result") continue;
    const { model_usage_since_last_result: exact, ...rest } = msg;
    const result: JsonObject = options.exact ? { ...rest, model_usage_since_last_result: exact ?? null } : rest;
    booked.push(ledger.book(result));
  }
  return booked;
}

describe("the ledger", () => {
  it.each(["ledger", "rewind", "budget-exhausted", "errors-http-4xx", "seeded-history"])(
    "charges each turn of %s for what the CLI says it used, with and without its own account of that",
    (name) => {
      const [told, computed] = [charges(name, { exact: true }), charges(name, { exact: false })];
      expect(computed.map(({ usage }) => usage)).toEqual(told.map(({ usage }) => usage));
      computed.forEach((charge, at) => {
        expect(Math.abs(charge.costUsdMicros - told[at]!.costUsdMicros)).toBeLessThanOrEqual(1);
      });
    },
  );

  it("charges a cleared conversation for nothing that was before", () => {
    const costs = charges("clear", { exact: false }).map(({ costUsdMicros }) => costUsdMicros);
    expect(costs).toEqual(charges("clear", { exact: true }).map(({ costUsdMicros }) => costUsdMicros));
    expect(costs[1]).toBe(0);
    expect(costs[2]).toBeGreaterThan(0);
  });

  it("charges the first turn of a resumed session for itself only, with and without the CLI's own account of it", () => {
    const carried = { modelUsage: { m: { inputTokens: 10, costUSD: 0.25 } } };
    const now = { m: { inputTokens: 14, costUSD: 0.3 }, n: { inputTokens: 1, costUSD: 0.01 } };
    const exact = { m: { inputTokens: 4, costUSD: 0.05 }, n: { inputTokens: 1, costUSD: 0.01 } };
    const ways: readonly JsonObject[] = [{}, { model_usage_since_last_result: exact }];
    for (const more of ways) {
      const ledger = new Charges();
      ledger.carriedOver({ total_cost_usd: 0.25, total_api_duration_ms: 400, model_usage: carried.modelUsage });
      expect(ledger.totalCostUsdMicros).toBe(250_000); // the base line of a limit of cost
      const charge = ledger.book({ total_cost_usd: 0.31, duration_api_ms: 450, modelUsage: now, ...more });
      expect(charge).toMatchObject({ costUsdMicros: 60_000, apiMs: 50, usage: { inputTokens: 5 } });
    }
  });

  it("has what all turns cost as the base line for the next", () => {
    const ledger = new Charges();
    ledger.book({ total_cost_usd: 0.25, modelUsage: {} });
    expect(ledger.totalCostUsdMicros).toBe(250_000);
  });

  it("marks the price of an unknown model as a guess", () => {
    const charge = new Charges().book({ modelUsage: { m: { inputTokens: 1, costUSD: 0.5, costBasis: "unknown" } } });
    expect(charge).toMatchObject({ costUsdMicros: 500_000, costIsEstimate: true });
  });
});

describe("the meter", () => {
  it("is at the limit of model calls when another one would follow, not before", () => {
    const meter = new TurnMeter({ maxModelCallCount: 2 });
    meter.callBegan(noUsage);
    meter.callFollows();
    meter.callBegan(noUsage);
    expect(meter.reached).toBeUndefined();
    meter.callFollows();
    expect(meter.reached).toBe("modelCallLimit");
  });

  it("does not count a call of which nothing is left", () => {
    const meter = new TurnMeter({ maxModelCallCount: 1 });
    meter.callBegan(noUsage);
    meter.callLost();
    meter.callBegan(noUsage);
    expect([meter.reached, meter.modelCallCount]).toEqual([undefined, 1]);
  });

  it("is at the limit of output with the byte that is too many", () => {
    const meter = new TurnMeter({ maxOutputBytes: 10 });
    meter.wrote(10);
    expect(meter.reached).toBeUndefined();
    meter.wrote(1);
    meter.callFollows();
    expect(meter.reached).toBe("outputLimit");
  });

  it("adds the final usage of each call up, and that of the running one", () => {
    const meter = new TurnMeter({});
    meter.callBegan({ ...noUsage, inputTokens: 5, outputTokens: 1 });
    meter.callUsed({ ...noUsage, inputTokens: 5, outputTokens: 20 });
    meter.callBegan({ ...noUsage, inputTokens: 7, outputTokens: 1 });
    expect(meter.provisionalUsage).toEqual({ ...noUsage, inputTokens: 12, outputTokens: 21 });
  });

  it("wants the cost only where it is limited, once for each time that it grew", () => {
    const [free, limited] = [new TurnMeter({}), new TurnMeter({ maxCostUsdMicros: 1 })];
    for (const meter of [free, limited]) meter.costGrew();
    expect([free.takeCostDue(), limited.takeCostDue(), limited.takeCostDue()]).toEqual([false, true, false]);
  });
});
