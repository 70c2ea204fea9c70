/**
 * The conversation of `chat`: what was said so far, in memory or in a file that goes on from call to call.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { z } from "zod";
import { Role } from "../../gen/claude/runner/v1/runner_pb.ts";
import { UsageError } from "./command.ts";

export interface Said {
  readonly role: "user" | "assistant";
  readonly text: string;
}

/** What the server takes; a longer conversation loses its beginning. */
const maxMessages = 400;
const maxBytes = 4 * 1024 * 1024;

const fileSchema = z.array(z.strictObject({ role: z.enum(["user", "assistant"]), text: z.string() }));

export class Conversation {
  readonly #file: string | undefined;
  #said: readonly Said[];

  /** Goes on with the conversation in `file`, if there is one; a missing file is an empty conversation. */
  constructor(file?: string) {
    this.#file = file;
    this.#said = file === undefined ? [] : readConversation(file);
  }

  get said(): readonly Said[] {
    return this.#said;
  }

  /** As a request wants it. */
  get messages(): { role: Role; text: string }[] {
    return this.#said.map(({ role, text }) => ({ role: role === "user" ? Role.USER : Role.ASSISTANT, text }));
  }

  /** Adds a turn that was answered, and keeps it in the file. A turn without text cannot be continued: false. */
  add(prompt: string, answer: string): boolean {
    if (answer.trim() === "") return false;
    const longer: Said[] = [...this.#said, { role: "user", text: prompt }, { role: "assistant", text: answer }];
    this.#said = withinLimits(longer);
    if (this.#file !== undefined) {
      // Nobody finds half a conversation, and nobody else reads it.
      const draft = `${this.#file}.${process.pid}.tmp`;
      writeFileSync(draft, `${JSON.stringify(this.#said, undefined, 2)}\n`, { mode: 0o600 });
      renameSync(draft, this.#file);
    }
    return true;
  }
}

function readConversation(file: string): readonly Said[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return [];
    throw new UsageError(`--history: cannot read ${file} (${code})`);
  }
  const rule = `--history: ${file} must be a JSON list of {"role": "user" | "assistant", "text": "…"}`;
  try {
    return fileSchema.parse(JSON.parse(text));
  } catch {
    // Which of the two failed does not help; the rule does.
    throw new UsageError(rule);
  }
}

function withinLimits(said: readonly Said[]): readonly Said[] {
  let kept = said.slice(-maxMessages);
  const bytesOf = (all: readonly Said[]) => all.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
  while (kept.length > 2 && bytesOf(kept) > maxBytes) kept = kept.slice(2);
  return kept;
}
