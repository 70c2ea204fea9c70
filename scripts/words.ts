/**
 * The words that public texts do without, and what of a file is public text. Pure: `words-check.ts` reads the files.
 *
 * A word is in the table only if it is wrong wherever it stands. What depends on the sentence is for people to see:
 * CONTRIBUTING.md has the rules.
 */

interface Rule {
  readonly pattern: RegExp;
  /** What to write instead. */
  readonly better: string;
}

const rules: readonly Rule[] = [
  { pattern: /\bwho(?:so)?ever\b/, better: "anyone who, the person who" },
  { pattern: /\bin mid-turn\b/, better: "mid-turn" },
  // Before a noun it may stand: "the turns of its own tenant".
  {
    pattern: /\bof (?:its|his) own(?=[.,;:)]| (?:and|or|with|in|for|that|which|on)\b|$)/,
    better: "its own …, a separate …",
  },
  { pattern: /\b(?:has|have|had) to be\b/, better: "must be" },
  { pattern: /\b(?:is|are|was|can|could|may|to) be had\b|\b(?:is|are) had\b/, better: "is available" },
  { pattern: /\bhow-?manieth\b/, better: "which, the number of" },
  { pattern: /\bbelongs? into\b/, better: "belongs in" },
  { pattern: /\bafter so many\b/, better: "after this number of" },
  { pattern: /\bhow grave\b/, better: "how severe, the severity" },
  { pattern: /\b(?:is|are|was|were|be|been) told\b/, better: "learns, is informed, gets" },
  {
    pattern: /\b(?:tells?|told|telling) (?:that|whether|how|what|where|which|why|when|of)\b/,
    better: "reports, says, shows (to tell needs somebody to tell)",
  },
  { pattern: /\b(?:a|the|no|with|of|every|its) mistakes?\b|\bmistakes\b/, better: "bug, error" },
  { pattern: /\b(?:he|him|his|himself)\b/, better: "they, them, their" },
  { pattern: /\ballows? to\b/, better: "lets, allows … to" },
  { pattern: /\bcharacters out of\b/, better: "characters from" },
  { pattern: /\binside of\b/, better: "inside" },
  { pattern: /\bin the same time\b/, better: "at the same time" },
];

/** How public text stands in a file. */
export type TextKind = "markdown" | "proto" | "typescript" | "plain";

export interface Finding {
  readonly line: number;
  /** As it stands there. */
  readonly words: string;
  readonly better: string;
}

/** The words in a file's public text that it should do without, from its top to its end. */
export function findings(source: string, kind: TextKind): readonly Finding[] {
  const text = publicText[kind](source);
  return rules
    .flatMap(({ pattern, better }) =>
      [...text.matchAll(acrossLines(pattern))].map(({ index, 0: words }) => ({
        line: lineAt(source, index),
        words: words.replaceAll(/\s+/g, " "),
        better,
      })),
    )
    .sort((one, other) => one.line - other.line);
}

const acrossLines = (pattern: RegExp) => new RegExp(pattern.source.replaceAll(" ", "\\s+"), "gi");

const lineAt = (source: string, index: number) => source.slice(0, index).split("\n").length;

/** What is not public text becomes space, so that each word stays in its place. */
const blank = (text: string) => text.replaceAll(/[^\n]/g, " ");

const publicText: Readonly<Record<TextKind, (source: string) => string>> = {
  markdown: (source) =>
    [
      // What is generated is checked where it comes from.
      /<!-- ([a-z ]+): generated[\s\S]*?<!-- end of \1 -->/g,
      /<!--[\s\S]*?-->/g,
      /^( *)```[\s\S]*?^\1```/gm,
      /`[^`]+`/g,
      /\]\([^)\s]*\)/g,
    ].reduce((text, part) => text.replaceAll(part, blank), source),
  // Comments only: without the code before them, and the names in them.
  proto: (source) => source.replaceAll(/^[^/\n]*(?:\/\/)?|`[^`\n]*`/gm, blank),
  // Code has no words of the table in it, so comments are all that has to go; texts may have what looks like one.
  typescript: (source) =>
    source.replaceAll(textOrComment, (part) => (part.startsWith("//") || part.startsWith("/*") ? blank(part) : part)),
  plain: (source) => source,
};

const textOrComment = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
