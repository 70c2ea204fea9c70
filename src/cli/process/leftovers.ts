/**
 * Ends what the tools of a worker left running.
 *
 * A tool's shell has a session of its own, so ending the worker's group does not reach it, and once the worker is gone
 * nothing else ties the two together than what the shell inherited: the worker's own folders in its environment. Linux
 * tells the environment of one's processes under /proc; elsewhere nothing is done.
 */
import { readdir, readFile } from "node:fs/promises";

/** Something may be starting something else just now; after so many looks it is given up. */
const maxRounds = 5;

/** Ends every process of this user whose environment names a path under `folder`. Gives how many there were. */
export async function endLeftovers(folder: string): Promise<number> {
  let endedCount = 0;
  for (let round = 0; round < maxRounds; round += 1) {
    const found = await findByFolder(folder);
    if (found.length === 0) break;
    for (const pid of found) {
      try {
        process.kill(pid, "SIGKILL");
        endedCount += 1;
      } catch {
        // It ended by itself just now.
      }
    }
  }
  return endedCount;
}

async function findByFolder(folder: string): Promise<readonly number[]> {
  if (process.platform !== "linux") return [];
  const names = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found: number[] = [];
  for (const name of names) {
    const pid = Number(name);
    if (pid === process.pid) continue;
    // Not readable: another user's, or gone. Empty: ended and not yet buried.
    const environment = await readFile(`/proc/${name}/environ`, "latin1").catch(() => "");
    if (environment.split("\0").some((entry) => isUnder(entry.slice(entry.indexOf("=") + 1), folder))) found.push(pid);
  }
  return found;
}

function isUnder(value: string, folder: string): boolean {
  return value === folder || value.startsWith(`${folder}/`);
}
