/**
 * The transcript that Claude Code writes of the session that its process serves, and the files beside it.
 *
 * It is found by the session's id, wherever below the folder for projects it stands. All of a turn is in it before the
 * turn's `result` line is written. What was added since the last read outlives the process: its folders are swept when it
 * is gone, and the turn that it died in is part of the conversation all the same.
 */
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { SessionFile } from "../../session-launch.ts";
import type { WorkerTranscript } from "../../worker-process.ts";
import { isOneStep, namesWithin, openFileWithin } from "./files-within.ts";
import { suspended, tooLarge, wholeLinesLength } from "./transcript-lines.ts";

/** Where Claude Code has the transcripts of a home. */
export const projectsPath = [".claude", "projects"] as const;
const filesFolder = "tool-results";

export interface TranscriptPlace {
  readonly cliSessionId: string;
  /** The HOME of its process. */
  readonly home: string;
  /** Of the transcript, and of the files of one read together. */
  readonly maxBytes: number;
  /** What it has already when the process is started. */
  readonly sizeBytes: number;
}

/** What was added since the last read, once its folder is gone. */
interface Kept {
  readonly fromBytes: number;
  readonly data: Uint8Array;
  readonly files: readonly SessionFile[];
}

export class SessionTranscript implements WorkerTranscript {
  readonly cliSessionId: string;
  readonly #place: TranscriptPlace;
  /** The folder for the project in which it stands, once it was found. */
  #folder: string | undefined;
  /** Where the last read began: what is from there on may be asked for once more. */
  #lastReadFrom: number;
  #knownFiles: ReadonlySet<string> = new Set();
  #kept: Promise<Kept> | undefined;

  constructor(place: TranscriptPlace) {
    this.cliSessionId = place.cliSessionId;
    this.#place = place;
    this.#lastReadFrom = place.sizeBytes;
  }

  async read(fromBytes: number): Promise<Uint8Array> {
    const data = await this.#whereverItIs(
      () => this.#readFile(fromBytes),
      (kept) => {
        if (fromBytes < kept.fromBytes) throw suspended("was swept with its process");
        if (fromBytes > kept.fromBytes + kept.data.length) throw suspended("is shorter than it was");
        return kept.data.subarray(fromBytes - kept.fromBytes);
      },
    );
    this.#lastReadFrom = fromBytes;
    return data;
  }

  async files(known: ReadonlySet<string> = new Set()): Promise<readonly SessionFile[]> {
    this.#knownFiles = known;
    return this.#whereverItIs(
      () => this.#readFiles(known),
      (kept) => kept.files.filter(({ name }) => !known.has(name)),
    );
  }

  /** The process is gone and its folders will be in a moment: reads what has not been read. Does not reject. */
  async keep(): Promise<void> {
    this.#kept ??= this.#readRest();
    await this.#kept.catch(() => undefined); // whoever reads hears of it
  }

  async #readRest(): Promise<Kept> {
    const fromBytes = this.#lastReadFrom;
    return { fromBytes, data: await this.#readFile(fromBytes), files: await this.#readFiles(this.#knownFiles) };
  }

  /** Reads what stands there, or what was kept of it: also when it was taken away meanwhile. */
  async #whereverItIs<T>(standing: () => Promise<T>, kept: (kept: Kept) => T): Promise<T> {
    if (this.#kept !== undefined) return kept(await this.#kept);
    try {
      return await standing();
    } catch (error) {
      if (this.#kept === undefined) throw error;
      return kept(await this.#kept);
    }
  }

  async #readFile(fromBytes: number): Promise<Uint8Array> {
    const file = await this.#open();
    if (file === undefined) {
      if (fromBytes === 0) return new Uint8Array(); // It is written from the first turn on.
      throw suspended("is missing");
    }
    try {
      const { size } = await file.stat();
      if (size > this.#place.maxBytes) throw tooLarge(this.#place.maxBytes);
      if (size < fromBytes) throw suspended("is shorter than it was", { sizeBytes: size, expectedBytes: fromBytes });
      const data = await readFully(file, fromBytes, size - fromBytes);
      return data.subarray(0, wholeLinesLength(data));
    } finally {
      await file.close();
    }
  }

  async #open(): Promise<FileHandle | undefined> {
    const { home } = this.#place;
    const name = `${this.cliSessionId}.jsonl`;
    const folders = this.#folder === undefined ? await namesWithin(home, projectsPath) : [this.#folder];
    for (const folder of folders) {
      const file = await openFileWithin(home, [...projectsPath, folder, name]);
      if (file === undefined) continue;
      this.#folder = folder;
      return file;
    }
    return undefined;
  }

  /** What would be too much is left out: the model finds such a file missing, which is all that it is for. */
  async #readFiles(known: ReadonlySet<string>): Promise<readonly SessionFile[]> {
    const { home, maxBytes } = this.#place;
    const found: SessionFile[] = [];
    let leftBytes = maxBytes;
    for (const folder of await namesWithin(home, projectsPath)) {
      const path = [folder, this.cliSessionId, filesFolder];
      for (const name of await namesWithin(home, [...projectsPath, ...path])) {
        const whole = [...path, name].join("/");
        if (known.has(whole)) continue;
        const file = await openFileWithin(home, [...projectsPath, ...path, name]);
        if (file === undefined) continue;
        try {
          const { size } = await file.stat();
          if (size > leftBytes) continue;
          leftBytes -= size;
          found.push({ name: whole, data: await readFully(file, 0, size) });
        } finally {
          await file.close();
        }
      }
    }
    return found;
  }
}

/** Where a file of a session stands. Throws for a name that no session's file has. */
export function sessionFilePath(projects: string, name: string): string {
  const steps = name.split("/");
  const [, , folder] = steps;
  if (steps.length !== 4 || folder !== filesFolder || !steps.every(isOneStep)) {
    throw new Error("bug: a file of a session has a name that none can have");
  }
  return join(projects, ...steps);
}

/** As much as there is, up to `length`: it may shrink meanwhile, and what is added then is for the next time. */
async function readFully(file: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const data = new Uint8Array(length);
  let read = 0;
  while (read < length) {
    const { bytesRead } = await file.read(data, read, length - read, position + read);
    if (bytesRead === 0) break;
    read += bytesRead;
  }
  return data.subarray(0, read);
}
