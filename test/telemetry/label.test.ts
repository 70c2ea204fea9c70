import { describe, expect, test } from "vitest";
import { label } from "../../src/telemetry/label.ts";
import { labelValues } from "./label-values.ts";

test("a word is spelled in snake case, whatever it was", () => {
  expect(["boundIdle", "QUEUE_FULL", "UPSTREAM_5XX", "turn", "max_turns"].map((word) => label(word))).toEqual([
    "bound_idle",
    "queue_full",
    "upstream_5xx",
    "turn",
    "max_turns",
  ]);
});

describe("the values of a closed list", () => {
  test.each(Object.entries(labelValues))("%s are in snake case, each once", (_, values) => {
    expect(values.length).toBeGreaterThan(1);
    expect(values.filter((value) => !/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(value))).toEqual([]);
    expect(new Set(values).size).toBe(values.length);
  });
});
