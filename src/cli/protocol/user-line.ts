/**
 * The lines on stdin that carry a conversation. The only place where a caller's text becomes something that the CLI reads.
 *
 * `client_composed` on every line makes the text literal: without it `/x` runs commands and `@file` reads files.
 */
import type { ContentBlock } from "../../turn.ts";
import { base64Pieces, isLong, joined, type Line, split, textPieces } from "../process/line-pieces.ts";

/** A prompt. `uuid` has to be new for each line: a repeated one is ignored and its turn never ends. */
export function promptLine(uuid: string, content: readonly ContentBlock[]): Line {
  return contentLine(content, (body) => userLine(uuid, body));
}

/** A line with these blocks. `lineOf` makes the line around a content, which is a string or a list. */
function contentLine(content: readonly ContentBlock[], lineOf: (content: unknown) => string): Line {
  const [first] = content;
  if (content.length === 1 && first?.kind === "text") return withText(first.text, '"content":"', lineOf);
  return joined(contentPieces(content, lineOf));
}

/** The blocks stand where `JSON.stringify` would put them; only they are long. */
function* contentPieces(
  content: readonly ContentBlock[],
  lineOf: (content: unknown) => string,
): Generator<string, void> {
  const [head, tail] = split(lineOf([]), '"content":[');
  yield head;
  for (const [at, block] of content.entries()) {
    if (at > 0) yield ",";
    yield* blockPieces(block);
  }
  yield tail;
}

function* blockPieces(block: ContentBlock): Generator<string, void> {
  switch (block.kind) {
    case "text":
      yield* around(JSON.stringify(toApiBlock({ ...block, text: "" })), '"text":"', textPieces(block.text));
      return;
    case "textDocument":
      yield* around(JSON.stringify(toApiBlock({ ...block, text: "" })), '"data":"', textPieces(block.text));
      return;
    case "image":
    case "pdf":
      yield* around(JSON.stringify(toApiBlock(block)), '"data":"', base64Pieces(block.data));
      return;
    default:
      block satisfies never;
  }
}

/** A line with a text behind a mark: whole when it is short. */
function withText(text: string, mark: string, lineOf: (text: string) => string): Line {
  return isLong(text) ? joined(around(lineOf(""), mark, textPieces(text))) : lineOf(text);
}

function* around(json: string, mark: string, pieces: Iterable<string>): Generator<string, void> {
  const [head, tail] = split(json, mark);
  yield head;
  yield* pieces;
  yield tail;
}

/** A question of the history, in the words and blocks in which it was asked: stored, not asked. */
export function seededQuestionLine(uuid: string, content: readonly ContentBlock[]): Line {
  return contentLine(content, (body) => userLine(uuid, body, { shouldQuery: false }));
}

/** An answer of the history, a block for each text. */
export function seededAnswerLine(uuid: string, texts: readonly string[]): Line {
  const lineOf = (content: unknown) =>
    JSON.stringify({
      type: "assistant",
      message: { role: "assistant", content },
      parent_tool_use_id: null,
      session_id: "",
      uuid,
    });
  const blocks = texts.map((text) => ({ kind: "text", text }) as const);
  return texts.some(isLong) ? joined(contentPieces(blocks, lineOf)) : lineOf(blocks.map(toApiBlock));
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

/** A block as the API takes it; the data of pictures and PDFs is put in by `blockPieces`. */
function toApiBlock(block: ContentBlock): object {
  switch (block.kind) {
    case "text":
      return { type: "text", text: block.text };
    case "image":
      return {
        type: "image",
        source: { type: "base64", media_type: block.mediaType, data: "" },
      };
    case "pdf":
      return {
        type: "document",
        source: { type: "base64", media_type: "application/pdf", data: "" },
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
