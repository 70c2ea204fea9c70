/**
 * What was said, as the store keeps it and as a worker is told it: exact in both directions, since a block that is joined,
 * split or changed would lead to another request to the model.
 */
import { createHash } from "node:crypto";
import type { ContentPart, ConversationTurn } from "../store/store.ts";
import type { ContentBlock, HistoryMessage } from "../turn.ts";

const textType = "text/plain";
const pdfType = "application/pdf";

/** The prompt of a turn. */
export function promptParts(content: readonly ContentBlock[]): ContentPart[] {
  return content.map((block): ContentPart => {
    const side = "prompt";
    switch (block.kind) {
      case "text":
        return { side, mediaType: textType, isDocument: false, title: "", data: Buffer.from(block.text) };
      case "textDocument":
        return { side, mediaType: textType, isDocument: true, title: block.title ?? "", data: Buffer.from(block.text) };
      case "pdf":
        return { side, mediaType: pdfType, isDocument: true, title: block.title ?? "", data: block.data };
      case "image":
        return { side, mediaType: block.mediaType, isDocument: false, title: "", data: block.data };
      default:
        return block satisfies never;
    }
  });
}

/** The answer of a turn. */
export function answerParts(texts: readonly string[]): ContentPart[] {
  return texts.map((text) => ({
    side: "answer",
    mediaType: textType,
    isDocument: false,
    title: "",
    data: Buffer.from(text),
  }));
}

/** A conversation as a worker is told it. */
export function toHistory(turns: readonly ConversationTurn[]): HistoryMessage[] {
  return turns.flatMap(({ prompt, answer }): HistoryMessage[] => [
    { role: "user", content: prompt.map(toBlock) },
    { role: "assistant", texts: answer.map(({ data }) => Buffer.from(data).toString()) },
  ]);
}

function toBlock({ mediaType, isDocument, title, data }: ContentPart): ContentBlock {
  const titled = title === "" ? {} : { title };
  if (mediaType === pdfType) return { kind: "pdf", data, ...titled };
  if (mediaType !== textType) return { kind: "image", mediaType, data };
  const text = Buffer.from(data).toString();
  return isDocument ? { kind: "textDocument", text, ...titled } : { kind: "text", text };
}

/** The name of a part: SHA-256 in lower-case hexadecimal. */
export function digestOf(data: Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}
