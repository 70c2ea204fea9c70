/**
 * Processes as the system sees them: whether one lives, and waiting until it does not.
 */
import { readFileSync } from "node:fs";
import { until } from "../until.ts";

/** Whether it exists and is no zombie. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return !/^\d+ \(.*\) Z/s.test(stat);
  } catch {
    return false;
  }
}

export async function untilGone(pid: number): Promise<void> {
  await until(() => !isAlive(pid));
}
