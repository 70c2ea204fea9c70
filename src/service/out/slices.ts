/**
 * Long texts in pieces that fit into an event. Pieces end between characters, so that each is valid UTF-8.
 */

/** The longest text in one event, in bytes. */
export const maxSliceBytes = 256 * 1024;

/** The first bytes of a text, cut between characters. */
export function cutUtf8(text: string, maxBytes: number): string {
  if (text.length * 3 <= maxBytes || Buffer.byteLength(text) <= maxBytes) return text;
  return text.slice(0, endOfSlice(text, 0, maxBytes));
}

/** A text in pieces of at most `maxBytes` of UTF-8. At least one piece. */
export function sliceUtf8(text: string, maxBytes: number): string[] {
  if (text.length * 3 <= maxBytes || Buffer.byteLength(text) <= maxBytes) return [text];
  const slices: string[] = [];
  for (let from = 0; from < text.length; ) {
    const to = endOfSlice(text, from, maxBytes);
    slices.push(text.slice(from, to));
    from = to;
  }
  return slices;
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
