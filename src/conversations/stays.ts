/**
 * Whether a turn becomes part of its session's text conversation. Pure.
 *
 * The one answer for both who write it down and who keep it in a worker: what is kept and what is seeded must be the same.
 */
import type { TurnEnd } from "../turn-end.ts";

/** Only a turn that completed, and that said something: Claude Code drops an answer without words. */
export function staysInConversation({ outcome, text }: Pick<TurnEnd, "outcome" | "text">): boolean {
  return outcome === "completed" && text !== "";
}
