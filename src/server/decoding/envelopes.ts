/**
 * Messages out of a stream of bytes, as gRPC, gRPC-Web and Connect's streams frame them: a byte of flags, four of length,
 * the message.
 *
 * Holds one buffer for the message that is arriving, which grows with what has come: neither a length that promises much
 * nor a message in pieces of one byte takes more memory than its bytes. Refuses a length beyond the bound at once.
 */
import { RunnerError } from "../../runner-error.ts";

/** The flag of a message that is packed. */
export const packedFlag = 1;

/** The bytes in front of a message. */
export const headBytes = 5;
const firstBufferBytes = 4 * 1024;

export interface Envelope {
  readonly flags: number;
  /** The five bytes and the message. */
  readonly frame: Buffer;
  readonly data: Buffer;
}

export class EnvelopeReader {
  readonly #maxBytes: number;
  readonly #head = Buffer.alloc(headBytes);
  #headHeld = 0;
  #body: GrowingBuffer | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether the stream stands in the middle of a message. */
  get isPartial(): boolean {
    return this.#headHeld > 0;
  }

  /** The messages that these bytes complete. Throws REQUEST_TOO_LARGE. */
  write(chunk: Uint8Array): Envelope[] {
    const complete: Envelope[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (this.#body === undefined) {
        const taken = Math.min(headBytes - this.#headHeld, chunk.length - at);
        this.#head.set(chunk.subarray(at, at + taken), this.#headHeld);
        this.#headHeld += taken;
        at += taken;
        if (this.#headHeld < headBytes) break;
        const sizeBytes = this.#head.readUInt32BE(1);
        if (sizeBytes > this.#maxBytes) throw requestTooLarge(this.#maxBytes);
        this.#body = new GrowingBuffer(headBytes + sizeBytes);
        this.#body.append(this.#head);
      }
      const piece = chunk.subarray(at, at + this.#body.missingBytes);
      this.#body.append(piece);
      at += piece.length;
      if (this.#body.missingBytes > 0) break;
      const frame = this.#body.taken();
      complete.push({ flags: frame[0]!, frame, data: frame.subarray(headBytes) });
      this.#body = undefined;
      this.#headHeld = 0;
    }
    return complete;
  }
}

/** A message in its envelope. */
export function enveloped(flags: number, data: Uint8Array): Buffer {
  const frame = Buffer.alloc(headBytes + data.length);
  frame[0] = flags;
  frame.writeUInt32BE(data.length, 1);
  frame.set(data, headBytes);
  return frame;
}

/** Bytes that arrive in pieces, up to a limit that is known: at most twice as large as what has come. */
export class GrowingBuffer {
  readonly #limitBytes: number;
  #buffer: Buffer;
  #length = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
    this.#buffer = Buffer.allocUnsafeSlow(Math.min(limitBytes, firstBufferBytes));
  }

  get missingBytes(): number {
    return this.#limitBytes - this.#length;
  }

  /** Adds bytes; no more than are missing. */
  append(piece: Uint8Array): void {
    const needed = this.#length + piece.length;
    if (needed > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(this.#limitBytes, Math.max(needed, 2 * this.#buffer.length)));
      this.#buffer.copy(grown, 0, 0, this.#length);
      this.#buffer = grown;
    }
    this.#buffer.set(piece, this.#length);
    this.#length = needed;
  }

  /** What has been added. */
  taken(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }
}

export const requestTooLarge = (limitBytes: number): RunnerError =>
  new RunnerError("REQUEST_TOO_LARGE", `the request is larger than ${limitBytes} bytes`, { facts: { limitBytes } });
