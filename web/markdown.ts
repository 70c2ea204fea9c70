/**
 * Markdown to a small tree of what the page can show. Knows no DOM.
 *
 * What a model writes is not trusted: HTML in it is text, a link leads to http, https or mailto or is none, and a picture
 * is a link to it, since loading it would tell its host who reads. The tree has no place for anything else.
 */
import type { Links, Token, Tokens } from "marked";
import { lexWithinBounds } from "./bounded-lexer.ts";

export type Inline =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "code"; readonly text: string }
  | { readonly kind: "strong" | "em" | "del"; readonly children: readonly Inline[] }
  | { readonly kind: "link"; readonly href: string; readonly children: readonly Inline[] }
  | { readonly kind: "break" };

export interface ListItem {
  /** Of a task list; `undefined`: it is none. */
  readonly isChecked: boolean | undefined;
  readonly blocks: readonly Block[];
}

export type Alignment = "left" | "center" | "right" | undefined;

export type Block =
  | { readonly kind: "heading"; readonly level: number; readonly children: readonly Inline[] }
  | { readonly kind: "paragraph"; readonly children: readonly Inline[] }
  /** `isContinued`: more of the code block before it. */
  | { readonly kind: "code"; readonly language: string; readonly text: string; readonly isContinued: boolean }
  | { readonly kind: "quote"; readonly blocks: readonly Block[] }
  | { readonly kind: "list"; readonly start: number | undefined; readonly items: readonly ListItem[] }
  | {
      readonly kind: "table";
      readonly alignments: readonly Alignment[];
      readonly header: readonly (readonly Inline[])[];
      readonly rows: readonly (readonly (readonly Inline[])[])[];
    }
  | { readonly kind: "rule" }
  /** Text as it is, for what is no markdown or too much of it. */
  | { readonly kind: "plain"; readonly text: string };

/** A block with the text that it was made of. */
export interface ParsedBlock {
  /** `undefined`: it shows nothing. */
  readonly block: Block | undefined;
  readonly raw: string;
  /** Set for the definition of a link, by which later blocks may name it. */
  readonly definition: Links | undefined;
}

/** Deeper than this nothing is taken apart any more. */
const maxDepth = 24;

/** Reads a text. `links`: what was defined before it. */
export function parseBlocks(text: string, links: Links = {}): readonly ParsedBlock[] {
  try {
    return lexWithinBounds(text, links).map((token) => ({
      block: blockOf(token, 0),
      raw: token.raw,
      definition: definitionOf(token),
    }));
  } catch {
    // Nested too deep for the parser.
    return [{ block: { kind: "plain", text }, raw: text, definition: undefined }];
  }
}

function definitionOf(token: Token): Links | undefined {
  if (token.type !== "def") return undefined;
  const { tag, href, title } = token as Tokens.Def;
  return { [tag]: { href, title } };
}

function blocksOf(tokens: readonly Token[], depth: number): readonly Block[] {
  return tokens.map((token) => blockOf(token, depth)).filter((block) => block !== undefined);
}

function blockOf(token: Token, depth: number): Block | undefined {
  if (depth > maxDepth) return { kind: "plain", text: token.raw };
  switch (token.type) {
    case "space":
    case "def":
    // The box of a task: told by its item.
    case "checkbox":
      return undefined;
    case "heading": {
      const { depth: level, tokens } = token as Tokens.Heading;
      return { kind: "heading", level, children: inlinesOf(tokens, depth) };
    }
    case "paragraph":
      return { kind: "paragraph", children: inlinesOf((token as Tokens.Paragraph).tokens, depth) };
    case "text": {
      // The text of a tight list's item.
      const { tokens, text } = token as Tokens.Text;
      return {
        kind: "paragraph",
        children: tokens ? inlinesOf(tokens, depth) : [{ kind: "text", text: decoded(text) }],
      };
    }
    case "code": {
      const { lang, text } = token as Tokens.Code;
      const language = /^[\w+#.-]{1,24}/.exec(lang ?? "")?.[0] ?? "";
      return { kind: "code", language, text, isContinued: false };
    }
    case "blockquote":
      return { kind: "quote", blocks: blocksOf((token as Tokens.Blockquote).tokens, depth + 1) };
    case "list": {
      const { ordered, start, items } = token as Tokens.List;
      return {
        kind: "list",
        start: ordered ? Number(start) : undefined,
        items: items.map(({ task, checked, tokens }) => ({
          isChecked: task ? checked === true : undefined,
          blocks: blocksOf(tokens, depth + 1),
        })),
      };
    }
    case "table": {
      const { align, header, rows } = token as Tokens.Table;
      return {
        kind: "table",
        alignments: align.map((one) => one ?? undefined),
        header: header.map(({ tokens }) => inlinesOf(tokens, depth)),
        rows: rows.map((row) => row.map(({ tokens }) => inlinesOf(tokens, depth))),
      };
    }
    case "hr":
      return { kind: "rule" };
    default:
      return { kind: "plain", text: token.raw };
  }
}

function inlinesOf(tokens: readonly Token[], depth: number): readonly Inline[] {
  return tokens.flatMap((token) => inlineOf(token, depth + 1));
}

function inlineOf(token: Token, depth: number): Inline | readonly Inline[] {
  if (depth > maxDepth) return { kind: "text", text: token.raw };
  switch (token.type) {
    case "strong":
    case "em":
    case "del":
      return { kind: token.type, children: inlinesOf(token.tokens ?? [], depth) };
    case "codespan":
      return { kind: "code", text: (token as Tokens.Codespan).text };
    case "br":
      return { kind: "break" };
    case "checkbox":
      return [];
    case "link": {
      const { href, tokens } = token as Tokens.Link;
      return linkOr(href, inlinesOf(tokens, depth));
    }
    case "image": {
      const { href, text } = token as Tokens.Image;
      return linkOr(href, [{ kind: "text", text: `picture: ${decoded(text) || href}` }]);
    }
    case "text": {
      const { tokens, text } = token as Tokens.Text;
      return tokens ? inlinesOf(tokens, depth) : { kind: "text", text: decoded(text) };
    }
    case "escape":
      return { kind: "text", text: (token as Tokens.Escape).text };
    default:
      return { kind: "text", text: token.raw };
  }
}

/** A link, or its text with the address that is none. */
function linkOr(href: string, children: readonly Inline[]): Inline | readonly Inline[] {
  const safe = safeHref(href);
  return safe === undefined
    ? [...children, { kind: "text", text: ` (${href})` }]
    : { kind: "link", href: safe, children };
}

/** The address that a link may lead to; `undefined` for anything that is no whole web or mail address. */
export function safeHref(href: string): string | undefined {
  const url = URL.parse(href);
  return url !== null && ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : undefined;
}

const entities: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: "\u00a0",
  copy: "©",
  hellip: "…",
  ndash: "–",
  mdash: "—",
  rarr: "→",
  larr: "←",
  times: "×",
  deg: "°",
  euro: "€",
};

/** Text with the character references that models write made into characters; others stay as they are. */
function decoded(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([a-zA-Z]{2,8}));/g, (all, decimal, hex, name) => {
    if (name !== undefined) return entities[name as string] ?? all;
    const point = decimal === undefined ? Number.parseInt(hex as string, 16) : Number(decimal);
    return point > 0 && point <= 0x10ffff ? String.fromCodePoint(point) : "\ufffd";
  });
}

/** A block as a person would read it aloud. */
export function spokenText(block: Block): string {
  switch (block.kind) {
    case "heading":
    case "paragraph":
      return inlineText(block.children);
    case "code":
      return block.isContinued ? "" : "A block of code.";
    case "quote":
      return block.blocks.map(spokenText).join(" ");
    case "list":
      return block.items.map((item) => item.blocks.map(spokenText).join(" ")).join(". ");
    case "table":
      return `A table with ${block.rows.length} rows.`;
    case "rule":
      return "";
    case "plain":
      return block.text;
    default:
      return block satisfies never;
  }
}

function inlineText(inlines: readonly Inline[]): string {
  return inlines
    .map((inline) => {
      switch (inline.kind) {
        case "text":
        case "code":
          return inline.text;
        case "break":
          return " ";
        default:
          return inlineText(inline.children);
      }
    })
    .join("");
}
