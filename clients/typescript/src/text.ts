/**
 * The text of a turn: its text deltas in the order in which they came, without those that were retracted. What sub-agents
 * say is no part of it.
 */
import type { Retracted, TextDelta } from "./gen/claude/runner/v1/event_pb.ts";
import type { StreamChatResponse } from "./gen/claude/runner/v1/runner_pb.ts";

/** The piece of the answer that an event is; `undefined` for every other event. */
export function pieceOf({ event, parentToolUseId }: StreamChatResponse): string | undefined {
  return event.case === "textDelta" && parentToolUseId === "" ? event.value.text : undefined;
}

interface Piece {
  readonly messageIndex: number;
  readonly blockIndex: number;
  text: string;
}

export class TextCollector {
  #pieces: Piece[] = [];

  /** Takes any event. */
  note({ event, parentToolUseId }: StreamChatResponse): void {
    if (parentToolUseId !== "") return;
    if (event.case === "textDelta") this.#add(event.value);
    else if (event.case === "retracted") this.#retract(event.value);
  }

  get text(): string {
    return this.#pieces.map(({ text }) => text).join("");
  }

  #add({ text, messageIndex, blockIndex }: TextDelta): void {
    const last = this.#pieces.at(-1);
    if (last?.messageIndex === messageIndex && last.blockIndex === blockIndex) last.text += text;
    else this.#pieces.push({ messageIndex, blockIndex, text });
  }

  /** Makes the message's deltas void from a block on. What comes after it for the same place is new. */
  #retract({ messageIndex, fromBlockIndex }: Retracted): void {
    this.#pieces = this.#pieces.filter(
      (piece) => piece.messageIndex !== messageIndex || piece.blockIndex < fromBlockIndex,
    );
  }
}
