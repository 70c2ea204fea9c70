/**
 * Texts cut to so many bytes. Every piece ends between characters, so that each is valid UTF-8.
 */

/** The first bytes of a text. Looks at no more of it than it keeps. */
export function cutUtf8(text: string, maxBytes: number): string {
  return fits(text, maxBytes) ? text : text.slice(0, endOfSlice(text, 0, maxBytes));
}

/** The same, with a sign that something is missing where it is. */
export function clipUtf8(text: string, maxBytes: number): string {
  return fits(text, maxBytes) ? text : `${cutUtf8(text, maxBytes - 3)}…`;
}

/** A text in pieces of at most `maxBytes` of UTF-8. At least one piece. */
export function sliceUtf8(text: string, maxBytes: number): string[] {
  if (fits(text, maxBytes)) return [text];
  const slices: string[] = [];
  for (let from = 0; from < text.length; ) {
    const to = endOfSlice(text, from, maxBytes);
    slices.push(text.slice(from, to));
    from = to;
  }
  return slices;
}

/** A character takes one to three bytes for each of its units, so that most texts need no counting. */
function fits(text: string, maxBytes: number): boolean {
  return text.length * 3 <= maxBytes || (text.length <= maxBytes && Buffer.byteLength(text) <= maxBytes);
}

/** Where a slice that begins at `from` has to end; at least one character further. */
function endOfSlice(text: string, from: number, maxBytes: number): number {
  let bytes = 0;
  let at = from;
  while (at < text.length) {
    const code = text.codePointAt(at)!;
    const size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (bytes + size > maxBytes && at > from) break;
    bytes += size;
    at += code < 0x10000 ? 1 : 2;
  }
  return at;
}
