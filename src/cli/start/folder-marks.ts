/**
 * Marks in folders that say whose they are: a process's number and when it started.
 *
 * Both have to match before anything is ended or removed, since numbers are used again.
 */
import { lstat, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startTicks } from "../process/process-usage.ts";
import { isObject, type JsonObject, numberAt, textAt } from "../protocol/json-members.ts";

/**
 * `process`: the process that works there; of a server's base the server. `owner`: the server whose it is. `former`: the
 * server whose it was, when another is clearing up after it.
 */
export type MarkName = "process" | "owner" | "former";

export interface Mark {
  readonly pid: number;
  readonly startTicks: string | undefined;
}

export async function mark(folder: string, name: MarkName, pid: number): Promise<void> {
  const text = JSON.stringify({ pid, startTicks: await startTicks(pid) } satisfies Mark);
  await writeFile(fileOf(folder, name), text, { mode: 0o600, flag: "wx" });
}

/** `undefined`: there is none, or not one of ours. */
export async function readMark(folder: string, name: MarkName): Promise<Mark | undefined> {
  try {
    const found: unknown = JSON.parse(await readFile(fileOf(folder, name), "utf8"));
    if (!isObject(found)) return undefined;
    const pid = numberAt(found as JsonObject, "pid");
    // 0 and 1 would name our own group and everybody's.
    if (pid === undefined || !Number.isInteger(pid) || pid <= 1) return undefined;
    return { pid, startTicks: textAt(found as JsonObject, "startTicks") || undefined };
  } catch {
    return undefined;
  }
}

/** Gives a mark another name. False when somebody else has done so just now. */
export async function renameMark(folder: string, from: MarkName, to: MarkName): Promise<boolean> {
  try {
    await rename(fileOf(folder, from), fileOf(folder, to));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

export async function isAlive({ pid, startTicks: ticks }: Mark): Promise<boolean> {
  if (ticks !== undefined) return (await startTicks(pid)) === ticks;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Ends the group of the worker that works in a folder, if it is the one that was marked. Gives how many were ended. */
export async function endMarked(folder: string): Promise<number> {
  const worker = await readMark(folder, "process");
  if (worker?.startTicks === undefined || !(await isAlive(worker))) return 0;
  try {
    process.kill(-worker.pid, "SIGKILL");
    return 1;
  } catch {
    return 0; // It ended by itself just now.
  }
}

/** A folder, not a link to one, that belongs to this user and that nobody else can write to. */
export async function isOurs(path: string): Promise<boolean> {
  const stat = await lstat(path).catch(() => undefined);
  return stat?.isDirectory() === true && stat.uid === process.getuid?.() && (stat.mode & 0o077) === 0;
}

function fileOf(folder: string, name: MarkName): string {
  return join(folder, `${name}.json`);
}
