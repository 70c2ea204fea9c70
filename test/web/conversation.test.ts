import { describe, expect, it } from "vitest";
import { Role } from "../../clients/typescript/src/gen/claude/runner/v1/runner_pb.ts";
import { Conversation, maxHistoryBytes, maxHistoryMessages, promptProblem } from "../../web/conversation.ts";

describe("a conversation", () => {
  it("goes along as user and assistant in turn, oldest first", () => {
    const conversation = new Conversation();
    conversation.add("one", "1");
    conversation.add("two", "2");
    expect(conversation.history).toEqual([
      { role: Role.USER, text: "one" },
      { role: Role.ASSISTANT, text: "1" },
      { role: Role.USER, text: "two" },
      { role: Role.ASSISTANT, text: "2" },
    ]);
  });

  it("does not go on from a turn without an answer", () => {
    const conversation = new Conversation();
    expect(conversation.add("one", " \n")).toBe(false);
    expect(conversation.history).toEqual([]);
  });

  it("loses its beginning beyond the messages that a request may carry", () => {
    const conversation = new Conversation();
    for (let index = 0; index < maxHistoryMessages; index += 1) conversation.add(`p${index}`, `a${index}`);
    expect(conversation.history).toHaveLength(maxHistoryMessages);
    expect(conversation.history[0]?.text).toBe(`p${maxHistoryMessages / 2}`);
    expect(conversation.forgottenCount).toBe(maxHistoryMessages / 2);
  });

  it("loses its beginning beyond the bytes that a request may carry, counted as UTF-8", () => {
    const conversation = new Conversation();
    const euros = "€".repeat(500_000); // 1.5 MB
    for (let index = 0; index < 4; index += 1) conversation.add(`p${index}`, euros);
    expect(conversation.length).toBe(2);
    const bytes = conversation.history.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
    expect(bytes).toBeLessThanOrEqual(maxHistoryBytes);
    expect(conversation.history[0]?.text).toBe("p2");
  });

  it("that is begun anew has nothing of the old one", () => {
    const conversation = new Conversation();
    conversation.add("one", "1");
    conversation.clear();
    expect(conversation).toMatchObject({ length: 0, forgottenCount: 0, history: [] });
  });
});

describe("a prompt", () => {
  it("has to say something, and no more than the server takes", () => {
    expect(promptProblem("hello")).toBeUndefined();
    expect(promptProblem(" \n\t")).toBeDefined();
    expect(promptProblem("x".repeat(1_048_576))).toBeUndefined();
    expect(promptProblem("€".repeat(349_526))).toContain("1,048,578 bytes");
  });
});
