/**
 * The version of claude-runner, out of its package.json, from the checkout as well as from the packed package.
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

export const runnerVersion: string = findVersion(import.meta.dirname);

function findVersion(folder: string): string {
  const found = versionIn(join(folder, "package.json"));
  if (found !== undefined) return found;
  const parent = dirname(folder);
  if (parent === folder) throw new Error("bug: no package.json of claude-runner above its own source");
  return findVersion(parent);
}

function versionIn(path: string): string | undefined {
  try {
    const { name, version } = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
    return name === "claude-runner" && typeof version === "string" ? version : undefined;
  } catch {
    // Not here; it is further up.
    return undefined;
  }
}
