/**
 * Cases in which the model answers: all that an answer can hold, and the ways in which it can end.
 */
import type { ContentBlock } from "../../turn.ts";
import type { CaseGroup, ResetCase } from "../case.ts";
import type { Lease } from "../lease.ts";
import { pdf, picture } from "../prompt-media.ts";

/** One turn that gets this answer. */
const answered = (name: string, scenario: string, more: Partial<ResetCase> = {}): ResetCase => ({
  name,
  lane: "plain",
  reset: "clean",
  play: (lease) => lease.turn({ scenario }),
  ...more,
});

const withContent = (name: string, content: (lease: Lease) => readonly ContentBlock[]): ResetCase => ({
  name,
  lane: "plain",
  reset: "clean",
  play: (lease) => lease.turn({ content: content(lease) }),
});

export const answers: CaseGroup = {
  name: "Answers",
  cases: [
    answered("one turn", "text"),
    {
      name: "four turns of a conversation",
      lane: "plain",
      reset: "clean",
      async play(lease) {
        for (let turn = 1; turn <= 4; turn++) {
          const { requests } = await lease.turn();
          lease.expect(requests.length === 1, `turn ${turn} made ${requests.length} requests`);
        }
      },
    },
    {
      name: "a turn at full detail",
      lane: "plain",
      reset: "clean",
      play: (lease) => lease.turn({ detail: "full" }),
    },
    answered("thinking", "thinking"),
    answered("hidden thinking", "hidden-thinking"),
    answered("redacted thinking", "redacted-thinking"),
    answered("citations", "citations"),
    answered("a web search of the model API's own", "web-search"),
    answered("an unknown kind of delta", "unknown-delta"),
    answered("an unknown kind of block", "unknown-block"),
    answered("an answer of a thousand pieces", "long-text"),
    {
      ...answered("an answer that pauses the turn", "pause-turn"),
      play: (lease) => lease.turn({ scenario: "pause-turn", outcome: "incomplete" }),
    },
    answered("an answer that ends at a stop sequence", "stop-sequence"),
    { ...answered("a refusal", "refusal"), play: (lease) => lease.turn({ scenario: "refusal", outcome: "refused" }) },
    {
      name: "a refusal in the middle of a conversation",
      lane: "plain",
      reset: "clean",
      async play(lease) {
        await lease.turn();
        await lease.turn({ scenario: "refusal", outcome: "refused" });
        await lease.turn();
      },
    },
    withContent("a picture", (lease) => [
      { kind: "text", text: `What is this? ${lease.secret}` },
      { kind: "image", mediaType: "image/png", data: picture },
    ]),
    withContent("a PDF and a text document", (lease) => [
      { kind: "pdf", data: pdf, title: lease.secret },
      { kind: "textDocument", text: `The secret is ${lease.secret}.`, title: "Secrets" },
      { kind: "text", text: "Summarise them." },
    ]),
    answered("an answer cut at the output limit, resumed once", "max-tokens-once", { reset: "mayEnd" }),
    {
      ...answered("an answer cut at the output limit, resumed in vain", "max-tokens", { reset: "mayEnd" }),
      play: (lease) => lease.turn({ scenario: "max-tokens", outcome: "maxOutputTokens" }),
    },
    {
      ...answered("an answer cut at the end of the context window", "context-window", { reset: "mayEnd" }),
      play: (lease) => lease.turn({ scenario: "context-window", outcome: "contextWindow" }),
    },
  ],
};
