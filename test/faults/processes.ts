/**
 * Processes as the system sees them: whether one lives, and waiting until it does not.
 */
import { readFileSync } from "node:fs";

/** Whether it exists and is no zombie. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return !/^\d+ \(.*\) Z/s.test(stat);
  } catch {
    return false;
  }
}

/** Waits until a condition holds that nothing tells of. Ends with the test's own timeout. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}

export async function untilGone(pid: number): Promise<void> {
  await until(() => !isAlive(pid));
}
