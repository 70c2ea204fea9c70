/**
 * What the model API said about a failure, without what it repeats of the turn: a prompt must not reach the log by way of
 * an error that quotes it.
 *
 * Pure. Looks for every stretch of a few characters that the words share with a text of the turn, in one pass over both.
 */
import type { ContentBlock, Turn } from "../../turn.ts";

/** So many characters in a row are no accident, or a loss that does not matter. */
const stretchChars = 8;
/** Longer texts are not looked through: that would hold up the event loop. Nothing of the words is logged then. */
const maxTextChars = 512 * 1024;

export const repeated = "[repeated]";
export const tooLong = "[left out: the texts of this turn are too long to look for what they repeat]";

export const unread = "[left out: the earlier texts of this session were not looked through for what they repeat]";

type Texts = Pick<Turn, "content" | "history" | "earlier" | "binding">;

/** The words, with each stretch that also stands in a text of the turn replaced. */
export function withoutOwnWords(words: string, turn: Texts): string {
  if (turn.earlier !== undefined && turn.earlier.messageCount > 0) return unread;
  const texts = textsOf(turn);
  if (texts.reduce((sum, { length }) => sum + length, 0) > maxTextChars) return tooLong;
  const lower = folded(words);
  const places = new Map<string, number[]>();
  const firsts = new Set<number>();
  for (let at = 0; at + stretchChars <= lower.length; at++) {
    const stretch = lower.slice(at, at + stretchChars);
    const known = places.get(stretch);
    if (known === undefined) places.set(stretch, [at]);
    else known.push(at);
    firsts.add(pairAt(lower, at));
  }
  const isOwn = new Uint8Array(words.length);
  for (const text of texts) {
    const from = folded(text);
    for (let at = 0; at + stretchChars <= from.length; at++) {
      if (!firsts.has(pairAt(from, at))) continue;
      for (const place of places.get(from.slice(at, at + stretchChars)) ?? []) {
        isOwn.fill(1, place, place + stretchChars);
      }
    }
  }
  let clean = "";
  for (let at = 0; at < words.length; at++) {
    if (isOwn[at] === 0) clean += words[at];
    else if (isOwn[at - 1] !== 1) clean += repeated;
  }
  return clean;
}

/** In small letters, where that leaves each character in its place. */
function folded(text: string): string {
  const lower = text.toLowerCase();
  return lower.length === text.length ? lower : text;
}

/** Two characters as a number: most places of a text are told from the words by these alone. */
function pairAt(text: string, at: number): number {
  return (text.charCodeAt(at) << 16) | text.charCodeAt(at + 1);
}

function textsOf({ content, history, binding }: Texts): readonly string[] {
  const ofHistory = history.flatMap((message) =>
    message.role === "user" ? textsOfBlocks(message.content) : message.texts,
  );
  return [...textsOfBlocks(content), ...ofHistory, binding.systemPrompt ?? "", binding.outputSchemaJson ?? ""];
}

function textsOfBlocks(content: readonly ContentBlock[]): readonly string[] {
  return content.flatMap((block) => {
    switch (block.kind) {
      case "text":
        return [block.text];
      case "textDocument":
        return [block.text, block.title ?? ""];
      case "pdf":
        return [block.title ?? ""];
      case "image":
        return [];
      default:
        return block satisfies never;
    }
  });
}
