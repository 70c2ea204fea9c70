/**
 * How Claude came to know the conversation that a turn goes on with: a closed set, counted, on the span, in the log and in
 * `started`. Pure.
 *
 * - new: there was nothing before the turn
 * - kept: its worker still had it
 * - seeded: its blocks were handed over, without model calls
 * - resumed: a new process read Claude Code's transcript of it
 */
import { earlierMessageCount, type Turn } from "../turn.ts";

export const conversationSources = ["new", "kept", "seeded", "resumed"] as const;
export type ConversationSource = (typeof conversationSources)[number];

/** What a claim says of its worker, as far as it matters here. */
export interface ClaimedWorker {
  readonly holds: { readonly kind: "nothing" | "binding" | "conversation" };
  /** Turns that it has finished before. */
  readonly turnCount: number;
}

export function conversationSource(
  turn: Pick<Turn, "earlier" | "history" | "sessionLaunch">,
  { holds, turnCount }: ClaimedWorker,
): ConversationSource {
  if (turn.sessionLaunch !== undefined && turnCount === 0) return turn.sessionLaunch.resume ? "resumed" : "new";
  if (holds.kind === "conversation") return "kept";
  return earlierMessageCount(turn) > 0 ? "seeded" : "new";
}
