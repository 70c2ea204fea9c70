/**
 * Markdown that is still being written: finished blocks come out once and are never parsed again, only the last one is
 * parsed anew when it has grown. Knows no DOM.
 *
 * Whatever arrives, the parser sees a bounded text at a time. A block that outgrows it gives way: a fenced block of code
 * goes on in pieces, anything else is shown as it was written.
 */
import type { Links } from "marked";
import { type Block, type ParsedBlock, parseBlocks } from "./markdown.ts";

export interface MarkdownUpdate {
  /** Blocks that are finished since the last update, in order. */
  readonly finished: readonly Block[];
  /** What follows them for now, in place of the tail before. */
  readonly tail: readonly Block[];
  /** Whether there was more than one update may parse: another one is due. */
  readonly hasMore: boolean;
}

/** The most that is parsed at once, in characters; also the longest tail. */
const windowChars = 16_384;
/** How much of a text that comes in one go is parsed in one update, in windows. */
const windowsPerUpdate = 8;
/** An update that has parsed for longer than this ends with what it has, in milliseconds: a frame may be due. */
const slowUpdateMs = 8;
/** So many definitions of links are known at a time; each parse begins with a copy of them. */
const maxLinkCount = 500;
/** A tail that takes longer than this to parse, in milliseconds, is parsed again only once it has grown by a quarter. */
const slowParseMs = 6;

interface Fence {
  /** The character of the fence. */
  readonly mark: string;
  readonly length: number;
  readonly language: string;
}

export class MarkdownStream {
  /** What is not finished. */
  #pending = "";
  #endsInReturn = false;
  readonly #links = Object.create(null) as Links;
  #linkCount = 0;
  /** The fenced block that is being given out in pieces. */
  #fence: Fence | undefined;
  #parsedTail: { readonly chars: number; readonly blocks: readonly Block[]; readonly tookMs: number } | undefined;
  /** In the update that is being made. */
  #parsedForMs = 0;
  readonly #nowMs: () => number;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  push(text: string): void {
    // Lines end in one way, as the parser wants them; a line end may arrive in two halves.
    const rest = this.#endsInReturn && text.startsWith("\n") ? text.slice(1) : text;
    if (text !== "") this.#endsInReturn = text.endsWith("\r");
    this.#pending += rest.replace(/\r\n?/g, "\n");
  }

  /** What there is to show now. `isOver`: nothing follows. */
  update({ isOver = false } = {}): MarkdownUpdate {
    const finished: Block[] = [];
    this.#parsedForMs = 0;
    for (let count = 0; count < windowsPerUpdate; count += 1) {
      const tail = this.#fence === undefined ? this.#stepBlocks(isOver, finished) : this.#stepFence(isOver, finished);
      if (tail !== undefined) return { finished, tail, hasMore: false };
      if (this.#parsedForMs > slowUpdateMs) break;
    }
    return { finished, tail: [], hasMore: true };
  }

  /** Finishes what can be; gives the tail when that is all. */
  #stepBlocks(isOver: boolean, finished: Block[]): readonly Block[] | undefined {
    const blank = /^(?:[ \t]*\n)+/.exec(this.#pending.slice(0, windowChars))?.[0].length ?? 0;
    this.#pending = this.#pending.slice(blank);
    const isWhole = this.#pending.length <= windowChars;
    const known = this.#parsedTail;
    const isSlow = known !== undefined && known.tookMs > slowParseMs && this.#pending.length < known.chars * 1.25;
    if (isSlow && isWhole && !isOver) return this.#rawTail();

    const window = this.#pending.slice(0, windowChars);
    const startMs = this.#nowMs();
    const parsed = parseBlocks(window, this.#links);
    const tookMs = this.#nowMs() - startMs;
    this.#parsedForMs += tookMs;
    const finishedCount = isOver && isWhole ? parsed.length : closedCount(parsed);
    if (finishedCount > 0) {
      const closed = parsed.slice(0, finishedCount);
      finished.push(...closed.flatMap(({ block }) => block ?? []));
      // Only now: one that is still being written would be known by half of its address.
      for (const { definition } of closed) if (definition !== undefined) this.#define(definition);
      this.#drop(closed.reduce((chars, { raw }) => chars + raw.length, 0));
      if (!isWhole) return undefined;
    } else if (!isWhole) {
      this.#giveWay(parsed, window, finished);
      return undefined;
    }
    const blocks = parsed.slice(finishedCount).flatMap(({ block }) => block ?? []);
    this.#parsedTail = { chars: this.#pending.length, blocks, tookMs };
    return blocks;
  }

  /** A block that is longer than what is parsed at once. */
  #giveWay(parsed: readonly ParsedBlock[], window: string, finished: Block[]): void {
    const fence = openFence(parsed[0]?.raw ?? "");
    if (fence !== undefined) {
      this.#fence = fence;
      finished.push({ kind: "code", language: fence.language, text: "", isContinued: false });
      this.#drop(window.indexOf("\n") + 1);
      return;
    }
    const chars = cutBefore(window);
    finished.push({ kind: "plain", text: window.slice(0, chars) });
    this.#drop(chars);
  }

  /** Gives code out until its fence closes. */
  #stepFence(isOver: boolean, finished: Block[]): readonly Block[] | undefined {
    const { mark, length, language } = this.#fence as Fence;
    const code = (text: string): Block => ({ kind: "code", language, text, isContinued: true });
    const window = this.#pending.slice(0, windowChars);
    const isWhole = window.length === this.#pending.length;
    const lineEnd = isOver && isWhole ? "(?:\\n|$)" : "\\n";
    const closing = new RegExp(`^ {0,3}\\${mark}{${length},}[ \\t]*${lineEnd}`, "m");
    const match = closing.exec(window);
    if (match !== null) {
      if (match.index > 0) finished.push(code(window.slice(0, match.index - 1)));
      this.#drop(match.index + match[0].length);
      this.#fence = undefined;
      return undefined;
    }
    if (isWhole && !isOver) return window === "" ? [] : [code(window)];
    // A closing fence may begin in the last line: that one stays.
    const lines = isOver && isWhole ? window.length : window.lastIndexOf("\n") + 1;
    const chars = lines > 0 ? lines : wholeChars(window);
    if (chars > 0) finished.push(code(window.slice(0, chars).replace(/\n$/, "")));
    this.#drop(chars);
    return isOver && isWhole ? [] : undefined;
  }

  /** The tail as it was parsed last, and behind it what came since, as it was written. */
  #rawTail(): readonly Block[] {
    const { chars, blocks } = this.#parsedTail ?? { chars: 0, blocks: [] };
    const rest = this.#pending.slice(chars, chars + windowChars);
    return rest === "" ? blocks : [...blocks, { kind: "plain", text: rest }];
  }

  /** The first definition of a name counts. */
  #define(definition: Links): void {
    for (const [name, link] of Object.entries(definition)) {
      if (name in this.#links || this.#linkCount >= maxLinkCount) continue;
      this.#links[name] = link;
      this.#linkCount += 1;
    }
  }

  #drop(chars: number): void {
    this.#pending = this.#pending.slice(chars);
    this.#parsedTail = undefined;
  }
}

/** How many blocks are over: all before the last, once it is certain that the last one is another block. */
function closedCount(parsed: readonly ParsedBlock[]): number {
  const shown = parsed.flatMap(({ block }, index) => (block === undefined ? [] : [index]));
  const last = shown.at(-1);
  const before = shown.at(-2);
  if (last === undefined || before === undefined) return 0;
  // The beginning of a line may still turn out to go on with the block before it, unless an empty line lies between;
  // a list may go on even behind that.
  const isLineWhole = parsed[last]?.raw.includes("\n") === true;
  const isApart = last - before > 1 || parsed[before]?.raw.endsWith("\n\n") === true;
  return isLineWhole || (isApart && parsed[before]?.block?.kind !== "list") ? last : shown.length > 2 ? before : 0;
}

/** The fence of a block of code that has not been closed. */
function openFence(raw: string): Fence | undefined {
  const [, marks = "", info = ""] = /^ {0,3}(`{3,}|~{3,})([^\n]*)\n/.exec(raw) ?? [];
  const mark = marks[0];
  if (mark === undefined) return undefined;
  return { mark, length: marks.length, language: /^[\w+#.-]{1,24}/.exec(info.trim())?.[0] ?? "" };
}

/** Where a text is best cut: behind its last line, else behind its last word, else anywhere. */
function cutBefore(text: string): number {
  const line = text.lastIndexOf("\n") + 1;
  if (line > text.length / 2) return line;
  const word = text.lastIndexOf(" ") + 1;
  return word > text.length / 2 ? word : wholeChars(text);
}

/** The length of a text without half a character at its end. */
function wholeChars(text: string): number {
  return /[\ud800-\udbff]$/.test(text) && text.length > 1 ? text.length - 1 : text.length;
}
