import { describe, expect, test } from "vitest";
import { earlierPrompts, readConversation, readRequest } from "../../src/standin/conversation.ts";

type Content = string | readonly { readonly type: string; readonly text?: string }[];

function conversationOf(...messages: readonly (readonly [role: string, content: Content])[]) {
  const request = readRequest({ messages: messages.map(([role, content]) => ({ role, content })) })!;
  return { request, ...readConversation(request) };
}

const toolResult = [{ type: "tool_result" }];
const resume = "Output token limit hit. Resume directly — no apology.";

describe("a conversation", () => {
  test("is answered by its last prompt", () => {
    const { prompt, answersSincePrompt } = conversationOf(["user", "one"], ["assistant", "1"], ["user", "two"]);
    expect({ prompt, answersSincePrompt }).toEqual({ prompt: "two", answersSincePrompt: 0 });
  });

  test("knows how far the tools of a turn have come", () => {
    const { prompt, answersSincePrompt } = conversationOf(
      ["user", [{ type: "text", text: "use tools" }]],
      ["assistant", [{ type: "tool_use" }]],
      ["user", toolResult],
      ["assistant", [{ type: "tool_use" }]],
      ["user", toolResult],
    );
    expect({ prompt, answersSincePrompt }).toEqual({ prompt: "use tools", answersSincePrompt: 2 });
  });

  test("does not take the CLI's own texts for a prompt", () => {
    const { prompt, answersSincePrompt } = conversationOf(
      ["user", "write"],
      ["assistant", "half"],
      ["user", [{ type: "text", text: resume }]],
    );
    expect({ prompt, answersSincePrompt }).toEqual({ prompt: "write", answersSincePrompt: 1 });
  });

  test("finds the prompt beside an older one that was interrupted", () => {
    const blocks = ["first", "[Request interrupted by user]", "second"].map((text) => ({ type: "text", text }));
    expect(conversationOf(["user", blocks]).prompt).toBe("second");
  });

  test("passes over the messages of other roles that the CLI puts between", () => {
    const { prompt, answersSincePrompt } = conversationOf(["user", "hi"], ["system", []]);
    expect({ prompt, answersSincePrompt }).toEqual({ prompt: "hi", answersSincePrompt: 0 });
  });

  test("tells a request for a summary from a prompt", () => {
    const conversation = conversationOf(
      ["user", "hi"],
      ["assistant", "hello"],
      ["user", "CRITICAL: Respond with TEXT ONLY. Do NOT call any tools.\n\nYour task is to create a detailed summary"],
    );
    expect(conversation.asksForSummary).toBe(true);
    expect(conversation.prompt).toBe("hi");
  });

  test("is known to begin with a summary", () => {
    const summary = "This session is being continued from a previous conversation that ran out of context.";
    expect(conversationOf(["user", summary], ["user", "go on"]).beginsWithSummary).toBe(true);
    expect(conversationOf(["user", "go on"]).beginsWithSummary).toBe(false);
  });

  test("lists what the user wrote before", () => {
    const conversation = conversationOf(
      ["user", "one"],
      ["assistant", "1"],
      ["user", resume],
      ["user", "two"],
      ["assistant", "2"],
      ["user", "three"],
    );
    expect(earlierPrompts(conversation.request, conversation)).toEqual(["one", "two"]);
  });

  test("is empty in a request that has no prompt", () => {
    expect(conversationOf(["user", toolResult])).toMatchObject({ prompt: "", answersSincePrompt: 0 });
  });
});

describe("a body", () => {
  test.each([undefined, null, "text", {}, { messages: 1 }])("without messages is no request: %j", (body) => {
    expect(readRequest(body)).toBeUndefined();
  });
});
