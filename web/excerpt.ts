/**
 * The part of a long text that is shown unasked. Pure.
 */

const maxShownChars = 4_000;
const maxShownLines = 40;

/** The beginning or the end of a text, at most so many characters and lines. */
export function excerpt(text: string, shows: "beginning" | "end"): string {
  const isBeginning = shows === "beginning";
  const chars = isBeginning ? text.slice(0, maxShownChars) : text.slice(-maxShownChars);
  const lines = chars.split("\n");
  if (lines.length <= maxShownLines) return chars;
  return (isBeginning ? lines.slice(0, maxShownLines) : lines.slice(-maxShownLines)).join("\n");
}
