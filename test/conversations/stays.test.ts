import { expect, test } from "vitest";
import { staysInConversation } from "../../src/conversations/stays.ts";
import { outcomes } from "../../src/turn-end.ts";

test("of all outcomes only a completed turn becomes part of its conversation", () => {
  expect(outcomes.filter((outcome) => staysInConversation({ outcome, text: "Hi." }))).toEqual(["completed"]);
});

test("a turn without an answer does not: Claude Code would merge the questions around it", () => {
  expect(staysInConversation({ outcome: "completed", text: "" })).toBe(false);
});
