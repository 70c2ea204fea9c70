/**
 * Markdown's tree as elements, and an answer that grows.
 */
import type { Announcer } from "./announce.ts";
import { copyButton } from "./copy.ts";
import { el } from "./dom.ts";
import type { Block, Inline } from "./markdown.ts";
import { MarkdownStream } from "./markdown-stream.ts";

/** An answer's headings stand below those of the page. */
const headingOffset = 2;

export class MarkdownView {
  readonly element = el("div", { class: "markdown" });
  readonly #stream = new MarkdownStream();
  readonly #tail = el("div", { class: "tail" });
  readonly #announcer: Announcer;
  readonly #onFinished: (block: Block) => void;
  #takenChars = 0;
  /** The text of the block of code that came last: it may go on in pieces. */
  #code = { text: "" };

  /** `onFinished`: called with every block that will not change any more. */
  constructor(announcer: Announcer, onFinished: (block: Block) => void) {
    this.#announcer = announcer;
    this.#onFinished = onFinished;
    this.element.append(this.#tail);
  }

  /** Shows a text that begins with what was shown before. True: not all of it yet. */
  show(text: string, isOver: boolean): boolean {
    this.#stream.push(text.slice(this.#takenChars));
    this.#takenChars = text.length;
    const { finished, tail, hasMore } = this.#stream.update({ isOver });
    for (const block of finished) {
      this.#tail.before(this.#finishedElement(block));
      this.#onFinished(block);
    }
    this.#tail.replaceChildren(...tail.map((block) => blockElement(block, this.#announcer)));
    return hasMore;
  }

  #finishedElement(block: Block): HTMLElement {
    if (block.kind !== "code") return blockElement(block, this.#announcer);
    if (block.isContinued) {
      this.#code.text += `${block.text}\n`;
    } else {
      this.#code = { text: block.text };
    }
    const code = this.#code;
    return codeElement(block, () => code.text, this.#announcer);
  }
}

function blockElement(block: Block, announcer: Announcer): HTMLElement {
  const nested = (blocks: readonly Block[]) => blocks.map((inner) => blockElement(inner, announcer));
  switch (block.kind) {
    case "heading": {
      const level = Math.min(6, block.level + headingOffset) as 3 | 4 | 5 | 6;
      return el(`h${level}`, { dir: "auto" }, ...inlineNodes(block.children));
    }
    case "paragraph":
      return el("p", { dir: "auto" }, ...inlineNodes(block.children));
    case "code":
      return codeElement(block, () => block.text, announcer);
    case "quote":
      return el("blockquote", { dir: "auto" }, ...nested(block.blocks));
    case "list": {
      const items = block.items.map(({ isChecked, blocks }) => {
        const box = isChecked === undefined ? [] : [isChecked ? "☑ " : "☐ "];
        return el("li", { class: isChecked === undefined ? undefined : "task" }, ...box, ...itemNodes(blocks, nested));
      });
      return block.start === undefined
        ? el("ul", { dir: "auto" }, ...items)
        : el("ol", { dir: "auto", start: block.start === 1 ? undefined : block.start }, ...items);
    }
    case "table":
      return tableElement(block);
    case "rule":
      return el("hr");
    case "plain":
      return el("p", { class: "plain", dir: "auto" }, block.text);
    default:
      return block satisfies never;
  }
}

/** A list's item of one paragraph is that paragraph's text, without the distance of paragraphs. */
function itemNodes(blocks: readonly Block[], nested: (blocks: readonly Block[]) => Node[]): Node[] {
  const [first, ...rest] = blocks;
  if (first?.kind !== "paragraph") return nested(blocks);
  return [...inlineNodes(first.children), ...nested(rest)];
}

function codeElement(
  { language, text, isContinued }: Extract<Block, { kind: "code" }>,
  textToCopy: () => string,
  announcer: Announcer,
): HTMLElement {
  const code = el("code", {}, text);
  const pre = el("pre", { tabindex: 0, role: "group", "aria-label": language ? `Code, ${language}` : "Code" }, code);
  if (isContinued) return el("div", { class: "code continued" }, pre);
  const head = el("div", { class: "code-head" }, el("span", {}, language), copyButton("code", textToCopy, announcer));
  return el("div", { class: "code" }, head, pre);
}

function tableElement({ alignments, header, rows }: Extract<Block, { kind: "table" }>): HTMLElement {
  const cell = (name: "th" | "td", inlines: readonly Inline[], column: number) =>
    el(name, { "data-align": alignments[column], ...(name === "th" && { scope: "col" }) }, ...inlineNodes(inlines));
  const table = el(
    "table",
    {},
    el("thead", {}, el("tr", {}, ...header.map((inlines, column) => cell("th", inlines, column)))),
    el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map((inlines, column) => cell("td", inlines, column))))),
  );
  return el("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Table" }, table);
}

function inlineNodes(inlines: readonly Inline[]): Node[] {
  return inlines.map((inline): Node => {
    switch (inline.kind) {
      case "text":
        return document.createTextNode(inline.text);
      case "code":
        return el("code", {}, inline.text);
      case "strong":
      case "em":
      case "del":
        return el(inline.kind, {}, ...inlineNodes(inline.children));
      case "link":
        return linkElement(inline.href, inlineNodes(inline.children));
      case "break":
        return el("br");
      default:
        return inline satisfies never;
    }
  });
}

/** A link out of this page. `href` is one that `safeHref` has let through. */
export function linkElement(href: string, children: readonly (Node | string)[]): HTMLAnchorElement {
  return el("a", { href, title: href, target: "_blank", rel: "noopener noreferrer" }, ...children);
}
