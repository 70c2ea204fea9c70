import { describe, expect, it, test } from "vitest";
import type { Json } from "../../../src/json-value.ts";
import { maxStructDepth, struct, value } from "../../../src/service/out/structs.ts";
import type { TurnEvent } from "../../../src/turn-event.ts";
import { Encoded } from "./encoded.ts";

const objects = (depth: number) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
const lists = (depth: number) => `${'{"a":'}${"[".repeat(depth - 1)}1${"]".repeat(depth - 1)}}`;

/** A tool's input of this text, as a client with the usual limit of 100 messages reads it. */
function asRead(inputJson: string) {
  const input = JSON.parse(inputJson) as Json;
  const event: TurnEvent = {
    kind: "toolUse",
    toolUseId: "t",
    toolName: "T",
    input,
    inputJson,
    messageIndex: 0,
    unparsable: false,
  };
  const [read] = new Encoded().responses(event);
  if (read?.event.case !== "toolUse") throw new Error("no tool use");
  return read.event.value;
}

describe.each([["objects", objects] as const, ["lists", lists] as const])(
  "a tool's input of nested %s",
  (_what, text) => {
    it("comes as a structure as deep as any client reads", () => {
      expect(asRead(text(maxStructDepth)).input).toEqual(JSON.parse(text(maxStructDepth)));
    });

    it.each([maxStructDepth + 1, 34, 100, 6_000])("comes as its text alone when it is %d deep", (depth) => {
      const { input, inputJson } = asRead(text(depth));
      expect(input).toBeUndefined();
      expect(inputJson).toBe(text(depth));
    });
  },
);

test("a value that no Struct can hold is left unset", () => {
  for (const json of ['{"a":1e400}', '{"a":[-1e999]}', '{"a":"\\ud83d"}', '{"\\ude00":1}']) {
    expect(struct(JSON.parse(json) as Json)).toBeUndefined();
    expect(value(JSON.parse(json) as Json)).toBeUndefined();
  }
});

test("`__proto__` is a key like any other", () => {
  const json = '{"__proto__":{"x":1},"a":2}';
  expect(JSON.stringify(struct(JSON.parse(json) as Json))).toBe(json);
  expect(JSON.stringify(asRead(json).input)).toBe(json);
  expect(Object.prototype).not.toHaveProperty("x");
});
