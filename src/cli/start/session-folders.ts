/**
 * The folders of workers that serve a session: at the same path each time, whichever worker and server it is.
 *
 * Transcripts name the paths of what stands beside them, so a conversation that goes on in another process must find them
 * there. The folders are named after a digest of the session's id within Claude Code, below one folder of this user's in the
 * folder of all servers. A folder appears there whole, with its owner's mark, and leaves whole, by being renamed: so there is
 * one for a session at most, and what a killed server left is known by the mark.
 */
import { createHash } from "node:crypto";
import { mkdir, readdir, rename, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, sleep } from "../../clock.ts";
import type { Log } from "../../telemetry/log.ts";
import { endLeftovers } from "../process/leftovers.ts";
import { endMarked, isAlive, isOurs, mark, readMark, renameMark } from "./folder-marks.ts";
import { removeFolder } from "./remove-folder.ts";

/** How often it is looked whether a session's earlier worker has let go of its folder, in milliseconds. */
const lookIntervalMs = 50;
/** After so many looks a folder without a mark is nobody's: its server died while it cleared up after another. */
const maxUnmarkedLooks = 100;

export interface SessionFoldersOptions {
  /** The folder in which all servers have theirs. */
  readonly parent: string;
  /** This server's own folder, on the same file system: folders are made and removed in it. */
  readonly base: string;
  readonly clock: Clock;
  readonly log: Log;
}

export class SessionFolders {
  readonly #options: SessionFoldersOptions;
  readonly #path: string;
  #removedCount = 0;

  constructor(options: SessionFoldersOptions) {
    this.#options = options;
    this.#path = join(options.parent, `claude-runner-sessions-${process.getuid?.() ?? "user"}`);
  }

  /** Where the folder of a session is while it has a worker. */
  pathOf(cliSessionId: string): string {
    return join(this.#path, createHash("sha256").update(cliSessionId).digest("hex").slice(0, 32));
  }

  /**
   * Gives a folder that was made elsewhere its place. While an earlier worker of the session has it, this waits for that;
   * what a server that is gone left there is ended and removed. Rejects with the signal's reason.
   */
  async place(made: string, cliSessionId: string, signal?: AbortSignal): Promise<string> {
    const path = this.pathOf(cliSessionId);
    await this.#open();
    await mark(made, "owner", process.pid);
    for (let unmarkedLooks = 0; ; ) {
      signal?.throwIfAborted();
      if (await moved(made, path)) return path;
      const owner = await readMark(path, "owner");
      unmarkedLooks = owner === undefined ? unmarkedLooks + 1 : 0;
      if (owner !== undefined && !(await isAlive(owner))) await this.#clearUp(path);
      else if (unmarkedLooks > maxUnmarkedLooks) await this.sweep(path);
      else await sleep(this.#options.clock, lookIntervalMs, signal);
    }
  }

  /** Removes the folder of a session's worker. Does not reject. */
  async sweep(path: string): Promise<void> {
    this.#removedCount += 1;
    // Whole, so that nobody finds half of one.
    const aside = join(this.#options.base, `removed-${this.#removedCount}`);
    try {
      await rename(path, aside);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
      this.#options.log.warn({ err: error }, "could not move a session's folder out of the way");
      return;
    }
    await removeFolder(aside, this.#options.log);
  }

  /** Ends and removes what servers that are gone have left. */
  async sweepLeftovers(): Promise<void> {
    if (!(await isOurs(this.#path))) return;
    for (const name of await readdir(this.#path)) {
      const path = join(this.#path, name);
      const owner = await readMark(path, "owner");
      if (owner !== undefined && !(await isAlive(owner))) await this.#clearUp(path);
    }
  }

  /** Nothing of this server's is there any more. Does not reject. */
  async close(): Promise<void> {
    await rmdir(this.#path).catch(() => undefined); // Another server's may be.
  }

  /**
   * Two servers may find the same folder. One of them gets the mark out of the way, looks at it again, since the other may be
   * done by now and have placed a new one, and has the folder until it is gone.
   */
  async #clearUp(path: string): Promise<void> {
    if (!(await renameMark(path, "owner", "former"))) return;
    const former = await readMark(path, "former");
    if (former !== undefined && (await isAlive(former))) {
      await renameMark(path, "former", "owner");
      return;
    }
    await mark(path, "owner", process.pid);
    const endedCount = (await endMarked(path)) + (await endLeftovers(path));
    this.#options.log.warn({ endedCount }, "removed a session's folder that a server that was killed had left");
    await this.sweep(path);
  }

  /** Anybody may make folders where temporary files are: it is used only if it is this user's. */
  async #open(): Promise<void> {
    await mkdir(this.#path, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
    if (!(await isOurs(this.#path))) throw new Error("the folder for the workers of sessions is not this user's own");
  }
}

/** Whether it could be moved; not when something is there. */
async function moved(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOTEMPTY" || code === "EEXIST") return false;
    throw error;
  }
}
