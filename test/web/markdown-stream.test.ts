import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Block, parseBlocks } from "../../web/markdown.ts";
import { MarkdownStream } from "../../web/markdown-stream.ts";

const document = `# Title

A paragraph of *some* words,
on two lines with \`code\`.
# hashtag is no heading here?

- one
- two

  still two
- three

  1. nested
  2. list

Setext
------

\`\`\`ts
const a = 1;

# no heading
\`\`\`

> quote
> goes on

| a | b |
|---|---|
| 1 | 2 |

1. first
2. second

-foo is no list

[ref]: https://a.example/ref

The [ref] is a link. ~~~
~~~
fenced
~~~

End`;

const wholeOf = (text: string): readonly Block[] => parseBlocks(text).flatMap(({ block }) => block ?? []);

/** Feeds pieces, an update after each, and gives every finished block. */
function stream(pieces: readonly string[]) {
  const markdown = new MarkdownStream(() => 0);
  const finished: Block[] = [];
  let tail: readonly Block[] = [];
  const update = (isOver: boolean) => {
    for (;;) {
      const step = markdown.update({ isOver });
      finished.push(...step.finished);
      tail = step.tail;
      if (!step.hasMore) return;
    }
  };
  for (const piece of pieces) {
    markdown.push(piece);
    update(false);
  }
  const atEnd = { finished: [...finished], tail };
  update(true);
  return { blocks: finished, atEnd, tail };
}

const textOf = (blocks: readonly Block[]) =>
  blocks
    .map((block) => (block.kind === "code" || block.kind === "plain" ? block.text : JSON.stringify(block)))
    .join("\n");

describe("markdown that streams in", () => {
  it("comes out as if it had come at once, wherever it was cut", () => {
    for (let at = 0; at <= document.length; at += 1) {
      expect(stream([document.slice(0, at), document.slice(at)]).blocks).toEqual(wholeOf(document));
    }
  });

  it("comes out as if it had come at once, in pieces of any size", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 5, maxLength: 400 }), (sizes) => {
        const pieces: string[] = [];
        let at = 0;
        for (const size of sizes) {
          pieces.push(document.slice(at, at + size));
          at += size;
        }
        pieces.push(document.slice(at));
        expect(stream(pieces).blocks).toEqual(wholeOf(document));
      }),
      { numRuns: 100 },
    );
  });

  it("shows at any moment all that has come", () => {
    for (let at = 1; at <= document.length; at += 7) {
      const { atEnd } = stream([document.slice(0, at)]);
      expect([...atEnd.finished, ...atEnd.tail]).toEqual(wholeOf(document.slice(0, at)));
    }
  });

  it("gives a finished block once, and soon", () => {
    const markdown = new MarkdownStream();
    markdown.push("One.\n\nTwo.\n\nThr");
    expect(markdown.update().finished).toHaveLength(2);
    markdown.push("ee.");
    expect(markdown.update()).toMatchObject({ finished: [], tail: [{ kind: "paragraph" }] });
  });

  it("does not take the beginning of a line for the next block", () => {
    const { blocks } = stream(["Words\n#", "hashtag"]);
    expect(blocks).toEqual(wholeOf("Words\n#hashtag"));
  });

  it("knows definitions of links that came earlier", () => {
    const { blocks } = stream(["[a]: https://a.example/\n\n", "Text.\n\n", "Go to [a].\n"]);
    expect(JSON.stringify(blocks.at(-1))).toContain("https://a.example/");
  });

  it("does not know a link by half of its address", () => {
    const { blocks } = stream(["Text.\n\n[a]: https://a.ex", "ample/\n\nGo to [a].\n"]);
    expect(JSON.stringify(blocks.at(-1))).toContain("https://a.example/");
  });

  it("takes line ends of Windows, also cut in two", () => {
    const { blocks } = stream(["One.\r", "\n\r\nTwo.\r\n"]);
    expect(blocks).toEqual(wholeOf("One.\n\nTwo.\n"));
  });
});

describe("a block that outgrows what is parsed at once", () => {
  it("goes on in pieces when it is code, with nothing lost, and ends at its fence", () => {
    const lines = Array.from({ length: 5_000 }, (_, index) => `line ${index} of the code`);
    const source = `Before.\n\n\`\`\`py\n${lines.join("\n")}\n\`\`\`\n\nAfter.`;
    for (const size of [source.length, 1_000]) {
      const pieces = source.match(new RegExp(`.{1,${size}}`, "gs")) ?? [];
      const { blocks } = stream(pieces);
      const code = blocks.filter((block) => block.kind === "code");
      expect(code.length).toBeGreaterThan(3);
      expect(code.map(({ isContinued }) => isContinued)).toEqual(code.map((_, index) => index > 0));
      expect(
        code
          .map((block) => block.text)
          .filter((text) => text !== "")
          .join("\n"),
      ).toBe(lines.join("\n"));
      expect(blocks.at(0)?.kind).toBe("paragraph");
      expect(blocks.at(-1)).toEqual({ kind: "paragraph", children: [{ kind: "text", text: "After." }] });
    }
  });

  it("is shown as it was written when it is anything else, with nothing lost", () => {
    const words = Array.from({ length: 30_000 }, (_, index) => `w${index}`).join(" ");
    for (const pieces of [[words], words.match(/.{1,700}/gs) ?? []]) {
      const { blocks } = stream(pieces);
      const text = blocks.map((block) => (block.kind === "plain" ? block.text : inlineTexts(block))).join("");
      expect(text.replace(/\s+/g, " ").trim()).toBe(words);
      expect(blocks.length).toBeGreaterThan(3);
    }
  });

  it("is not cut within a character", () => {
    for (const source of [`x${"😀".repeat(20_000)}`, `\`\`\`\n${"😀".repeat(20_000)}`]) {
      for (const text of stream([source]).blocks.map((block) => JSON.stringify(block))) {
        expect(text).not.toMatch(/\\ud[89a-f]/);
      }
    }
  });

  it("never gives the parser more than a bounded text", () => {
    const markdown = new MarkdownStream(() => 0);
    let longestTail = 0;
    for (let index = 0; index < 3_000; index += 1) {
      markdown.push("no end of this paragraph ");
      longestTail = Math.max(longestTail, textOf(markdown.update().tail).length);
    }
    expect(longestTail).toBeLessThan(17_000);
  });

  it("is parsed again only when it has grown, when parsing is slow", () => {
    let nowMs = 0;
    let parseCount = 0;
    // Two looks at the clock for each time that it parses, ten milliseconds apart.
    const markdown = new MarkdownStream(() => {
      parseCount += 0.5;
      nowMs += 10;
      return nowMs;
    });
    for (let index = 0; index < 1_000; index += 1) {
      markdown.push("words ");
      markdown.update();
    }
    expect(parseCount).toBeLessThan(60);
    expect(textOf(markdown.update().tail).match(/words/g)).toHaveLength(1_000);
  });
});

function inlineTexts(block: Block): string {
  return block.kind === "paragraph" ? block.children.map((child) => ("text" in child ? child.text : "")).join("") : "";
}
