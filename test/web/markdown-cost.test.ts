/**
 * What it costs to read a text: no more than a multiple of what ordinary markdown of that length costs, whatever is in it.
 * Times are CPU times beside a yardstick of the same run, the best of a few tries.
 */
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { parseBlocks } from "../../web/markdown.ts";
import { MarkdownStream } from "../../web/markdown-stream.ts";

const ordinary = `Some *text* with \`code\`, a [link](https://a.example) and **more** of it: enough for a paragraph.

- one *item*
- another \`one\`

> said by somebody

\`\`\`ts
const a = 1;
\`\`\`

| a | b |
|---|---|
| 1 | 2 |

`;

/** Each of these costs a parser that looks ahead from every mark the square of its length, or more, when it is repeated. */
const hostile = [
  ...["_a", "_a_", "*a", "*a_", "_a*", "*a **b", "**a", "a*", "a_b", "__a ", "*a**", "*`", "*_", "**[a](b)"],
  ...["~a", "~~a", "a~b", "~*", "`a", "``a`", "[", "[a", "[a]", "[a](", "[a](b", "![", "[`", "_[", "](", "\\["],
  ...["<", "<a@", "<http:", "http://a_", "www.a*", "a@b.", "x@y.z ", "!", "\\_", "&#1;"],
  ...[">", "> ", "- ", "1. ", "> - ", "- > ", "- a\n", "- a\n  - ", "- - - - - - a\n  b\n", "> # a\nb\n", "> ```\na\n"],
  ...[
    "> > a\nb\n",
    "> - a\nb\n",
    "* a\na\na\na\na\na\n",
    "- > a\nb\n",
    "| a ",
    "|-|\n",
    "a|b\n-|-\n",
    "[a]: b\n",
    "[a]: <\n",
    "a\n---\n",
  ],
];

const filled = (atom: string, chars: number) => atom.repeat(Math.ceil(chars / atom.length)).slice(0, chars);

function cpuMs(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

/** The best of a few tries; of one, when that is good enough. */
function costMs(run: () => void, goodEnoughMs = 0): number {
  let bestMs = Number.POSITIVE_INFINITY;
  for (let tries = 0; tries < 4 && bestMs > goodEnoughMs; tries += 1) bestMs = Math.min(bestMs, cpuMs(run));
  return bestMs;
}

const windowChars = 16_384;
/** As long as it may take to parse as much as the page ever parses at once. */
const maxTimesOrdinary = 60;

describe("reading markdown", () => {
  let ordinaryMs: number;
  beforeAll(() => {
    const text = filled(ordinary, windowChars);
    for (let warm = 0; warm < 20; warm += 1) parseBlocks(text);
    ordinaryMs = costMs(() => parseBlocks(text));
  });
  const timesOrdinary = (text: string) => costMs(() => parseBlocks(text), maxTimesOrdinary * ordinaryMs) / ordinaryMs;

  it.each(hostile)("costs no more than a multiple of an ordinary text, when it is full of %j", (atom) => {
    expect(timesOrdinary(filled(atom, windowChars))).toBeLessThan(maxTimesOrdinary);
  });

  it("costs no more than a multiple of an ordinary text, whatever marks are mixed in it", () => {
    const marks = fc.constantFrom(
      ..."_ * ** __ ~ ~~ ` `` [ ] ( ) ![ ]( < > | # \\ ! & a é 😀 a@ www. http:// : - = \" '".split(" "),
    );
    const lines = fc.constantFrom(
      "- ",
      "1. ",
      "> ",
      "* ",
      "\n",
      "\n\n",
      "  ",
      "    ",
      "\t",
      "---\n",
      "```\n",
      "[a]: b\n",
      " ",
    );
    const atom = fc.array(fc.oneof(marks, lines), { minLength: 1, maxLength: 6 }).map((parts) => parts.join(""));
    const text = fc.oneof(
      atom.map((only) => ({ of: [only], text: filled(only, windowChars) })),
      fc.tuple(atom, atom, atom).map((of) => ({ of, text: `${of[0]}${filled(of[1], windowChars)}${of[2]}` })),
      fc.tuple(atom, atom).map((of) => ({ of, text: of.map((one) => filled(one, windowChars / 2)).join("") })),
    );
    fc.assert(
      fc.property(text, (made) => {
        expect({ of: made.of, isBounded: timesOrdinary(made.text) < maxTimesOrdinary }).toMatchObject({
          isBounded: true,
        });
      }),
      // What is generated is as simple as it gets; the texts themselves are too long to be read.
      {
        numRuns: 80,
        endOnFailure: true,
        reporter: ({ failed, counterexample, seed }) => {
          if (failed) throw new Error(`too dear: ${JSON.stringify(counterexample?.[0].of)}, seed ${seed}`);
        },
      },
    );
  });

  it.each([
    ["list that opens many levels in one line", `${"- ".repeat(windowChars / 2)}[a]: b\n_`],
    ["item of a list that goes on for many lines", `* ${"a\n".repeat(windowChars / 2)}`],
    ["address with many marks at its end", `http://a.example/${"~".repeat(windowChars)}`],
  ])("costs no more than a multiple of an ordinary text, when it is one %s", (_, text) => {
    expect(timesOrdinary(text)).toBeLessThan(maxTimesOrdinary);
  });

  it.each(["_a", "*a_", "*a **b", "!", "[a]", "> - ", "> # a\nb\n", "[a]: b\n"])(
    "costs four times as much for four times the text, when it is full of %j",
    (atom) => {
      const [once, fourTimes] = [windowChars, 4 * windowChars].map((chars) => {
        const text = filled(atom, chars);
        return costMs(() => parseBlocks(text));
      });
      // The square would be 16.
      expect((fourTimes ?? 0) / (once ?? 0)).toBeLessThan(10);
    },
  );

  it("keeps the marks of a paragraph that has many, as people write them", () => {
    const words = Array.from(
      { length: 100 },
      (_, index) => `**bold ${index}** and \`code\`, snake_case_${index}, 2 * 3, [${index}]`,
    );
    const [paragraph] = parseBlocks(words.join(", ")).map(({ block }) => block);
    expect(paragraph?.kind === "paragraph" && paragraph.children.filter(({ kind }) => kind === "strong")).toHaveLength(
      100,
    );
  });
});

describe("an answer that grows", () => {
  /** The whole text in one go. */
  function read(text: string): void {
    const stream = new MarkdownStream(() => 0);
    stream.push(text);
    while (stream.update({ isOver: true }).hasMore);
  }

  it.each([
    [
      "definitions of links",
      (count: number) => Array.from({ length: count }, (_, i) => `[name ${i}]: https://a.example/${i}\n`),
    ],
    ["empty lines", (count: number) => Array.from({ length: count }, () => " ".repeat(40))],
    ["underscores", (count: number) => Array.from({ length: count }, () => "_a".repeat(20))],
  ])("costs in proportion to its length, though it is nothing but %s", (_, lines) => {
    const [half, whole] = [4_000, 16_000].map((count) => costMs(() => read(lines(count).join(""))));
    expect((whole ?? 0) / (half ?? 0)).toBeLessThan(8);
  });

  it("leaves the rest to the next frame when reading takes long", () => {
    let nowMs = 0;
    // Each look at the clock is two milliseconds later.
    const stream = new MarkdownStream(() => {
      nowMs += 2;
      return nowMs;
    });
    stream.push("A paragraph.\n\n".repeat(100_000));
    let updates = 0;
    let blocks = 0;
    for (;;) {
      const startMs = nowMs;
      const { finished, tail, hasMore } = stream.update({ isOver: true });
      expect(nowMs - startMs).toBeLessThanOrEqual(20);
      updates += 1;
      blocks += finished.length + (hasMore ? 0 : tail.length);
      if (!hasMore) break;
    }
    expect(blocks).toBe(100_000);
    expect(updates).toBeGreaterThan(15);
  });
});
