import { expect, test } from "vitest";
import { conversationSource } from "../../src/conversations/conversation-source.ts";
import { answered, said } from "../said.ts";

const pair = [said("a"), answered("b")];

test.each([
  ["new", [], "nothing"],
  ["new", [], "binding"],
  ["seeded", pair, "nothing"],
  ["seeded", pair, "binding"],
  ["kept", pair, "conversation"],
] as const)("is %s with a history of %j on a worker that holds %s", (source, history, kind) => {
  expect(conversationSource({ history }, { holds: { kind } })).toBe(source);
});
