/**
 * The private folders of the workers: one base per server, below it one folder per worker, swept when the worker is gone.
 *
 * A server that was killed leaves its base and perhaps its workers behind. Marks with process number and start time tell
 * the next start whose they were: both have to match before anything is ended, since numbers are used again.
 */
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Log } from "../../telemetry/log.ts";
import { endLeftovers } from "../process/leftovers.ts";
import { startTicks } from "../process/process-usage.ts";
import type { WorkerPaths } from "../protocol/host-paths.ts";
import { isObject, type JsonObject, numberAt, textAt } from "../protocol/json-members.ts";

const basePrefix = "claude-runner-";
const markName = "process.json";

export interface WorkerFolder extends WorkerPaths {
  readonly path: string;
}

export class WorkFolders {
  readonly path: string;
  readonly #log: Log;

  /** Makes this server's base in `parent`, and sweeps what servers that no longer live left there. */
  static async open(parent: string | undefined, log: Log): Promise<WorkFolders> {
    const folder = await realpath(parent ?? tmpdir());
    const path = await mkdtemp(join(folder, basePrefix));
    await chmod(path, 0o700);
    await mark(path, process.pid);
    const folders = new WorkFolders(path, log);
    await folders.#sweepLeftovers(folder);
    return folders;
  }

  private constructor(path: string, log: Log) {
    this.path = path;
    this.#log = log;
  }

  async make(workerId: string, workspace: string | undefined): Promise<WorkerFolder> {
    const path = join(this.path, workerId);
    const folder = { path, home: join(path, "home"), tmp: join(path, "tmp"), cwd: workspace ?? join(path, "cwd") };
    await mkdir(path, { mode: 0o700 });
    await mkdir(folder.home, { mode: 0o700 });
    await mkdir(folder.tmp, { mode: 0o700 });
    if (workspace === undefined) await mkdir(folder.cwd, { mode: 0o700 });
    return folder;
  }

  /** Notes which process works in a folder, for the start after a crash. */
  async occupy(folder: WorkerFolder, pid: number): Promise<void> {
    await mark(folder.path, pid);
  }

  /** Removes a worker's folder. A workspace is not ours and stays. Does not reject. */
  async sweep(folder: WorkerFolder): Promise<void> {
    await this.#remove(folder.path);
  }

  /** Removes the base with all that is left in it. Does not reject. */
  async close(): Promise<void> {
    await this.#remove(this.path);
  }

  async #sweepLeftovers(parent: string): Promise<void> {
    const names = await readdir(parent);
    for (const name of names) {
      const path = join(parent, name);
      if (!name.startsWith(basePrefix) || path === this.path || !(await isOurs(path))) continue;
      const owner = await readMark(path);
      // Without a mark it may be one that is just being made.
      if (owner === undefined || (await isAlive(owner))) continue;
      await this.#sweepLeftover(path);
    }
  }

  async #sweepLeftover(base: string): Promise<void> {
    let endedCount = 0;
    for (const name of await readdir(base).catch(() => [])) {
      const worker = await readMark(join(base, name));
      if (worker?.startTicks === undefined || !(await isAlive(worker))) continue;
      try {
        process.kill(-worker.pid, "SIGKILL");
        endedCount += 1;
      } catch {
        // It ended by itself just now.
      }
    }
    endedCount += await endLeftovers(base);
    this.#log.warn({ endedCount }, "removed what a server that was killed had left");
    await this.#remove(base);
  }

  async #remove(path: string): Promise<void> {
    const options = { recursive: true, force: true, maxRetries: 4, retryDelay: 50 };
    try {
      await rm(path, options);
    } catch (first) {
      // A tool may have taken a folder's rights away.
      await openFolders(path);
      await rm(path, options).catch((error: unknown) =>
        this.#log.warn({ err: error, firstError: String(first) }, "could not remove a worker's folder"),
      );
    }
  }
}

interface Mark {
  readonly pid: number;
  readonly startTicks: string | undefined;
}

async function mark(folder: string, pid: number): Promise<void> {
  const text = JSON.stringify({ pid, startTicks: await startTicks(pid) } satisfies Mark);
  await writeFile(join(folder, markName), text, { mode: 0o600, flag: "wx" });
}

async function readMark(folder: string): Promise<Mark | undefined> {
  try {
    const found: unknown = JSON.parse(await readFile(join(folder, markName), "utf8"));
    if (!isObject(found)) return undefined;
    const pid = numberAt(found as JsonObject, "pid");
    // 0 and 1 would name our own group and everybody's.
    if (pid === undefined || !Number.isInteger(pid) || pid <= 1) return undefined;
    return { pid, startTicks: textAt(found as JsonObject, "startTicks") || undefined };
  } catch {
    return undefined; // No mark, or not one of ours.
  }
}

async function isAlive({ pid, startTicks: ticks }: Mark): Promise<boolean> {
  if (ticks !== undefined) return (await startTicks(pid)) === ticks;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** A folder, not a link to one, that belongs to this user and that nobody else can write to. */
async function isOurs(path: string): Promise<boolean> {
  const stat = await lstat(path).catch(() => undefined);
  return stat?.isDirectory() === true && stat.uid === process.getuid?.() && (stat.mode & 0o077) === 0;
}

async function openFolders(path: string): Promise<void> {
  const stat = await lstat(path).catch(() => undefined);
  if (stat?.isDirectory() !== true) return;
  await chmod(path, 0o700).catch(() => undefined);
  for (const name of await readdir(path).catch(() => [])) await openFolders(join(path, name));
}
