/**
 * A line for the CLI that is too long to be made at once: in pieces that are made one after the other, as they are written.
 *
 * A PDF of 24 MiB as one line of JSON takes 150 ms of the event loop and four times its size; in pieces none takes
 * longer than a millisecond.
 */

/** Without its line feed. Pieces are given once. */
export type Line = string | Iterable<string>;

/** Data of a piece, in bytes: a multiple of three, so that base64 needs padding at the end only. */
const dataBytes = 96 * 1024;

/** Base64 in pieces. */
export function* base64Pieces(data: Uint8Array): Generator<string, void> {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  for (let at = 0; at < bytes.length; at += dataBytes)
    yield bytes.toString("base64", at, Math.min(at + dataBytes, bytes.length));
}

/** A text longer than this is made in pieces, in UTF-16 units. */
const textUnits = 64 * 1024;

export const isLong = (text: string): boolean => text.length > textUnits;

/** The inside of a JSON string in pieces. */
export function* textPieces(text: string): Generator<string, void> {
  for (let at = 0; at < text.length; ) {
    let end = at + textUnits;
    // A surrogate pair stays in one piece: half of one would be escaped.
    if (end < text.length && isHighSurrogate(text.charCodeAt(end - 1))) end += 1;
    yield JSON.stringify(text.slice(at, end)).slice(1, -1);
    at = end;
  }
}

const isHighSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff;

/** What stands in front of and behind the place that follows a mark. Nothing of a caller's may stand in front of it. */
export function split(json: string, mark: string): readonly [string, string] {
  const at = json.indexOf(mark) + mark.length;
  return [json.slice(0, at), json.slice(at)];
}

/** Joins short pieces, so that a line of many small blocks is still one write. */
export function* joined(pieces: Iterable<string>): Generator<string, void> {
  let held = "";
  for (const piece of pieces) {
    held += piece;
    if (held.length < dataBytes) continue;
    yield held;
    held = "";
  }
  if (held !== "") yield held;
}
