/**
 * Removes a worker's folder with all that is in it, whatever its tools did to it.
 */
import { chmod, lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "../../telemetry/log.ts";

/** Does not reject. Links are removed, not followed. */
export async function removeFolder(path: string, log: Log): Promise<void> {
  const options = { recursive: true, force: true, maxRetries: 4, retryDelay: 50 };
  try {
    await rm(path, options);
  } catch (first) {
    // A tool may have taken a folder's rights away.
    await openFolders(path);
    await rm(path, options).catch((error: unknown) =>
      log.warn({ err: error, firstError: String(first) }, "could not remove a worker's folder"),
    );
  }
}

async function openFolders(path: string): Promise<void> {
  const stat = await lstat(path).catch(() => undefined);
  if (stat?.isDirectory() !== true) return;
  await chmod(path, 0o700).catch(() => undefined);
  for (const name of await readdir(path).catch(() => [])) await openFolders(join(path, name));
}
