import { describe, expect, it } from "vitest";
import { isRunnerError } from "../../../src/runner-error.ts";
import { RequestBytes } from "../../../src/server/calls/request-bytes.ts";
import { FakeClock } from "../../fake-clock.ts";

function setUp() {
  const clock = new FakeClock();
  return { clock, all: new RequestBytes({ maxBytes: 100, maxAnonymousBytes: 10, readTimeoutMs: 30_000, clock }) };
}

describe("the bytes of requests that are being read", () => {
  const of = (all: RequestBytes, tenant: string | undefined, address = `of ${tenant}`) => {
    const reading = all.begin();
    reading.belongsTo({ address, tenant });
    return reading;
  };
  const refusalOf = (add: () => void) => {
    try {
      add();
    } catch (error) {
      if (isRunnerError(error)) return { reason: error.reason, ...error.facts };
      throw error;
    }
    throw new Error("it was expected to be refused");
  };

  it("are shared out: one tenant may hold half of them, and another one is served all the same", () => {
    const { all } = setUp();
    const [a, b] = [of(all, "a"), of(all, "a")];
    a.add(30);
    b.add(20);
    expect(refusalOf(() => b.add(1))).toEqual({
      reason: "QUOTA_EXCEEDED",
      subject: "tenant:a",
      held: 51,
      limit: 50,
    });
    of(all, "another").add(25);
    b.done();
    expect(all.bytes).toBe(55);
    a.add(7);
  });

  it("are shared out by address as well: many tenants at one address are one", () => {
    const { all } = setUp();
    of(all, "a", "192.0.2.1").add(30);
    of(all, "b", "192.0.2.1").add(20);
    expect(refusalOf(() => of(all, "c", "192.0.2.1").add(1))).toMatchObject({ subject: "address:192.0.2.1" });
    of(all, "c", "192.0.2.2").add(25);
  });

  it("are bounded over all requests together", () => {
    const { all } = setUp();
    for (const tenant of "abcdefgh") {
      try {
        const reading = of(all, tenant);
        for (;;) reading.add(1);
      } catch {}
    }
    expect(all.bytes).toBeLessThanOrEqual(100);
  });

  it("of strangers take nothing from callers", () => {
    const { all } = setUp();
    const stranger = of(all, undefined);
    stranger.add(5);
    expect(refusalOf(() => stranger.add(1))).toMatchObject({ held: 6, limit: 5 });
    of(all, "a").add(50);
  });

  it("count until they are decoded, and never twice", () => {
    const { all } = setUp();
    const reading = of(all, "a");
    reading.add(50);
    reading.consumed();
    expect(all.bytes).toBe(0);
    reading.add(20);
    reading.done();
    reading.done();
    reading.add(99);
    expect(all.bytes).toBe(0);
  });

  it("have to come in time", async () => {
    const { clock, all } = setUp();
    const late: unknown[] = [];
    all.begin((error) => late.push(error.reason));
    const inTime = all.begin((error) => late.push(error));
    all.begin(); // without a limit
    await clock.advance(29_999);
    inTime.done();
    await clock.advance(1);
    expect(late).toEqual(["DEADLINE_EXCEEDED"]);
  });
});
