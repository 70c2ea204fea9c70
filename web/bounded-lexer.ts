/**
 * Markdown's parser with a bound on its work. Knows no DOM.
 *
 * The parser looks ahead from every mark that may begin something, and reads what is nested once for each level: a text of
 * nothing but marks costs it the square of its length, or more. Here each look ahead is paid for out of a purse that grows
 * with the text. Once it is empty, what is left is text as it was written.
 */
import { getDefaults, Lexer, type Links, type Token, Tokenizer, type Tokens, type TokensList } from "marked";

/** So many times may each character be looked at, on average: enough for 120 marks without a partner in one paragraph. */
const looksPerChar = 64;
/** Quotes and lists that stand deeper than this in one another are text. */
const maxNesting = 24;
/** A line that opens more of them than that. For each of its marks the parser reads all of it, for every level. */
const tooDeepLine = /^[ \t]*(?:[*+-][ \t]+|\d{1,9}[.)][ \t]+|>[ \t]*){25}/;
/** So many lines in a row may go on with an item of a list without a mark. For each the parser reads all of the item. */
const maxLinesInRow = 500;
/** A longer address is no link. */
const maxAddressChars = 2_048;

/** Reads a text into tokens. `links`: what was defined before it. */
export function lexWithinBounds(text: string, links: Links): TokensList {
  const work = new Work(text.length * looksPerChar);
  const lexer = new BoundedLexer(new BoundedTokenizer(work, mayHaveLists(text)), work);
  lexer.tokens.links = { ...links };
  return lexer.lex(text);
}

/** Whether lists in it can be read at a cost that is known beforehand. */
function mayHaveLists(text: string): boolean {
  let linesInRow = 0;
  for (const line of text.split("\n")) {
    if (tooDeepLine.test(line)) return false;
    linesInRow = /^[ \t]*(?:[*+>-]|\d{1,9}[.)]|$)/.test(line) ? 0 : linesInRow + 1;
    if (linesInRow > maxLinesInRow) return false;
  }
  return true;
}

class Work {
  #left: number;

  constructor(chars: number) {
    this.#left = chars;
  }

  get isSpent(): boolean {
    return this.#left <= 0;
  }

  spend(chars: number): void {
    this.#left -= chars;
  }
}

class BoundedLexer extends Lexer {
  readonly #work: Work;

  constructor(tokenizer: BoundedTokenizer, work: Work) {
    super({ ...getDefaults(), tokenizer });
    this.#work = work;
  }

  /** Before it reads a run of text the parser masks what is no emphasis in it: one look at all of it. */
  override inlineTokens(src: string, tokens: Token[] = []): Token[] {
    this.#work.spend(src.length);
    if (this.#work.isSpent) {
      tokens.push(textToken(src));
      return tokens;
    }
    return super.inlineTokens(src, tokens);
  }
}

function textToken(text: string): Tokens.Text {
  return { type: "text", raw: text, text, escaped: false };
}

class BoundedTokenizer extends Tokenizer {
  readonly #work: Work;
  readonly #hasLists: boolean;
  #nesting = 0;

  constructor(work: Work, hasLists: boolean) {
    super();
    this.#work = work;
    this.#hasLists = hasLists;
  }

  /** HTML is text like any other. */
  override html(): undefined {}
  override tag(): undefined {}

  override blockquote(src: string): Tokens.Blockquote | undefined {
    const found = this.#nested(src, /^ {0,3}>/, () => super.blockquote(src));
    // It is looked for up to the next empty line, however early it ends.
    if (found !== undefined) this.#work.spend(Math.max(0, lengthToEmptyLine(src) - found.raw.length));
    return found;
  }

  override list(src: string): Tokens.List | undefined {
    if (!this.#hasLists) return undefined;
    return this.#nested(src, /^ {0,3}(?:[*+-]|\d{1,9}[.)])/, () => super.list(src));
  }

  override link(src: string): Tokens.Link | Tokens.Image | undefined {
    return this.#paid(src, "[!", lengthOfLabel, () => super.link(src));
  }

  override reflink(src: string, links: Links): Tokens.Link | Tokens.Image | Tokens.Text | undefined {
    return this.#paid(src, "[!", lengthOfLabel, () => super.reflink(src, links));
  }

  override emStrong(src: string, maskedSrc: string, prevChar = ""): Tokens.Em | Tokens.Strong | undefined {
    const isNone = /^(?:\*+|_+)(?:\s|$)/.test(src) || (src.startsWith("_") && /[\p{L}\p{N}]/u.test(prevChar));
    return isNone ? undefined : this.#paid(src, "*_", lengthOfAll, () => super.emStrong(src, maskedSrc, prevChar));
  }

  override del(src: string, maskedSrc: string, prevChar?: string): Tokens.Del | undefined {
    return this.#paid(src, "~", lengthOfAll, () => super.del(src, maskedSrc, prevChar));
  }

  override codespan(src: string): Tokens.Codespan | undefined {
    return this.#paid(src, "`", lengthOfAll, () => super.codespan(src));
  }

  override autolink(src: string): Tokens.Link | undefined {
    return this.#paid(src, "<", lengthOfWord, () => super.autolink(src));
  }

  /** Looks for the sign of a mail address behind every word. */
  override url(src: string): Tokens.Link | undefined {
    this.#work.spend(lengthOfName(src));
    return this.#work.isSpent ? undefined : super.url(src.slice(0, maxAddressChars));
  }

  override inlineText(src: string): Tokens.Text | undefined {
    this.#work.spend(lengthOfName(src));
    return this.#work.isSpent ? textToken(src) : super.inlineText(src);
  }

  /** Something that begins with one of these marks: found, it costs its length, else what had to be searched. */
  #paid<T extends Token>(
    src: string,
    marks: string,
    searched: (src: string) => number,
    find: () => T | undefined,
  ): T | undefined {
    if (!marks.includes(src.charAt(0)) || this.#work.isSpent) return undefined;
    const found = find();
    this.#work.spend(found === undefined || found.type === "text" ? searched(src) : found.raw.length);
    return found;
  }

  /** What is in it is read as a text for itself, and in the worst case again for every line that goes on with it. */
  #nested<T>(src: string, beginning: RegExp, read: () => T | undefined): T | undefined {
    if (!beginning.test(src) || this.#work.isSpent || this.#nesting >= maxNesting) return undefined;
    if (this.#nesting > 0) this.#work.spend(src.length);
    this.#nesting += 1;
    try {
      return read();
    } finally {
      this.#nesting -= 1;
    }
  }
}

const lengthOfAll = (src: string): number => src.length;

function lengthToEmptyLine(src: string): number {
  const end = /\n[ \t]*\n/.exec(src)?.index;
  return end ?? src.length;
}

/** Of a label that holds nothing but text and is no link's; of anything else the end may have to be searched. */
function lengthOfLabel(src: string): number {
  return /^!?\[[^[\]`\\]*\](?!\()/.exec(src)?.[0].length ?? src.length;
}

/** Of what stands in angle brackets. */
function lengthOfWord(src: string): number {
  return /^<[^\s<>]*/.exec(src)?.[0].length ?? 1;
}

/** Of what may be the name in a mail address. */
function lengthOfName(src: string): number {
  return /^[\w.!#$%&'*+/=?^`{|}~-]*/.exec(src)?.[0].length ?? 0;
}
