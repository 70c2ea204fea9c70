/**
 * What a process writes, from bytes to messages: chunk, lines, without the credential's secrets, parsed, in order.
 *
 * Counts lines that are not JSON, and says when the output is broken: then the next line cannot be trusted, or not even
 * found. Leaves out what messages mean, and what becomes of a process whose output is broken.
 */
import { type CliMessage, parseLine } from "./cli-messages.ts";
import { type LineSplitter, LineTooLongError, lineSplitter } from "./lines.ts";
import { type CliLine, SecretTails } from "./secret-tails.ts";
import type { Secrets } from "./secrets.ts";

/** Lines that are not JSON which a process may write before it is taken for broken. */
const maxGarbageLines = 3;

export interface MessageReaderOptions {
  readonly maxLineBytes: number;
  /** Values that no message holds further on. */
  readonly secrets: Secrets;
  readonly onMessage: (message: CliMessage, line: string) => void;
  /** A line is not JSON; so many have been so far. */
  readonly onGarbage: (lineLength: number, garbageCount: number) => void;
  /** The output cannot be taken further. `error` says more than a line that is none. */
  readonly onBroken: (why: string, error?: unknown) => void;
}

export class MessageReader {
  readonly #options: MessageReaderOptions;
  readonly #splitter: LineSplitter;
  readonly #tails: SecretTails;
  #garbageCount = 0;
  #isClosed = false;

  constructor(options: MessageReaderOptions) {
    this.#options = options;
    this.#tails = new SecretTails(options.secrets);
    this.#splitter = lineSplitter(options.maxLineBytes, (line) => this.#take(line));
  }

  /** Takes the next piece of the output. Does not throw: what goes wrong, also with its receiver, breaks the output. */
  push(chunk: Buffer): void {
    try {
      this.#splitter.push(chunk);
    } catch (error) {
      this.#options.onBroken(
        error instanceof LineTooLongError ? "a line is too long" : "a line could not be read",
        error,
      );
    }
  }

  /** What comes from now on is nobody's. */
  close(): void {
    this.#isClosed = true;
  }

  /** The output is over: gives what was held back, and how many bytes of a line are cut off. */
  end(): number {
    if (!this.#isClosed) this.#pass(this.#tails.end());
    return this.#splitter.pendingBytes();
  }

  #take(line: string): void {
    if (this.#isClosed) return;
    const { secrets, onMessage } = this.#options;
    const clean = secrets.line(line);
    const message = parseLine(clean);
    if (message === undefined) {
      this.#takeGarbage(clean);
      return;
    }
    const instead = this.#tails.pass(message, clean);
    if (instead === undefined) onMessage(message, clean);
    else this.#pass(instead);
  }

  #pass(lines: readonly CliLine[]): void {
    for (const { message, line } of lines) this.#options.onMessage(message, line);
  }

  #takeGarbage(line: string): void {
    if (line.trim() === "") return;
    this.#garbageCount += 1;
    this.#options.onGarbage(line.length, this.#garbageCount);
    if (this.#garbageCount > maxGarbageLines) this.#options.onBroken("it writes lines that are not JSON");
  }
}
