/**
 * The lines on stdin that carry a conversation. The only place where a caller's text becomes something that the CLI reads.
 *
 * `client_composed` on every line makes the text literal: without it `/x` runs commands and `@file` reads files.
 */
import type { ContentBlock } from "../turn.ts";

/** A prompt. `uuid` has to be new for each line: a repeated one is ignored and its turn never ends. */
export function promptLine(uuid: string, content: readonly ContentBlock[]): string {
  const [first] = content;
  const isPlain = content.length === 1 && first?.kind === "text";
  return userLine(uuid, isPlain ? first.text : content.map(toApiBlock));
}

/** A question of the history: stored, not asked. */
export function seededQuestionLine(uuid: string, text: string): string {
  return userLine(uuid, text, { shouldQuery: false });
}

/** An answer of the history. */
export function seededAnswerLine(uuid: string, text: string): string {
  return JSON.stringify({
    type: "assistant",
    message: { role: "assistant", content: [{ type: "text", text }] },
    parent_tool_use_id: null,
    session_id: "",
    uuid,
  });
}

/** The service's own command to forget the conversation: the one line that is meant as a command. */
export function clearLine(uuid: string): string {
  return JSON.stringify({
    type: "user",
    message: { role: "user", content: "/clear" },
    parent_tool_use_id: null,
    session_id: "",
    uuid,
  });
}

function userLine(uuid: string, content: unknown, more: object = {}): string {
  return JSON.stringify({
    type: "user",
    message: { role: "user", content },
    parent_tool_use_id: null,
    session_id: "",
    uuid,
    client_composed: true,
    ...more,
  });
}

function toApiBlock(block: ContentBlock): object {
  switch (block.kind) {
    case "text":
      return { type: "text", text: block.text };
    case "image":
      return {
        type: "image",
        source: { type: "base64", media_type: block.mediaType, data: base64(block.data) },
      };
    case "pdf":
      return {
        type: "document",
        source: { type: "base64", media_type: "application/pdf", data: base64(block.data) },
        ...(block.title !== undefined && { title: block.title }),
      };
    case "textDocument":
      return {
        type: "document",
        source: { type: "text", media_type: "text/plain", data: block.text },
        ...(block.title !== undefined && { title: block.title }),
      };
    default:
      return block satisfies never;
  }
}

function base64(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64");
}
