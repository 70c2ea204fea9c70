/**
 * The fake's stdout: lines in, bytes out, at the pace of the reader. Can be told to write badly: in tiny pieces, with
 * other line ends, half a line.
 */
import { once } from "node:events";

export class Output {
  readonly #stream = process.stdout;
  #lineEnd = "\n";
  #chunkBytes: number | undefined;
  #isClosed = false;
  /** Everything that is written in pieces, in order. */
  #pieces: Promise<void> = Promise.resolve();

  constructor() {
    // The reader is gone. The real CLI does not end for it, so neither does this.
    this.#stream.on("error", () => undefined);
  }

  useCrlf(): void {
    this.#lineEnd = "\r\n";
  }

  usePieces(bytes: number): void {
    this.#chunkBytes = bytes;
  }

  /** A message as a line. */
  say(message: object): void {
    this.write(`${JSON.stringify(message)}${this.#lineEnd}`);
  }

  /** From here on nothing more is written, whatever is said. */
  close(): void {
    this.#isClosed = true;
  }

  /** Anything. */
  write(text: string): void {
    if (this.#isClosed) return;
    if (this.#chunkBytes === undefined) {
      this.#stream.write(text);
      return;
    }
    const bytes = Buffer.from(text);
    const size = this.#chunkBytes;
    this.#pieces = this.#pieces.then(async () => {
      for (let at = 0; at < bytes.length; at += size) {
        await new Promise((resolve) => this.#stream.write(bytes.subarray(at, at + size), resolve));
      }
    });
  }

  /** Many lines that are already encoded, each with its `\n`. Resolves when more may follow. */
  async writeBulk(lines: string): Promise<void> {
    if (this.#chunkBytes !== undefined || this.#lineEnd !== "\n") {
      this.write(lines.replaceAll("\n", this.#lineEnd));
      await this.#pieces;
    } else if (!this.#isClosed && !this.#stream.write(lines)) {
      await once(this.#stream, "drain");
    }
  }

  /** Resolves when everything is with the reader, or never will be. */
  async flushed(): Promise<void> {
    await this.#pieces;
    if (this.#stream.destroyed) return;
    await new Promise<void>((resolve) => this.#stream.write("", () => resolve()));
  }
}
