/**
 * Whether a turn still fits into its session's conversation, before any model is asked. Pure.
 *
 * What the conversation takes up is known from the last turn's usage; what the new turn adds is estimated, rather too high
 * than too low: the next usage corrects it. Claude Code itself refuses at about 88 % of a window of 200,000 tokens, after a
 * worker was claimed and bound.
 */
import type { ContentBlock } from "../turn.ts";

/** The shares of a context window at which it is said that it fills up, and at which a turn is refused. */
export const noticeShare = 0.75;
export const fullShare = 0.85;

/** Bounds in tokens, in place of the shares. */
export interface ContextLimits {
  readonly contextNoticeTokens?: number | undefined;
  readonly contextFullTokens?: number | undefined;
}

/** What is known of a conversation from its last turn. */
export interface KnownContext {
  /** 0: unknown. */
  readonly contextTokens: number;
  /** Of the model that the new turn asks for. 0: unknown, as before its first turn. */
  readonly contextWindowTokens: number;
}

export interface ContextVerdict {
  readonly kind: "ok" | "notice" | "full";
  /** What the conversation would take up with the new turn, without its answer. */
  readonly estimatedTokens: number;
  /** From here on it is `notice`, and from here on `full`. Infinite where neither window nor setting is known. */
  readonly noticeTokens: number;
  readonly fullTokens: number;
}

export function guardContext(
  known: KnownContext,
  content: readonly ContentBlock[],
  limits: ContextLimits,
): ContextVerdict {
  const estimatedTokens = known.contextTokens + estimateTokens(content);
  const window = known.contextWindowTokens > 0 ? known.contextWindowTokens : Number.POSITIVE_INFINITY;
  const fullTokens = limits.contextFullTokens ?? Math.floor(fullShare * window);
  const noticeTokens = limits.contextNoticeTokens ?? Math.floor(noticeShare * window);
  const kind = estimatedTokens >= fullTokens ? "full" : estimatedTokens >= noticeTokens ? "notice" : "ok";
  return { kind, estimatedTokens, noticeTokens, fullTokens };
}

/** English has more than four bytes for each token, code and most other languages three or more. */
const textBytesPerToken = 3;
/** The most that a picture takes up with any model: larger ones are made smaller. */
const pictureTokens = 5_000;
/** A page is read as its text and as a picture: one at least, and for each so many bytes of the file as much again. */
const pdfTokens = 5_000;
const pdfBytesPerPage = 50_000;

export function estimateTokens(content: readonly ContentBlock[]): number {
  return content.reduce((sum, block) => sum + tokensOf(block), 0);
}

function tokensOf(block: ContentBlock): number {
  switch (block.kind) {
    case "text":
      return textTokens(block.text);
    case "textDocument":
      return textTokens(block.text) + textTokens(block.title ?? "");
    case "image":
      return pictureTokens;
    case "pdf":
      return (
        pdfTokens * Math.max(1, Math.ceil(block.data.byteLength / pdfBytesPerPage)) + textTokens(block.title ?? "")
      );
    default:
      return block satisfies never;
  }
}

function textTokens(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / textBytesPerToken);
}
