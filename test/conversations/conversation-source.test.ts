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
  expect(conversationSource({ history }, { holds: { kind }, turnCount: 0 })).toBe(source);
});

const launch = { cliSessionId: "s", model: "m", effort: "medium", binding: {} } as const;
const resume = { transcript: new Uint8Array(), origin: "own", files: [] } as const;

test.each([
  ["new", launch, 0],
  ["resumed", { ...launch, resume }, 0],
  ["kept", { ...launch, resume }, 1],
] as const)(
  "is %s for a session with its own worker, launched with %j after %i turns",
  (source, sessionLaunch, turnCount) => {
    const claim = { holds: { kind: "conversation" }, turnCount } as const;
    expect(conversationSource({ history: [], sessionLaunch }, claim)).toBe(source);
  },
);
