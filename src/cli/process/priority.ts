/**
 * Keeps processes that are starting from slowing down those that serve, and those that serve from keeping the server
 * waiting: it is one group among theirs, and answers health checks and callers for all of them.
 *
 * On Linux only, and only with autogroups: a process in a session of its own is weighed with its group, where `nice` has
 * no effect between groups; and a group's weight, other than a nice value, may be set back without privilege. Elsewhere
 * nothing is done: there the bound on starts at once has to do.
 */
import { writeFile } from "node:fs/promises";

const whileStarting = 10;

/** Whether it could be set. */
export async function lowerPriority(pid: number): Promise<boolean> {
  return setAutogroup(pid, whileStarting);
}

/** Gives a process that has started the weight that it keeps, as a nice value. */
export async function settlePriority(pid: number, nice: number): Promise<boolean> {
  return setAutogroup(pid, nice);
}

async function setAutogroup(pid: number, nice: number): Promise<boolean> {
  if (process.platform !== "linux") return false;
  try {
    await writeFile(`/proc/${pid}/autogroup`, String(nice));
    return true;
  } catch {
    return false; // No autogroups in this kernel, or the process is gone.
  }
}
