import { describe, expect, it } from "vitest";
import { Backpressure } from "../../../src/cli/turn/backpressure.ts";

function pressed() {
  const happened: string[] = [];
  const backpressure = new Backpressure({
    bufferSize: 8,
    stopped: () => happened.push("stopped"),
    resumed: () => happened.push("resumed"),
  });
  return { happened, backpressure };
}

describe("a process whose turn's reader is behind", () => {
  it("is stopped once, and read again when half of what stopped it is left", () => {
    const { happened, backpressure } = pressed();
    expect([7, 8, 9].map((count) => backpressure.isFull(count))).toEqual([false, true, true]);
    backpressure.stop();
    backpressure.stop();
    for (const left of [8, 7, 6, 5]) backpressure.readerTook(left);
    expect(happened).toEqual(["stopped"]);
    for (const left of [4, 3]) backpressure.readerTook(left);
    expect(happened).toEqual(["stopped", "resumed"]);
  });

  it("is not resumed that was not stopped", () => {
    const { happened, backpressure } = pressed();
    backpressure.resume();
    backpressure.readerTook(0);
    expect(happened).toEqual([]);
  });
});
