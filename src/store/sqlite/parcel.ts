/**
 * Bytes on their way to a thread and back: those of a whole batch in one buffer, which moves instead of being copied.
 *
 * What is packed is copied once, into that buffer: a piece is mostly a view of a slab that its owner goes on using, and
 * the structured clone of a view would take the whole slab along.
 */

/** Puts pieces behind one another into a buffer of their own. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(pieces.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.byteLength;
  }
  return bytes;
}

/** Takes pieces from a buffer in the order in which they were put there. */
export class PieceReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  take(sizes: readonly number[]): Uint8Array[] {
    return sizes.map((size) => {
      const piece = this.#bytes.subarray(this.#at, this.#at + size);
      this.#at += size;
      return piece;
    });
  }
}
