/** A history in words: what the user said, and what was answered, a block for each text. */
import type { HistoryMessage } from "../src/turn.ts";

export function said(text: string): HistoryMessage {
  return { role: "user", content: [{ kind: "text", text }] };
}

export function answered(...texts: readonly string[]): HistoryMessage {
  return { role: "assistant", texts };
}
