/**
 * The text of a turn: its text deltas in the order in which they came, without those that were retracted.
 */
import type { Retracted, TextDelta } from "./gen/claude/runner/v1/event_pb.ts";

interface Piece {
  readonly messageIndex: number;
  readonly blockIndex: number;
  text: string;
}

export class TextCollector {
  #pieces: Piece[] = [];

  add({ text, messageIndex, blockIndex }: TextDelta): void {
    const last = this.#pieces.at(-1);
    if (last?.messageIndex === messageIndex && last.blockIndex === blockIndex) last.text += text;
    else this.#pieces.push({ messageIndex, blockIndex, text });
  }

  /** Makes the message's deltas void from a block on. What comes after it for the same place is new. */
  retract({ messageIndex, fromBlockIndex }: Retracted): void {
    this.#pieces = this.#pieces.filter(
      (piece) => piece.messageIndex !== messageIndex || piece.blockIndex < fromBlockIndex,
    );
  }

  get text(): string {
    return this.#pieces.map(({ text }) => text).join("");
  }
}
