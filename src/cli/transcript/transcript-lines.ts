/**
 * What a transcript has to be before a process is started with it, and where one is cut. Pure.
 *
 * Claude Code takes whatever it finds: it goes on from half a line as if that had never been said, and writes into another
 * file when the lines name another session. So both are looked for here, line by line, and never left to it.
 */
import { createHash } from "node:crypto";
import { RunnerError } from "../../runner-error.ts";
import type { ResumedConversation } from "../../session-launch.ts";
import { isObject, type JsonObject } from "../protocol/json-members.ts";

const lineEnd = 0x0a;

/** The session cannot go on. `why` goes on from "its transcript". */
export function suspended(why: string, facts: Readonly<Record<string, number>> = {}): RunnerError {
  return new RunnerError("SESSION_SUSPENDED", `the session cannot continue: its transcript ${why}`, { facts });
}

export function tooLarge(maxBytes: number): RunnerError {
  return suspended(`is larger than ${maxBytes} bytes`, { maxBytes });
}

export interface TranscriptRules extends Pick<ResumedConversation, "origin" | "seal"> {
  readonly cliSessionId: string;
  readonly maxBytes: number;
}

/** Looks at a transcript piece by piece. Throws SESSION_SUSPENDED at the first thing that is wrong. */
export class TranscriptCheck {
  readonly #rules: TranscriptRules;
  readonly #hash = createHash("sha256");
  /** The beginning of a line whose end has not come yet. */
  #rest: Uint8Array[] = [];
  #sizeBytes = 0;
  #lineCount = 0;
  #hasOwnLine = false;

  constructor(rules: TranscriptRules) {
    this.#rules = rules;
  }

  take(piece: Uint8Array): void {
    this.#sizeBytes += piece.length;
    if (this.#sizeBytes > this.#rules.maxBytes) throw tooLarge(this.#rules.maxBytes);
    this.#hash.update(piece);
    let from = 0;
    for (let end = piece.indexOf(lineEnd); end >= 0; end = piece.indexOf(lineEnd, from)) {
      this.#line(Buffer.concat([...this.#rest, piece.subarray(from, end)]));
      this.#rest = [];
      from = end + 1;
    }
    // A copy: what a piece is made of may be used again for the next.
    if (from < piece.length) this.#rest.push(piece.slice(from));
  }

  finish(): void {
    if (this.#sizeBytes === 0) throw suspended("is missing");
    if (this.#rest.length > 0) throw suspended("ends within a line");
    const { seal } = this.#rules;
    if (seal === undefined) return;
    if (this.#sizeBytes !== seal.sizeBytes) {
      const facts = { sizeBytes: this.#sizeBytes, expectedBytes: seal.sizeBytes };
      throw suspended(`has ${facts.sizeBytes} bytes instead of ${facts.expectedBytes}`, facts);
    }
    if (this.#hash.digest("hex") !== seal.digest) throw suspended("is not the one that was written down");
  }

  #line(bytes: Buffer): void {
    this.#lineCount += 1;
    const entry = parseLine(bytes);
    if (entry === undefined) throw suspended(`is damaged in line ${this.#lineCount}`, { line: this.#lineCount });
    const { sessionId } = entry;
    if (sessionId === undefined) return;
    if (sessionId === this.#rules.cliSessionId) this.#hasOwnLine = true;
    else if (this.#rules.origin === "own" || this.#hasOwnLine) {
      throw suspended(`is another session's from line ${this.#lineCount} on`, { line: this.#lineCount });
    }
  }
}

/**
 * The length of a transcript without a prompt and all that came after it: the whole lines before its entry. `undefined`
 * when the prompt is not in it.
 */
export function cutTranscript(bytes: Uint8Array, promptUuid: string): number | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const member = Buffer.from(`"uuid":${JSON.stringify(promptUuid)}`);
  for (let at = buffer.indexOf(member); at >= 0; at = buffer.indexOf(member, at + 1)) {
    const start = buffer.lastIndexOf(lineEnd, at) + 1;
    const end = buffer.indexOf(lineEnd, at);
    const entry = parseLine(buffer.subarray(start, end < 0 ? buffer.length : end));
    // The same characters may stand within another entry, such as what a tool read of a transcript.
    if (entry?.type === "user" && entry.uuid === promptUuid) return start;
  }
  return undefined;
}

/** The length of what ends with a line's end. */
export function wholeLinesLength(bytes: Uint8Array): number {
  return bytes.lastIndexOf(lineEnd) + 1;
}

function parseLine(bytes: Buffer): JsonObject | undefined {
  try {
    const found: unknown = JSON.parse(bytes.toString("utf8"));
    return isObject(found) ? (found as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}
