/**
 * A stream as text: server-sent events, or a JSON value in each line. Pure functions from a message in JSON to its lines.
 *
 * JSON as it is written here is one line to every reader, so that no text of a model or a caller can begin a line, and
 * with it an event, by itself.
 */
import type { TextForm } from "./accept.ts";
import type { Label } from "./text-stream-methods.ts";

export interface TextLines {
  readonly contentType: string;
  readonly message: (label: Label, json: Buffer) => Buffer;
  /** What the stream failed with, the last of it. */
  readonly failure: (error: object) => Buffer;
}

const blankLine = Buffer.from("\n\n");
const lineEnd = Buffer.from("\n");
/** A comment, which readers skip: it says only that the connection is alive. */
const heartbeat = Buffer.from(": heartbeat\n\n");

export const textLines: Readonly<Record<TextForm, TextLines>> = {
  sse: {
    contentType: "text/event-stream",
    message(label, json) {
      if (label.kind === "heartbeat") return heartbeat;
      const id = label.id === undefined ? "" : `id: ${label.id}\n`;
      return Buffer.concat([Buffer.from(`event: ${label.name}\n${id}data: `), inOneLine(json), blankLine]);
    },
    failure: (error) => Buffer.concat([Buffer.from("event: error\ndata: "), oneLineOf(error), blankLine]),
  },
  ndjson: {
    contentType: "application/x-ndjson",
    message: (_, json) => Buffer.concat([inOneLine(json), lineEnd]),
    failure: (error) => Buffer.concat([oneLineOf({ error }), lineEnd]),
  },
};

const oneLineOf = (value: object): Buffer => inOneLine(Buffer.from(JSON.stringify(value)));

/**
 * What ends a line for some readers (Python's `splitlines`, `$` and `.` in JavaScript) and is not escaped in JSON: NEXT
 * LINE, LINE SEPARATOR, PARAGRAPH SEPARATOR. None stands outside of a string there.
 */
const lineBreaks = /[\u0085\u2028\u2029]/g;
const lineBreakBytes = ["\u0085", "\u2028", "\u2029"].map((letter) => Buffer.from(letter));

function inOneLine(json: Buffer): Buffer {
  if (!lineBreakBytes.some((bytes) => json.includes(bytes))) return json;
  const escaped = (letter: string) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return Buffer.from(json.toString().replace(lineBreaks, escaped));
}
