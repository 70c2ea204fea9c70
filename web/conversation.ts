/**
 * What was said so far, in the page alone: each turn takes it along, and the server keeps nothing. Knows no DOM.
 *
 * The contract bounds it; a conversation that grows beyond that loses its beginning.
 */
import { Role } from "../clients/typescript/src/gen/claude/runner/v1/runner_pb.ts";

export interface Said {
  readonly role: Role;
  readonly text: string;
}

/** What a request may carry: StreamChatRequest.history. */
export const maxHistoryMessages = 400;
export const maxHistoryBytes = 4 * 1024 * 1024;
/** StreamChatRequest.prompt. */
export const maxPromptBytes = 1024 * 1024;

interface Exchange {
  readonly prompt: string;
  readonly answer: string;
  readonly bytes: number;
}

export class Conversation {
  #exchanges: Exchange[] = [];
  #forgottenCount = 0;

  /** As a request wants it: oldest first, user and assistant in turn. */
  get history(): readonly Said[] {
    return this.#exchanges.flatMap(({ prompt, answer }) => [
      { role: Role.USER, text: prompt },
      { role: Role.ASSISTANT, text: answer },
    ]);
  }

  /** How many exchanges go along with the next turn. */
  get length(): number {
    return this.#exchanges.length;
  }

  /** How many exchanges no longer go along, since there are too many. */
  get forgottenCount(): number {
    return this.#forgottenCount;
  }

  /** Adds a turn. One without an answer cannot be gone on from: false, and nothing changes. */
  add(prompt: string, answer: string): boolean {
    if (answer.trim() === "") return false;
    const bytes = bytesOf(prompt) + bytesOf(answer);
    this.#exchanges.push({ prompt, answer, bytes });
    const isTooMuch = () =>
      this.#exchanges.length * 2 > maxHistoryMessages ||
      this.#exchanges.reduce((sum, exchange) => sum + exchange.bytes, 0) > maxHistoryBytes;
    while (isTooMuch()) {
      this.#exchanges.shift();
      this.#forgottenCount += 1;
    }
    return true;
  }

  clear(): void {
    this.#exchanges = [];
    this.#forgottenCount = 0;
  }
}

/** What is wrong with a prompt, in words; `undefined`: nothing. */
export function promptProblem(prompt: string): string | undefined {
  if (prompt.trim() === "") return "Write something first.";
  const bytes = bytesOf(prompt);
  return bytes > maxPromptBytes
    ? `The prompt has ${bytes.toLocaleString("en-US")} bytes; ${maxPromptBytes.toLocaleString("en-US")} are allowed.`
    : undefined;
}

const encoder = new TextEncoder();

/** The size of a text in bytes of UTF-8. */
function bytesOf(text: string): number {
  return encoder.encode(text).length;
}
