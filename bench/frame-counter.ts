/**
 * Counts the messages of a gRPC or Connect stream by the lengths in their frames, without looking into them.
 */

/** A flag and the length of what follows. */
export const frameHeadBytes = 5;
/** Marks the last frame of a Connect stream, which holds JSON. */
const endFlag = 0x02;

/** Counts the messages of a stream, however they are cut into chunks. */
export class FrameCounter {
  #head = Buffer.alloc(frameHeadBytes);
  #headBytes = 0;
  #bodyBytesLeft = 0;
  #isEnd = false;
  #end: string | undefined;

  count(chunk: Buffer): number {
    let messages = 0;
    let at = 0;
    while (at < chunk.length) {
      if (this.#bodyBytesLeft > 0) {
        const taken = Math.min(this.#bodyBytesLeft, chunk.length - at);
        if (this.#isEnd) this.#end = (this.#end ?? "") + chunk.toString("utf8", at, at + taken);
        this.#bodyBytesLeft -= taken;
        at += taken;
        continue;
      }
      const taken = chunk.copy(this.#head, this.#headBytes, at, at + frameHeadBytes - this.#headBytes);
      this.#headBytes += taken;
      at += taken;
      if (this.#headBytes < frameHeadBytes) break;
      this.#headBytes = 0;
      this.#bodyBytesLeft = this.#head.readUInt32BE(1);
      this.#isEnd = (this.#head[0]! & endFlag) !== 0;
      if (!this.#isEnd) messages += 1;
    }
    return messages;
  }

  /** What the end of a Connect stream says went wrong. */
  connectError(): string | undefined {
    if (this.#end === undefined) return "no end of stream";
    const { error } = JSON.parse(this.#end) as { readonly error?: object };
    return error === undefined ? undefined : JSON.stringify(error);
  }
}
