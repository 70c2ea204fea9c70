import { describe, expect, test } from "vitest";
import { mayBeKept, staysInConversation } from "../../src/conversations/stays.ts";
import { outcomes } from "../../src/turn-end.ts";

const completed = { outcome: "completed", answerBlocks: ["Hi."], answerBeside: "nothing" } as const;

describe("a turn that becomes part of its conversation", () => {
  test("is one that completed, and no other", () => {
    expect(outcomes.filter((outcome) => staysInConversation({ ...completed, outcome }))).toEqual(["completed"]);
  });

  test("has an answer: without one Claude Code would merge the questions around it", () => {
    expect(staysInConversation({ ...completed, answerBlocks: [] })).toBe(false);
  });
});

describe("a turn that a worker may keep", () => {
  test.each([
    ["nothing", true],
    ["thinking", true],
    ["more", false],
  ] as const)("has %s beside its words: %s", (answerBeside, isKept) => {
    expect(mayBeKept({ ...completed, answerBeside })).toBe(isKept);
  });

  test("is one that becomes part of its conversation", () => {
    expect(mayBeKept({ ...completed, outcome: "refused" })).toBe(false);
    expect(mayBeKept({ ...completed, answerBlocks: [] })).toBe(false);
  });
});
