import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { repeated, tooLong, withoutOwnWords } from "../../../src/turns/observers/own-words.ts";
import { said } from "../../said.ts";

const turn = (text: string, more: object = {}) => ({
  content: [{ kind: "text" as const, text }],
  history: [],
  binding: {},
  ...more,
});

describe("the model API's words about a failure", () => {
  it("are logged without the prompt that they quote", () => {
    const words = "API Error: 400 not with My password is hunter2-hunter2: refused";
    const logged = withoutOwnWords(words, turn("Hello. My password is hunter2-hunter2, remember it."));
    expect(logged).not.toContain("hunter2");
    expect(logged).toContain("API Error: 400 not with");
    expect(logged).toContain("refused");
  });

  it("are logged without what they quote in other letters, of a history, a system prompt, a document or a schema", () => {
    const secret = "the merger of Initech";
    for (const of of [
      turn("x", { history: [said(`I ask about ${secret}`)] }),
      turn("x", { binding: { systemPrompt: `Be silent on ${secret}` } }),
      turn("x", { binding: { outputSchemaJson: JSON.stringify({ title: secret }) } }),
      turn("x", { content: [{ kind: "textDocument", text: secret, title: "memo" }] }),
      turn("x", { content: [{ kind: "pdf", data: new Uint8Array(), title: secret }] }),
    ]) {
      expect(withoutOwnWords("no: THE MERGER OF INITECH", of)).toMatch(/^no: ?\[repeated\]$/);
    }
  });

  it("are logged as they are where they share nothing with the turn", () => {
    const words = "messages.0.content: field required (request req_011CTest)";
    expect(withoutOwnWords(words, turn("Translate this into French."))).toBe(words);
  });

  it("are left out where the turn is too long to be looked through", () => {
    expect(withoutOwnWords("no", turn("y".repeat(1024 * 1024)))).toBe(tooLong);
  });

  it("never share eight characters in a row with the turn", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", " ", "é"), maxLength: 60 });
    fc.assert(
      fc.property(text, text, (words, own) => {
        const parts = withoutOwnWords(words, turn(own)).split(repeated);
        for (const part of parts) {
          for (let at = 0; at + 8 <= part.length; at++) expect(own).not.toContain(part.slice(at, at + 8));
        }
      }),
    );
  });
});
