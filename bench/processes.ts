/**
 * Processes as Linux tells of them: who is whose child, what a process has open.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** The children of a process that are no zombies. */
export function childrenOf(pid: number): readonly number[] {
  return allProcesses().filter((child) => {
    const stat = statOf(child);
    return stat !== undefined && stat.parent === pid && stat.state !== "Z";
  });
}

/** Processes that work in a folder or below it. */
export function processesIn(folder: string): readonly number[] {
  return allProcesses().filter((pid) => {
    try {
      const cwd = readlinkSync(`/proc/${pid}/cwd`);
      return cwd === folder || cwd.startsWith(`${folder}/`);
    } catch {
      return false; // Gone, or another user's.
    }
  });
}

export function descriptorCountOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

function allProcesses(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function statOf(pid: number): { readonly state: string; readonly parent: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [state = "", parent = ""] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { state, parent: Number(parent) };
  } catch {
    return undefined; // It ended just now.
  }
}
