/**
 * Reads what stands in a folder that a worker's tools can write to, and never leaves it: no link is followed on the way, and
 * a pipe is not waited for. Tools could put either where a transcript is expected.
 */
import { constants } from "node:fs";
import { type FileHandle, open, readdir } from "node:fs/promises";

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_DIRECTORY } = constants;

/** Names of one step each. */
export type Steps = readonly string[];

/** A file below `root`; `undefined` when there is none, or something else has its name. */
export async function openFileWithin(root: string, steps: Steps): Promise<FileHandle | undefined> {
  const file = await walk(root, steps, O_RDONLY | O_NONBLOCK);
  if (file === undefined) return undefined;
  if ((await file.stat()).isFile()) return file;
  await file.close();
  return undefined;
}

/** The names in a folder below `root`; none when there is no such folder. */
export async function namesWithin(root: string, steps: Steps): Promise<readonly string[]> {
  const folder = await walk(root, steps, O_RDONLY | O_DIRECTORY);
  if (folder === undefined) return [];
  try {
    return await readdir(pathOf(folder, [root, ...steps]));
  } finally {
    await folder.close();
  }
}

/** Opens step by step, each within what was opened before. `undefined` where it does not go on. */
async function walk(root: string, steps: Steps, lastFlags: number): Promise<FileHandle | undefined> {
  if (steps.some((step) => !isOneStep(step))) throw new Error("bug: a step leaves its folder");
  const walked: string[] = [root];
  let folder = await tryOpen(root, steps.length === 0 ? lastFlags : O_RDONLY | O_DIRECTORY);
  for (const [at, step] of steps.entries()) {
    if (folder === undefined) return undefined;
    const before: FileHandle = folder;
    const flags = at === steps.length - 1 ? lastFlags : O_RDONLY | O_DIRECTORY;
    try {
      folder = await tryOpen(`${pathOf(before, walked)}/${step}`, flags);
    } finally {
      await before.close();
    }
    walked.push(step);
  }
  return folder;
}

/** Whether a name leads to what stands directly in a folder. */
export function isOneStep(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !/[/\0]/.test(name);
}

/** On Linux by what is open, so that nothing can be put in its place meanwhile. */
function pathOf(opened: FileHandle, walked: readonly string[]): string {
  return process.platform === "linux" ? `/proc/self/fd/${opened.fd}` : walked.join("/");
}

/** Not there, a link, or something else than was asked for: all of it is the same here. */
async function tryOpen(path: string, flags: number): Promise<FileHandle | undefined> {
  try {
    return await open(path, flags | O_NOFOLLOW);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (["ENOENT", "ENOTDIR", "ELOOP", "EMLINK", "ENXIO", "EISDIR"].includes(code)) return undefined;
    throw error;
  }
}
