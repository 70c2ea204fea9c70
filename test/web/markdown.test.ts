import { describe, expect, it } from "vitest";
import { type Block, parseBlocks, safeHref, spokenText } from "../../web/markdown.ts";

const blocksOf = (text: string): readonly Block[] => parseBlocks(text).flatMap(({ block }) => block ?? []);
const text = (words: string) => ({ kind: "text", text: words });

describe("markdown", () => {
  it("becomes headings, paragraphs, lists, code, quotes, tables and rules", () => {
    const source =
      "# Head\n\nA **bold** word.\n\n3. three\n4. four\n\n```ts title\nlet a;\n```\n\n> said\n\n| a | b |\n|:-:|--:|\n| 1 | 2 |\n\n---";
    expect(blocksOf(source)).toEqual([
      { kind: "heading", level: 1, children: [text("Head")] },
      { kind: "paragraph", children: [text("A "), { kind: "strong", children: [text("bold")] }, text(" word.")] },
      {
        kind: "list",
        start: 3,
        items: ["three", "four"].map((word) => ({
          isChecked: undefined,
          blocks: [{ kind: "paragraph", children: [text(word)] }],
        })),
      },
      { kind: "code", language: "ts", text: "let a;", isContinued: false },
      { kind: "quote", blocks: [{ kind: "paragraph", children: [text("said")] }] },
      {
        kind: "table",
        alignments: ["center", "right"],
        header: [[text("a")], [text("b")]],
        rows: [[[text("1")], [text("2")]]],
      },
      { kind: "rule" },
    ]);
  });

  it("tells whether a task is done", () => {
    const [list] = blocksOf("- [x] done\n- [ ] open");
    expect(list?.kind === "list" && list.items.map(({ isChecked }) => isChecked)).toEqual([true, false]);
  });

  it("turns the character references that models write into characters, outside of code only", () => {
    expect(blocksOf("a &lt; b &amp;&#x41;&unknown; `&lt;`")).toEqual([
      { kind: "paragraph", children: [text("a < b &A&unknown; "), { kind: "code", text: "&lt;" }] },
    ]);
  });

  it("is read aloud without its marks", () => {
    const spoken = blocksOf("A *soft* [link](https://a.example)\n\n- one\n- two\n\n```\ncode\n```").map(spokenText);
    expect(spoken).toEqual(["A soft link", "one. two", "A block of code."]);
  });
});

describe("what a model could want to smuggle in", () => {
  it("is text when it is HTML, inline and as a block", () => {
    const source =
      '<script>alert(1)</script>\n\nA <img src=x onerror=alert(1)> b\n\n<div onclick="x">\n**bold**\n</div>';
    expect(JSON.stringify(blocksOf(source))).not.toMatch(/"kind":"(?!paragraph|text|strong)/);
    expect(blocksOf(source)[0]).toEqual({ kind: "paragraph", children: [text("<script>alert(1)</script>")] });
  });

  it.each([
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "\u0001javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "blob:https://a.example/1",
    "file:///etc/passwd",
    "/claude.runner.v1.ClaudeRunner/Chat",
    "//evil.example",
    "#x",
    "",
  ])("leads nowhere by %j", (href) => {
    expect(safeHref(href)).toBeUndefined();
  });

  it("leads to web and mail addresses", () => {
    for (const href of ["https://a.example/x?y#z", "http://127.0.0.1:1/", "mailto:a@b.example"]) {
      expect(safeHref(href)).toBe(href);
    }
  });

  it("shows the address of a link that leads nowhere, as text", () => {
    expect(blocksOf("[click](javascript:alert(1))")).toEqual([
      { kind: "paragraph", children: [text("click"), text(" (javascript:alert(1))")] },
    ]);
  });

  it("loads no pictures: they are links", () => {
    expect(blocksOf("![a cat](https://a.example/cat.png)")).toEqual([
      {
        kind: "paragraph",
        children: [{ kind: "link", href: "https://a.example/cat.png", children: [text("picture: a cat")] }],
      },
    ]);
    expect(blocksOf("![](data:image/png;base64,AA)")).toEqual([
      { kind: "paragraph", children: [text("picture: data:image/png;base64,AA"), text(" (data:image/png;base64,AA)")] },
    ]);
  });

  it("does not nest without end", () => {
    for (const source of [`${">".repeat(5_000)} deep`, `${"- ".repeat(500)}deep`, `${"*".repeat(2_000)}deep`]) {
      const depthOf = (value: unknown): number =>
        typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
      const blocks = blocksOf(source);
      expect(JSON.stringify(blocks)).toContain("deep");
      expect(depthOf(blocks)).toBeLessThan(150);
    }
  });
});
