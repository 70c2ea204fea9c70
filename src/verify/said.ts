/**
 * A history in words: what the user said, and what was answered.
 */
import type { HistoryMessage } from "../turn.ts";

export function said(text: string): HistoryMessage {
  return { role: "user", content: [{ kind: "text", text }] };
}

/** A block for each text. */
export function answered(...texts: readonly string[]): HistoryMessage {
  return { role: "assistant", texts };
}
