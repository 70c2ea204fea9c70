import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { asUnprocessed, defaultRetryPolicy, type FailedAttempt, RetryBudget, retryWaitMs } from "../src/retry.ts";

const unavailable = (pushback?: string) =>
  new ConnectError("x", Code.Unavailable, pushback === undefined ? {} : { "grpc-retry-pushback-ms": pushback });
const failed = (change: Partial<FailedAttempt> = {}): FailedAttempt => ({
  error: unavailable(),
  attempt: 1,
  backoffCount: 0,
  sawHeaders: false,
  leftMs: undefined,
  ...change,
});
const wait = (change?: Partial<FailedAttempt>, random = 0.5) =>
  retryWaitMs(defaultRetryPolicy, failed(change), () => random);

describe("whether a call is sent again", () => {
  it("doubles its own waits up to ten seconds, give or take a fifth", () => {
    expect([0, 1, 2, 9].map((backoffCount) => wait({ backoffCount }))).toEqual([200, 400, 800, 10_000]);
    expect([wait({}, 0), wait({}, 1)].map((ms) => Math.round(ms ?? 0))).toEqual([160, 240]);
  });

  it("waits exactly as long as the server says", () => {
    expect(wait({ error: unavailable("0") })).toBe(0);
    expect(wait({ error: unavailable("1500"), backoffCount: 5 })).toBe(1500);
  });

  it.each(["-1", "", "soon", "1.5", "99999999999", "5, 6"])("is no when the server says %j", (pushback) => {
    expect(wait({ error: unavailable(pushback) })).toBeUndefined();
  });

  it("is no for other codes, after the fourth attempt, and beyond the deadline", () => {
    expect(wait({ error: new ConnectError("x", Code.ResourceExhausted) })).toBeUndefined();
    expect(wait({ attempt: 4 })).toBeUndefined();
    expect(wait({ leftMs: 100 })).toBeUndefined();
    expect(wait({ leftMs: 300 })).toBe(200);
  });

  it("is no behind response headers, unless the server itself says when", () => {
    expect(wait({ sawHeaders: true })).toBeUndefined();
    expect(wait({ sawHeaders: true, error: unavailable("40") })).toBe(40);
  });

  it("is yes at once, and once, for a call that the server has not looked at", () => {
    const error = asUnprocessed(new ConnectError("x", Code.Internal));
    expect(wait({ error })).toBe(0);
    expect(wait({ error, attempt: 2, backoffCount: 1 })).toBe(400);
    expect(wait({ error, attempt: 4 })).toBeUndefined();
  });

  it("is no with half of the budget gone, and yes again after successes", () => {
    const budget = new RetryBudget();
    for (let count = 0; count < 4; count += 1) budget.failed();
    expect(budget.allowsRetry).toBe(true);
    budget.failed();
    expect(budget.allowsRetry).toBe(false);
    for (let count = 0; count < 2; count += 1) budget.succeeded();
    expect(budget.allowsRetry).toBe(true);
  });
});
