/**
 * What comes in on stdin: bytes to lines, lines to messages, and the end that the real CLI comes to at a line that it
 * cannot take. Leaves out what the messages mean.
 */
import { writeSync } from "node:fs";
import { isObject, type JsonObject } from "./controls.ts";

export function readLines(onLine: (line: string) => void, onEnd: () => void): void {
  let chunks: Buffer[] = [];
  process.stdin.on("data", (chunk: Buffer) => {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      chunks.push(chunk.subarray(start, end));
      onLine(Buffer.concat(chunks).toString("utf8"));
      chunks = [];
      start = end + 1;
    }
    if (start < chunk.length) chunks.push(chunk.subarray(start));
  });
  process.stdin.on("end", () => {
    if (chunks.length > 0) onLine(Buffer.concat(chunks).toString("utf8"));
    onEnd();
  });
}

/** A line as a message. What the real CLI does not survive ends this process too. */
export function parseLine(line: string): JsonObject {
  let message: unknown;
  try {
    message = JSON.parse(line);
  } catch (error) {
    die(`Error parsing streaming input line (type=unknown, ${line.length} chars): ${error}`);
  }
  if (message === null) die("Error parsing streaming input line (type=unknown, 4 chars): TypeError: null is no object");
  return isObject(message) ? message : {};
}

/** How the real CLI ends at a line that it cannot take: one line on stderr, nothing on stdout. */
export function die(message: string): never {
  writeSync(2, `${message}\n`);
  process.exit(1);
}

/** The text of a content, or that of its last text block. */
export function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  const texts = content.flatMap((block: unknown) =>
    isObject(block) && block.type === "text" && typeof block.text === "string" ? [block.text] : [],
  );
  return texts.at(-1) ?? "";
}
