/**
 * Puts the transcript of a session where a new process finds it, and looks at every line of it while it does. Nothing is
 * started with one that is missing, cut, damaged or another session's.
 *
 * It gets the name of the session that goes on, also when it was forked: Claude Code then goes on under that name, in that
 * file, after the lines of the session that it comes from.
 */
import { mkdir, open, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ResumedConversation } from "../../session-launch.ts";
import { projectSlug, type WorkerPaths } from "../protocol/host-paths.ts";
import { projectsPath, sessionFilePath } from "./session-transcript.ts";
import { TranscriptCheck } from "./transcript-lines.ts";

const owner = { file: 0o600, folder: 0o700 } as const;

export interface RestoreOptions {
  readonly cliSessionId: string;
  readonly paths: Pick<WorkerPaths, "home" | "cwd">;
  readonly maxBytes: number;
  readonly signal?: AbortSignal | undefined;
}

/** Gives the size of the transcript. Rejects with SESSION_SUSPENDED when it cannot be resumed. */
export async function restoreTranscript(resume: ResumedConversation, options: RestoreOptions): Promise<number> {
  const { cliSessionId, maxBytes, signal } = options;
  const projects = join(options.paths.home, ...projectsPath);
  const path = join(projects, projectSlug(options.paths.cwd), `${cliSessionId}.jsonl`);
  const check = new TranscriptCheck({ cliSessionId, maxBytes, origin: resume.origin, seal: resume.seal });
  let sizeBytes = 0;
  await mkdir(dirname(path), { recursive: true, mode: owner.folder });
  await using file = await open(path, "wx", owner.file);
  for await (const piece of piecesOf(resume.transcript)) {
    signal?.throwIfAborted();
    check.take(piece);
    await file.writeFile(piece);
    sizeBytes += piece.length;
  }
  check.finish();
  const files = typeof resume.files === "function" ? await resume.files() : resume.files;
  for (const { name, data } of files) {
    signal?.throwIfAborted();
    const filePath = sessionFilePath(projects, name);
    await mkdir(dirname(filePath), { recursive: true, mode: owner.folder });
    await writeFile(filePath, data, { flag: "wx", mode: owner.file });
  }
  return sizeBytes;
}

/** Looked at in between, others get their turn: a large one takes a while. */
const pieceBytes = 256 * 1024;

async function* piecesOf(transcript: ResumedConversation["transcript"]): AsyncGenerator<Uint8Array> {
  if (!(transcript instanceof Uint8Array)) {
    yield* transcript;
    return;
  }
  for (let at = 0; at < transcript.length; at += pieceBytes) yield transcript.subarray(at, at + pieceBytes);
}
