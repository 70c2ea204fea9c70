/**
 * The files of a store in their folder, for their owner's eyes only.
 */
import {
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { storeUnavailable } from "./sqlite-faults.ts";

export interface StorePaths {
  readonly folder: string;
  readonly database: string;
  readonly wal: string;
  readonly sideFile: string;
  readonly reserve: string;
  /** Held by whoever opens or closes the store. */
  readonly openingLock: string;
  /** Held by a server for as long as it lives. */
  ownerLock(ownerId: string): string;
}

export function storePaths(folder: string): StorePaths {
  return {
    folder,
    database: join(folder, "store.db"),
    wal: join(folder, "store.db-wal"),
    sideFile: join(folder, "store.json"),
    reserve: join(folder, "reserve"),
    openingLock: join(folder, "opening.lock"),
    ownerLock: (ownerId) => join(folder, `owner-${ownerId}.lock`),
  };
}

/**
 * What the database itself cannot know: that it has lost something. `creating`: its first start did not come to its end.
 * `open`: servers have it, or had it and died, so that there is a WAL. `closed`: everything is in the one file. `opening`: it
 * was closed, and what the first server writes may be in a WAL by now.
 */
export interface SideFile {
  readonly storeId: string;
  readonly state: "creating" | "opening" | "open" | "closed";
  /** Raised in the database at each opening, and written here afterwards: never ahead of it. */
  readonly generation: number;
  /** The inode of the database: another one is a copy. */
  readonly inode: string;
}

/** What can be done about a store that has lost something. */
export const restore = ": put it back from a backup, or go on with what is there by `claude-runner store adopt`";

export function readSideFile({ sideFile }: StorePaths): SideFile | undefined {
  if (!existsSync(sideFile)) return undefined;
  const text = readFileSync(sideFile, "utf8");
  try {
    return JSON.parse(text) as SideFile;
  } catch (error) {
    throw storeUnavailable(`${sideFile}, which belongs to the store, is damaged${restore}`, error);
  }
}

/** Replaces it as a whole, and waits for the disk. */
export function writeSideFile({ sideFile, folder }: StorePaths, side: SideFile): void {
  const draft = `${sideFile}.new`;
  writeSynced(draft, Buffer.from(`${JSON.stringify(side)}\n`));
  giveToOwnerOf(folder, draft);
  renameSync(draft, sideFile);
  syncFolder(folder);
}

/** An administrator's command must not take a file away from the server's user. */
export function giveToOwnerOf(folder: string, file: string): void {
  const { uid, gid } = statSync(folder);
  if (process.getuid?.() === 0 && uid !== 0) chownSync(file, uid, gid);
}

export function inodeOf(path: string): string {
  return String(statSync(path, { bigint: true }).ino);
}

export function sizeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}

/** An empty WAL: it says that nothing is missing. */
export function makeEmptyWal({ wal, folder }: StorePaths): void {
  makePrivateFile(wal);
  giveToOwnerOf(folder, wal);
}

/** Makes the file of the database, before SQLite does and gives it the mode that the process has. */
export function makePrivateFile(path: string): void {
  closeSync(openSync(path, "wx", 0o600));
}

/**
 * Makes a folder and those above it that are missing. Not by `recursive`, which goes round for ever below a folder that
 * takes no new ones and says ENOENT, such as /proc.
 */
export function makePrivateFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // One that was there is whoever's it was; the files in it are private in any case.
    if (code === "EEXIST") return;
    if (code !== "ENOENT" || existsSync(dirname(path))) throw error;
    makePrivateFolder(dirname(path));
    mkdirSync(path, { mode: 0o700 });
  }
}

/** Enough to end what runs, and to delete something, on a disk that has nothing left. */
export const reserveBytes = 8 * 1024 * 1024;

/** Takes space that is given up when the disk is full. Throws when there is none. */
export function makeReserve({ reserve }: StorePaths): void {
  if (sizeOf(reserve) === reserveBytes) return;
  try {
    // No zeros: some file systems would keep no space for them.
    const words = Buffer.alloc(reserveBytes, "claude-runner keeps this space for when the disk is full.\n");
    writeFileSync(reserve, words, { mode: 0o600 });
  } catch (error) {
    rmSync(reserve, { force: true });
    throw error;
  }
}

/** Whether there was a reserve to give up. */
export function giveUpReserve({ reserve }: StorePaths): boolean {
  if (!existsSync(reserve)) return false;
  rmSync(reserve, { force: true });
  return true;
}

export function removeDatabase({ database, wal }: StorePaths): void {
  for (const file of [database, wal, `${database}-shm`, `${database}-journal`]) rmSync(file, { force: true });
}

function writeSynced(path: string, bytes: Uint8Array): void {
  const file = openSync(path, "w", 0o600);
  try {
    for (let at = 0; at < bytes.byteLength; ) at += writeSync(file, bytes, at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
