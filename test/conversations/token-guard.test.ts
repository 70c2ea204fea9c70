import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { estimateTokens, guardContext } from "../../src/conversations/token-guard.ts";
import type { ContentBlock } from "../../src/turn.ts";

const window = { contextWindowTokens: 200_000 };
const words = (text: string): ContentBlock[] => [{ kind: "text", text }];
const kindAt = (contextTokens: number, limits = {}, known = window) =>
  guardContext({ contextTokens, ...known }, [], limits).kind;

describe("a conversation in a window of 200,000 tokens", () => {
  it("is said to fill up from 150,000 on and full from 170,000 on", () => {
    expect([149_999, 150_000, 169_999, 170_000].map((tokens) => kindAt(tokens))).toEqual([
      "ok",
      "notice",
      "notice",
      "full",
    ]);
  });

  it("counts what the new turn adds", () => {
    const known = { contextTokens: 149_000, ...window };
    expect(guardContext(known, words("x".repeat(2_997)), {}).kind).toBe("ok");
    expect(guardContext(known, words("x".repeat(2_998)), {})).toEqual({
      kind: "notice",
      estimatedTokens: 150_000,
      noticeTokens: 150_000,
      fullTokens: 170_000,
    });
  });

  it("follows the profile's own bounds, each by itself", () => {
    expect(kindAt(160_000, { contextFullTokens: 160_000 })).toBe("full");
    expect(kindAt(10_000, { contextNoticeTokens: 10_000 })).toBe("notice");
    expect(kindAt(180_000, { contextFullTokens: 190_000 })).toBe("notice");
  });
});

describe("a conversation whose window is not known", () => {
  it("is never full by a share of it", () => {
    expect(kindAt(5_000_000, {}, { contextWindowTokens: 0 })).toBe("ok");
  });

  it("is by the profile's bounds", () => {
    expect(kindAt(100, { contextNoticeTokens: 10, contextFullTokens: 100 }, { contextWindowTokens: 0 })).toBe("full");
  });
});

describe("the estimate of what is new", () => {
  it.each<[string, ContentBlock, number]>([
    ["text by its bytes", { kind: "text", text: "ééé" }, 2],
    ["a document by text and title", { kind: "textDocument", text: "abcdef", title: "abc" }, 3],
    [
      "a picture by the most that one takes up",
      { kind: "image", mediaType: "image/png", data: new Uint8Array(9) },
      5_000,
    ],
    ["a small PDF as one page", { kind: "pdf", data: new Uint8Array(9) }, 5_000],
    ["a large PDF by its size", { kind: "pdf", data: new Uint8Array(100_001), title: "abc" }, 15_001],
  ])("takes %s", (_, block, tokens) => {
    expect(estimateTokens([block])).toBe(tokens);
  });

  it("never shrinks with more content, and adds up", () => {
    const block = fc.record({ kind: fc.constant("text" as const), text: fc.string() });
    fc.assert(
      fc.property(fc.array(block), fc.array(block), (some, more) => {
        expect(estimateTokens([...some, ...more])).toBe(estimateTokens(some) + estimateTokens(more));
      }),
    );
  });
});
