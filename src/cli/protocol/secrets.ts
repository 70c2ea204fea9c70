/**
 * Takes the secrets of a worker's credential out of what its process says, in whatever form they are written.
 *
 * Whole lines are looked at, before anything is read from them: so nothing that is made of a line can hold one, neither an
 * event nor a log. What is cut between two deltas is `secret-tails.ts`. Not known here: what a credential looks like that
 * is nobody's here (`redact.ts`).
 */
export const redacted = "[redacted]";

/** Below this, or when it is a word or a number, a value is in ordinary text too. */
const minLength = 6;
const minWordLength = 16;
/** How much of the beginning of a form is looked for first. */
const hintLength = 4;
/** Below this, base64 of a value has too few characters that only come of it. */
const minEncodedLength = 8;

/**
 * Whether a value can be told from ordinary text. One that cannot, such as the `none` that some gateways take for a key,
 * is not looked for: it would be taken out of answers that have nothing to do with it.
 */
export function isFindable(value: string): boolean {
  if (value.length < minLength) return false;
  return value.length >= minWordLength || !/^(?:[\d.]*|[A-Za-z]*|[a-z_-]*)$/.test(value);
}

export class Secrets {
  /** Every form in which a secret may stand in a text, the longest first. */
  readonly forms: readonly string[];
  readonly #inLines: readonly string[];
  /** What matches a secret with white space in it, by the first characters of the secret. */
  readonly #broken: readonly (readonly [start: string, inText: RegExp, inLine: RegExp])[];

  /** What every text with a secret has in it, so that one look is enough for all others. Absent: there are no secrets. */
  readonly #hint: RegExp | undefined;

  constructor(values: readonly string[]) {
    const findable = [...new Set(values)].filter(isFindable);
    this.forms = longestFirst(findable.flatMap(formsOf));
    this.#inLines = longestFirst(this.forms.map(inJson));
    const starts = new Set([...this.forms, ...this.#inLines].map((form) => escaped(form.slice(0, hintLength))));
    this.#hint = starts.size === 0 ? undefined : new RegExp([...starts].join("|"));
    this.#broken = findable
      .filter((value) => value.length >= minWordLength && !/\s/.test(value))
      .map((value) => [
        inJson(value).slice(0, hintLength),
        brokenForm(value, "\\s"),
        brokenForm(inJson(value), "\\s|\\\\[nrt]"),
      ]);
  }

  /** A line of JSON without the secrets; it stays JSON. */
  line(line: string): string {
    if (this.#hint?.test(line) !== true) return line;
    let clean = line;
    for (const form of this.#inLines) if (clean.includes(form)) clean = clean.replaceAll(form, redacted);
    for (const [start, , form] of this.#broken) if (clean.includes(start)) clean = clean.replace(form, redacted);
    return clean;
  }

  /** A text without the secrets. */
  text(text: string): string {
    if (this.#hint?.test(text) !== true) return text;
    let clean = text;
    for (const form of this.forms) if (clean.includes(form)) clean = clean.replaceAll(form, redacted);
    for (const [start, form] of this.#broken) if (clean.includes(start)) clean = clean.replace(form, redacted);
    return clean;
  }
}

function formsOf(value: string): readonly string[] {
  const bytes = Buffer.from(value, "utf8");
  // JSON in a text is escaped, and so is JSON in the text of JSON.
  const inUrl = value.toWellFormed();
  const plain = [value, inJson(value), inJson(inJson(value)), encodeURIComponent(inUrl), encodeURI(inUrl)];
  if (bytes.length < minEncodedLength) return plain;
  const hex = bytes.toString("hex");
  return [...plain, hex, hex.toUpperCase(), ...base64Cores(bytes)];
}

/** What base64 of any text has in it that holds the value: it depends on how many bytes stand before it, modulo 3. */
function base64Cores(bytes: Buffer): readonly string[] {
  return [0, 1, 2].flatMap((offset) => {
    const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64");
    const core = encoded.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6));
    return [core, core.replaceAll("+", "-").replaceAll("/", "_")];
  });
}

function inJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** The value with white space after any of its characters. An escape of JSON counts as one character. */
function brokenForm(value: string, space: string): RegExp {
  const characters = value.match(/\\u[0-9a-f]{4}|\\.|[\s\S]/g) ?? [];
  const source = characters.map((character) => escaped(character));
  return new RegExp(source.join(`(?:${space})*`), "g");
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}

function longestFirst(texts: readonly string[]): readonly string[] {
  return [...new Set(texts)].filter((text) => text !== "").sort((a, b) => b.length - a.length);
}
