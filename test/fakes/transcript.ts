/**
 * The fake's transcript, as far as the driver reads it: prompts and answers under HOME, in the session's own file, each line
 * naming the session. Tool uses are not in it. A resumed session goes on in the file that has its name.
 */
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface TranscriptEntry {
  readonly type: "user" | "assistant";
  readonly uuid: string;
  readonly text: string;
}

export class Transcript {
  readonly #path: string;
  readonly #sessionId: string;

  /** Of a session that begins; its file comes with its first entry. */
  static begin(home: string, cwd: string, sessionId: string): Transcript {
    const folder = join(home, ".claude", "projects", cwd.replace(/[^A-Za-z0-9]/gu, "-"));
    return new Transcript(join(folder, `${sessionId}.jsonl`), sessionId);
  }

  /** Of a session that goes on; `undefined` when there is none of this name. */
  static find(home: string, sessionId: string): Transcript | undefined {
    const projects = join(home, ".claude", "projects");
    const folders = existsSync(projects) ? readdirSync(projects) : [];
    const path = folders.map((folder) => join(projects, folder, `${sessionId}.jsonl`)).find(existsSync);
    return path === undefined ? undefined : new Transcript(path, sessionId);
  }

  private constructor(path: string, sessionId: string) {
    this.#path = path;
    this.#sessionId = sessionId;
  }

  entries(): readonly TranscriptEntry[] {
    const lines = readFileSync(this.#path, "utf8").split("\n");
    return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as TranscriptEntry);
  }

  add(entry: TranscriptEntry): void {
    mkdirSync(join(this.#path, ".."), { recursive: true });
    appendFileSync(this.#path, `${JSON.stringify({ ...entry, sessionId: this.#sessionId })}\n`);
  }
}
