/**
 * The answer of a turn: the text that was passed on and not retracted since the last tool result, or since the turn
 * began.
 *
 * So what a caller has who joins the deltas is the answer, whatever the CLI itself takes for its result: that is the last
 * block of the last message, where an answer may have several blocks, thinking behind it, and messages that the CLI asked
 * for to go on.
 */
interface Piece {
  readonly messageIndex: number;
  readonly blockIndex: number;
  text: string;
}

export class AnswerText {
  /** In the order in which they were passed on. */
  #pieces: Piece[] = [];

  get text(): string {
    return this.#pieces.map(({ text }) => text).join("");
  }

  /** A delta was passed on. */
  add(messageIndex: number, blockIndex: number, text: string): void {
    const last = this.#pieces.at(-1);
    if (last?.messageIndex === messageIndex && last.blockIndex === blockIndex) last.text += text;
    else this.#pieces.push({ messageIndex, blockIndex, text });
  }

  retract(messageIndex: number, fromBlockIndex: number): void {
    this.#pieces = this.#pieces.filter(
      (piece) => piece.messageIndex !== messageIndex || piece.blockIndex < fromBlockIndex,
    );
  }

  /** A tool has answered: what was said until then was no answer. */
  toolAnswered(): void {
    this.#pieces = [];
  }
}
