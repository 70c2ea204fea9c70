import { describe, expect, it } from "vitest";
import { isRunnerError } from "../../src/errors.ts";
import { RequestBytes } from "../../src/server/request-bytes.ts";
import { FakeClock } from "../fake-clock.ts";

function setUp() {
  const clock = new FakeClock();
  return { clock, all: new RequestBytes({ maxBytes: 100, readTimeoutMs: 30_000, clock }) };
}

describe("the bytes of requests that are being read", () => {
  it("are bounded over all requests together", () => {
    const { all } = setUp();
    const [a, b] = [all.begin(), all.begin()];
    a.add(60);
    b.add(40);
    try {
      b.add(1);
      expect.unreachable();
    } catch (error) {
      expect(isRunnerError(error, "QUEUE_FULL") && error.facts).toEqual({ requestBytesInFlight: 101, limitBytes: 100 });
    }
    b.done();
    expect(all.bytes).toBe(60);
    a.add(40);
  });

  it("count until they are decoded, and never twice", () => {
    const { all } = setUp();
    const reading = all.begin();
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
