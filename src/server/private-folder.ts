/**
 * Folders that belong to this user alone: how they are made, and whether others may write to one.
 */
import type { Stats } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes a folder and those above it that are missing. Not by `recursive`, which goes round for ever below a folder that
 * takes no new ones and says ENOENT, such as /proc.
 */
export async function makeFolder(path: string): Promise<void> {
  const above = dirname(path);
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return;
    if (code !== "ENOENT" || (await stat(above).catch(() => undefined)) !== undefined) throw error;
    await makeFolder(above);
    await mkdir(path, { mode: 0o700 });
  }
}

/** With the sticky bit, as in /tmp, others cannot touch what is not theirs. */
export function isOpenToOthers({ mode, gid }: Stats): boolean {
  if ((mode & 0o1000) !== 0) return false;
  // A group that is the user's alone is usual.
  return (mode & 0o002) !== 0 || ((mode & 0o020) !== 0 && gid !== process.getgid?.());
}
