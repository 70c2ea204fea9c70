/**
 * The answer of a turn as Claude Code has it in its conversation: its texts, block for block, and what is beside them.
 *
 * Taken from the `assistant` lines, which are what it holds: they leave out blank texts, and what a gateway put where it
 * does not read. Leaves out retracted blocks. What a caller reads is `answer-text.ts`.
 */
import type { AnswerBeside } from "../../turn-end.ts";
import type { JsonObject } from "../protocol/json-members.ts";
import { textAt } from "../protocol/json-members.ts";

interface Held {
  readonly messageIndex: number;
  readonly text: string | undefined;
  readonly beside: AnswerBeside;
  /** A block may be retracted long after its line came. */
  readonly isVoid: () => boolean;
}

export class HeldAnswer {
  readonly #blocks: Held[] = [];
  #hasOwnWords = false;

  /** A block of the model's came whole. */
  add(messageIndex: number, content: JsonObject, isVoid: () => boolean): void {
    const text = content.type === "text" ? textAt(content, "text") : undefined;
    this.#blocks.push({ messageIndex, text, beside: besideOf(content), isVoid });
  }

  /** Claude Code has put words of its own into the conversation, such as a request to go on. */
  addOwnWords(): void {
    this.#hasOwnWords = true;
  }

  get texts(): readonly string[] {
    return this.#held().flatMap(({ text }) => text ?? []);
  }

  get beside(): AnswerBeside {
    const held = this.#held();
    const messageCount = new Set(held.map(({ messageIndex }) => messageIndex)).size;
    if (this.#hasOwnWords || messageCount > 1 || held.some(({ beside }) => beside === "more")) return "more";
    return held.some(({ beside }) => beside === "thinking") ? "thinking" : "nothing";
  }

  #held(): readonly Held[] {
    return this.#blocks.filter(({ isVoid }) => !isVoid());
  }
}

/** Citations are held as an empty list, which no seeded text has. */
function besideOf(content: JsonObject): AnswerBeside {
  switch (content.type) {
    case "text":
      return Array.isArray(content.citations) ? "more" : "nothing";
    case "thinking":
    case "redacted_thinking":
      return "thinking";
    default:
      return "more";
  }
}
