/**
 * The private folders of the workers: one base per server, below it one folder per worker, swept when the worker is gone.
 * Those of sessions have a place of their own (`session-folders.ts`).
 *
 * A server that was killed leaves its base and perhaps its workers behind. Marks tell the next start whose they were.
 */
import { chmod, mkdir, mkdtemp, readdir, realpath } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, systemClock } from "../../clock.ts";
import type { Log } from "../../telemetry/log.ts";
import { endLeftovers } from "../process/leftovers.ts";
import type { WorkerPaths } from "../protocol/host-paths.ts";
import { endMarked, isAlive, isOurs, mark, readMark } from "./folder-marks.ts";
import { removeFolder } from "./remove-folder.ts";
import { SessionFolders } from "./session-folders.ts";

const basePrefix = "claude-runner-";

export interface WorkerFolder extends WorkerPaths {
  readonly path: string;
  /** Whether it is the folder of a session's worker. */
  readonly isSessions: boolean;
}

export interface FolderRequest {
  readonly workerId: string;
  /** The folder in which it works. Absent: one of its own. */
  readonly workspace?: string | undefined;
  /** The session that it serves, by its id within Claude Code. Absent: none. */
  readonly cliSessionId?: string | undefined;
}

export class WorkFolders {
  readonly path: string;
  readonly #log: Log;
  readonly #sessions: SessionFolders;

  /** Makes this server's base in `parent`, and sweeps what servers that no longer live left there. */
  static async open(parent: string | undefined, log: Log, clock: Clock = systemClock): Promise<WorkFolders> {
    const folder = await realpath(parent ?? tmpdir());
    const path = await mkdtemp(join(folder, basePrefix));
    await chmod(path, 0o700);
    await mark(path, "process", process.pid);
    const sessions = new SessionFolders({ parent: folder, base: path, clock, log });
    const folders = new WorkFolders(path, sessions, log);
    await folders.#sweepLeftovers(folder);
    await sessions.sweepLeftovers();
    return folders;
  }

  private constructor(path: string, sessions: SessionFolders, log: Log) {
    this.path = path;
    this.#sessions = sessions;
    this.#log = log;
  }

  /** That of a session waits until the session's earlier worker has let go of it. Rejects with the signal's reason. */
  async make({ workerId, workspace, cliSessionId }: FolderRequest, signal?: AbortSignal): Promise<WorkerFolder> {
    const made = join(this.path, workerId);
    await mkdir(made, { mode: 0o700 });
    try {
      for (const name of ["home", "tmp", ...(workspace === undefined ? ["cwd"] : [])]) {
        await mkdir(join(made, name), { mode: 0o700 });
      }
      const path = cliSessionId === undefined ? made : await this.#sessions.place(made, cliSessionId, signal);
      return {
        path,
        home: join(path, "home"),
        tmp: join(path, "tmp"),
        cwd: workspace ?? join(path, "cwd"),
        isSessions: cliSessionId !== undefined,
      };
    } catch (error) {
      await removeFolder(made, this.#log);
      throw error;
    }
  }

  /** Notes which process works in a folder, for the start after a crash. */
  async occupy(folder: WorkerFolder, pid: number): Promise<void> {
    await mark(folder.path, "process", pid);
  }

  /** Removes a worker's folder. A workspace is not ours and stays. Does not reject. */
  async sweep({ path, isSessions }: WorkerFolder): Promise<void> {
    if (isSessions) await this.#sessions.sweep(path);
    else await removeFolder(path, this.#log);
  }

  /** Removes the base with all that is left in it. Does not reject. */
  async close(): Promise<void> {
    await this.#sessions.close();
    await removeFolder(this.path, this.#log);
  }

  async #sweepLeftovers(parent: string): Promise<void> {
    const names = await readdir(parent);
    for (const name of names) {
      const path = join(parent, name);
      if (!name.startsWith(basePrefix) || path === this.path || !(await isOurs(path))) continue;
      const owner = await readMark(path, "process");
      // Without a mark it may be one that is just being made.
      if (owner === undefined || (await isAlive(owner))) continue;
      await this.#sweepLeftover(path);
    }
  }

  async #sweepLeftover(base: string): Promise<void> {
    let endedCount = 0;
    for (const name of await readdir(base).catch(() => [])) endedCount += await endMarked(join(base, name));
    endedCount += await endLeftovers(base);
    this.#log.warn({ endedCount }, "removed what a server that was killed had left");
    await removeFolder(base, this.#log);
  }
}
