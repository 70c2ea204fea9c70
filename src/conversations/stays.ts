/**
 * Whether a turn becomes part of its session's text conversation. Pure.
 *
 * The one answer for both who write it down and who keep it in a worker: what is kept and what is seeded must be the same.
 */
import type { TurnEnd } from "../turn-end.ts";

export type TurnAnswer = Pick<TurnEnd, "outcome" | "answerBlocks" | "answerBeside">;

/** Only a turn that completed, and that said something: Claude Code drops an answer without words. */
export function staysInConversation({ outcome, answerBlocks }: Omit<TurnAnswer, "answerBeside">): boolean {
  return outcome === "completed" && answerBlocks.length > 0;
}

/**
 * Whether a worker may keep it: with thinking at most beside its words. Whatever else Claude Code has put there, no history
 * hands it over, and the conversation would depend on who goes on with it.
 */
export function mayBeKept(answer: TurnAnswer): boolean {
  return staysInConversation(answer) && answer.answerBeside !== "more";
}
