import { describe, expect, test } from "vitest";
import { readConversation, readRequest } from "../../src/standin/conversation.ts";
import { parseScenario, ScenarioError } from "../../src/standin/scenario.ts";
import { builtIns, listScenarios } from "../../src/standin/scenarios.ts";

const request = readRequest({ messages: [{ role: "user", content: "hi" }] })!;
const asked = { request, conversation: readConversation(request) };

/** What the built-in scenarios need to be told; the others need nothing. */
const needed: Readonly<Record<string, object>> = {
  tool: { name: "Bash" },
  read: { path: "/etc/hostname" },
  edit: { path: "a.txt", oldText: "a", newText: "b" },
};

describe("the built-in scenarios", () => {
  test.each([...builtIns.keys()])("%s is a valid scenario", (name) => {
    expect(builtIns.get(name)!.make(needed[name], asked)).toMatchObject({ name });
  });

  test("have different names and a line for people each", () => {
    const list = listScenarios();
    expect(new Set(list.map(({ name }) => name)).size).toBe(list.length);
    for (const { description } of list) expect(description).toMatch(/^\S.{10,}[.!]$/u);
  });

  test("refuse options that they do not know, by name", () => {
    expect(() => builtIns.get("text")!.make({ txt: "hi" }, asked)).toThrow(/options of scenario text.*txt/u);
  });

  test("refuse options of the wrong type, by path", () => {
    expect(() => builtIns.get("long-text")!.make({ deltaCount: "many" }, asked)).toThrow(/deltaCount/u);
  });
});

describe("a scenario that a person wrote", () => {
  test("gets its defaults", () => {
    const { steps } = parseScenario({
      steps: [{ play: { answer: "message", blocks: [{ type: "text", text: "hi" }] } }],
    });
    expect(steps[0]!.play).toMatchObject({ stopReason: "end_turn", betweenDeltasMs: 0, usage: {} });
  });

  test("is refused with every fault and its path", () => {
    const written = { steps: [{ play: { answer: "error", status: 200 } }, { play: { answer: "shrug" } }] };
    expect(() => parseScenario(written, "mine")).toThrow(ScenarioError);
    expect(() => parseScenario(written, "mine")).toThrow(/scenario mine.*steps\[0\]\.play\.status.*steps\[1\]\.play/u);
  });

  test("needs a step", () => {
    expect(() => parseScenario({ steps: [] })).toThrow(/steps/u);
  });
});
