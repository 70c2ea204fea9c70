/**
 * What a profile says of its conversations.
 */
import type { ContextLimits } from "../conversations/token-guard.ts";

export interface ToolSessionRules {
  /** What becomes of a turn that did not complete: it stays as Claude Code closes it, or the conversation goes back. */
  readonly onIncomplete: "keep" | "drop";
  /** What becomes of a conversation that gets too long: it is refused, or Claude Code sums it up. */
  readonly onContextFull: "refuse" | "compact";
}

export interface SessionRules {
  /** How long the conversations of a profile may get. */
  readonly contextLimits: (profile: string) => ContextLimits;
  /** What a profile's conversations depend on (`conversations/profile-digest.ts`). */
  readonly profileDigest: (profile: string) => string;
  /** The system prompt of a profile's turn for which its caller, or its session, asks this. */
  readonly systemPrompt: (profile: string, asked: string | undefined) => string;
  /** How the tool conversations of a profile go on. */
  readonly toolSessions: (profile: string) => ToolSessionRules;
}
