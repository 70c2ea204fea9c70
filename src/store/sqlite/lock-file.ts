/**
 * Locks that the kernel drops with the process that has them, however it ends.
 *
 * Node has no call for them, but SQLite takes them: an exclusive transaction on an empty file, in which nothing is ever
 * written. Unlike with a socket, children do not inherit it, and it holds across containers.
 */
import { chmodSync, closeSync, existsSync, openSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { faultOf } from "./sqlite-faults.ts";
import { giveToOwnerOf } from "./store-files.ts";

export interface LockFile {
  /** Gives the lock back. The file stays. */
  release(): void;
}

/** Takes a lock; `undefined` if another has it for longer than `waitMs`. Makes the file. */
export function takeLock(path: string, waitMs: number): LockFile | undefined {
  closeSync(openSync(path, "a", 0o600));
  chmodSync(path, 0o600);
  giveToOwnerOf(dirname(path), path);
  const db = new DatabaseSync(path, { timeout: waitMs });
  try {
    db.exec("begin exclusive");
  } catch (error) {
    db.close();
    if (faultOf(error) === "busy") return undefined;
    throw error;
  }
  return { release: () => db.close() };
}

/** Whether nobody has a lock. A file that is gone is nobody's. */
export function isFree(path: string): boolean {
  if (!existsSync(path)) return true;
  const db = new DatabaseSync(path, { timeout: 0 });
  try {
    db.exec("begin exclusive");
    return true;
  } catch (error) {
    if (faultOf(error) === "busy") return false;
    throw error;
  } finally {
    db.close();
  }
}

export function removeLockFile(path: string): void {
  rmSync(path, { force: true });
}
