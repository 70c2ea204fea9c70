import { describe, expect, test } from "vitest";
import { findMarker, withoutMarker } from "../../src/standin/marker.ts";
import { ScenarioError } from "../../src/standin/scenario.ts";

describe("a marker in a prompt", () => {
  test("names a scenario", () => {
    expect(findMarker("Please [[scenario slow-text]] now")).toEqual({ name: "slow-text", options: {} });
  });

  test("may carry options that hold brackets, braces and quotes", () => {
    const options = { text: 'a ]] b } c " d', nested: { list: [[1], [2]] } };
    expect(findMarker(`x [[scenario text ${JSON.stringify(options)}]] y`)).toEqual({ name: "text", options });
  });

  test("may hold a whole scenario", () => {
    expect(findMarker('[[scenario {"steps":[]}]]')).toEqual({ written: { steps: [] } });
  });

  test("counts when it is the last one", () => {
    expect(findMarker("[[scenario a]] [[scenario b]]")).toEqual({ name: "b", options: {} });
  });

  test("is not needed", () => {
    expect(findMarker("no marker [[here]]")).toBeUndefined();
  });

  test.each([
    "[[scenario text",
    "[[scenario ]]",
    '[[scenario text {"a":1]]',
    "[[scenario text {a:1}]]",
    "[[scenario text more]]",
  ])("is refused when it cannot be read: %s", (text) => {
    expect(() => findMarker(text)).toThrow(ScenarioError);
  });

  test("can be taken away", () => {
    expect(withoutMarker('Say hello. [[scenario text {"text":"]]"}]]')).toBe("Say hello.");
    expect(withoutMarker("no marker")).toBe("no marker");
    expect(withoutMarker("[[scenario broken")).toBe("[[scenario broken");
  });
});
