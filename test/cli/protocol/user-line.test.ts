import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { Line } from "../../../src/cli/process/line-pieces.ts";
import { promptLine, seededAnswerLine, seededQuestionLine } from "../../../src/cli/protocol/user-line.ts";
import type { ContentBlock } from "../../../src/turn.ts";

const pieces = (line: Line): readonly string[] => (typeof line === "string" ? [line] : [...line]);
const whole = (line: Line): string => pieces(line).join("");

/** Everything that JSON escapes, that is longer in UTF-8, and a pair across each likely border of pieces. */
const odd = (length: number) => `${"x".repeat(length)}${'"\\\n\u0001ü€😀\u2028'.repeat(30_000)}`;

const shared = { parent_tool_use_id: null, session_id: "", uuid: "u" };

describe("the line of a prompt", () => {
  it("is what JSON would be at once, whatever blocks it has and however long they are", () => {
    const [image, pdf] = [randomBytes(1_000_003), randomBytes(3_000_001)];
    const content: ContentBlock[] = [
      { kind: "text", text: "look" },
      { kind: "image", mediaType: "image/png", data: image },
      { kind: "text", text: odd(1) },
      { kind: "pdf", data: pdf, title: 'a "title", "data":"' },
      { kind: "textDocument", text: odd(2), title: "notes" },
      { kind: "image", mediaType: "image/gif", data: new Uint8Array(1) },
    ];
    const source = (media_type: string, data: Uint8Array) => ({
      type: "base64",
      media_type,
      data: Buffer.from(data).toString("base64"),
    });
    const line = whole(promptLine("u", content));
    expect(JSON.parse(line)).toEqual({
      type: "user",
      message: {
        role: "user",
        content: [
          { type: "text", text: "look" },
          { type: "image", source: source("image/png", image) },
          { type: "text", text: odd(1) },
          { type: "document", source: source("application/pdf", pdf), title: 'a "title", "data":"' },
          { type: "document", source: { type: "text", media_type: "text/plain", data: odd(2) }, title: "notes" },
          { type: "image", source: source("image/gif", new Uint8Array(1)) },
        ],
      },
      ...shared,
      client_composed: true,
    });
    expect(line).toBe(JSON.stringify(JSON.parse(line)));
  });

  it.each([0, 1, 2, 3, 4, 5, 6, 7])("cuts no surrogate pair of a long text in two (shifted by %i)", (shift) => {
    for (const line of [
      promptLine("u", [{ kind: "text", text: odd(shift) }]),
      seededQuestionLine("u", [{ kind: "text", text: odd(shift) }]),
      seededAnswerLine("u", ["short", odd(shift)]),
    ]) {
      const made = pieces(line);
      expect(made.length).toBeGreaterThan(1);
      expect(made.join("")).toContain(JSON.stringify(odd(shift)));
      expect(made.join("")).toBe(JSON.stringify(JSON.parse(made.join(""))));
    }
  });

  it("is made in pieces of a size that does not grow with it, and short ones are joined", () => {
    const long = pieces(promptLine("u", [{ kind: "pdf", data: new Uint8Array(24 * 1024 * 1024) }]));
    expect(Math.max(...long.map((piece) => piece.length))).toBeLessThan(512 * 1024);
    const blocks: ContentBlock[] = Array.from({ length: 100 }, () => ({ kind: "text", text: "x" }));
    expect(pieces(promptLine("u", blocks))).toHaveLength(1);
  });
});

describe("the lines of a history", () => {
  it("have a question in the blocks of its prompt, which is stored and not asked", () => {
    const content: ContentBlock[] = [
      { kind: "image", mediaType: "image/png", data: new Uint8Array(3) },
      { kind: "pdf", data: new Uint8Array(3), title: "a title" },
      { kind: "text", text: "what is this?" },
    ];
    for (const blocks of [content, content.slice(2)]) {
      const asked = JSON.parse(whole(promptLine("u", blocks)));
      expect(JSON.parse(whole(seededQuestionLine("u", blocks)))).toEqual({ ...asked, shouldQuery: false });
    }
  });

  it("have an answer block for block, however long one is", () => {
    for (const texts of [["one"], ["one", "two"], [odd(1), "two", odd(2)]]) {
      const content = texts.map((text) => ({ type: "text", text }));
      expect(JSON.parse(whole(seededAnswerLine("u", texts)))).toEqual({
        type: "assistant",
        message: { role: "assistant", content },
        ...shared,
      });
    }
  });
});
