/**
 * Keeps processes that are starting from slowing down those that serve.
 *
 * On Linux only, and only with autogroups: a process in a session of its own is weighed with its group, where `nice` has
 * no effect between groups; and a group's weight, other than a nice value, may be set back without privilege. Elsewhere
 * nothing is done: there the bound on starts at once has to do.
 */
import { writeFile } from "node:fs/promises";

const whileStarting = "10";
const whenReady = "0";

/** Whether it could be set. */
export async function lowerPriority(pid: number): Promise<boolean> {
  return setAutogroup(pid, whileStarting);
}

export async function restorePriority(pid: number): Promise<boolean> {
  return setAutogroup(pid, whenReady);
}

async function setAutogroup(pid: number, value: string): Promise<boolean> {
  if (process.platform !== "linux") return false;
  try {
    await writeFile(`/proc/${pid}/autogroup`, value);
    return true;
  } catch {
    return false; // No autogroups in this kernel, or the process is gone.
  }
}
