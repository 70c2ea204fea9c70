/**
 * Bytes to lines, with a size limit.
 *
 * Splits at the byte 0x0A, which never occurs inside a UTF-8 sequence, and at nothing else: `node:readline` also splits
 * at U+2028 and U+2029, which JSON strings may hold as they are. Leaves out what a line means.
 */

/** A line grew beyond the limit. Whoever reads cannot go on: where the next line begins is unknown. */
export class LineTooLongError extends RangeError {
  override readonly name = "LineTooLongError";
}

export interface LineSplitter {
  /** Calls `onLine` for every line that the chunk completes. Throws LineTooLongError. */
  push(chunk: Buffer): void;
  /** Bytes of the line that is not complete yet. Above 0 at the end of the input: it was cut off. */
  pendingBytes(): number;
}

export function lineSplitter(maxLineBytes: number, onLine: (line: string) => void): LineSplitter {
  let parts: Buffer[] = [];
  let bytes = 0;

  const keep = (part: Buffer): void => {
    bytes += part.length;
    if (bytes > maxLineBytes) throw new LineTooLongError(`a line is longer than ${maxLineBytes} bytes`);
    parts.push(part);
  };

  return {
    push(chunk) {
      let from = 0; // Only new bytes are ever looked at: a line of 20 MB arrives in hundreds of chunks.
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
        if (bytes === 0 && at - from <= maxLineBytes) {
          onLine(chunk.toString("utf8", from, at)); // The common case, without a copy.
        } else {
          keep(chunk.subarray(from, at));
          const line = Buffer.concat(parts, bytes).toString("utf8");
          [parts, bytes] = [[], 0];
          onLine(line);
        }
        from = at + 1;
      }
      if (from < chunk.length) keep(chunk.subarray(from));
    },
    pendingBytes: () => bytes,
  };
}
