import { describe, expect, it } from "vitest";
import { createLog } from "../../src/telemetry/log.ts";
import { withoutRepeats } from "../../src/telemetry/without-repeats.ts";
import { FakeClock } from "../fake-clock.ts";

function setUp(alreadyTold: readonly string[] = []) {
  const lines: Record<string, unknown>[] = [];
  const clock = new FakeClock();
  const open = createLog({ level: "info", write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>) });
  return { lines, clock, log: withoutRepeats(open, { clock, intervalMs: 1_000, alreadyTold }) };
}

describe("a warning for the same reason", () => {
  it("is said once in a while, with how often it was not", async () => {
    const { lines, clock, log } = setUp();
    for (let at = 0; at < 5; at += 1) log.warn({ why: "no key" }, "worker did not start");
    log.warn({ why: "no memory" }, "worker did not start");
    log.warn({}, "something else");
    log.warn({}, "something else");
    expect(lines.map(({ why, message }) => why ?? message)).toEqual([
      "no key",
      "no memory",
      "something else",
      "something else",
    ]);
    await clock.advance(1_000);
    log.warn({ why: "no key" }, "worker did not start");
    expect(lines.at(-1)).toMatchObject({ why: "no key", suppressedCount: 4 });
  });

  it("is not said again right after somebody was told", async () => {
    const { lines, clock, log } = setUp(["no key"]);
    log.warn({ why: "no key" }, "worker did not start");
    expect(lines).toEqual([]);
    await clock.advance(1_000);
    log.warn({ why: "no key" }, "worker did not start");
    expect(lines).toHaveLength(1);
  });
});
