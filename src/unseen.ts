/**
 * Characters that change how a text looks without being seen, or end a line where nobody expects it: controls, C1 and what
 * follows U+2028, marks of writing direction, and the tags that nobody writes.
 *
 * A leaf: for logs, which escape them, and for terminals, which leave them out.
 */

/** Directions: ALM, LRM and RLM, embeddings, overrides, isolates. */
const directions = "\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069";
/** What some programs take for the end of a line, and some do not. */
const lineEnds = "\\u2028\\u2029";
/** Zero-width and other marks that only take part in hiding something; joiners are not among them, writing needs them. */
const hidden = "\\u00ad\\u180e\\u200b\\u2060-\\u2065\\u206a-\\u206f\\ufeff\\ufff9-\\ufffb";
/** Tags (U+E0000 to U+E007F), as pairs. */
const tags = "\\udb40[\\udc00-\\udc7f]";

const inJson = new RegExp(`[\\x00-\\x1f\\x7f-\\x9f${directions}${lineEnds}${hidden}]|${tags}`, "g");
const inText = new RegExp(`[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f${directions}${hidden}]|${tags}`, "g");
const anyLineEnd = new RegExp(`[${lineEnds}]`, "g");

/** One line of JSON with them as escapes: they stand in strings only, so it is the same value. */
export function withEscapes(line: string): string {
  return line.replace(inJson, (found) =>
    found
      .split("")
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
      .join(""),
  );
}

/** A text without them. Tabs and line ends stay; the escape that begins every sequence of a terminal does not. */
export function withoutUnseen(text: string): string {
  return text.replace(anyLineEnd, "\n").replace(inText, "");
}
