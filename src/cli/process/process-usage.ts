/**
 * What a process uses, and when it was started, as Linux tells it under /proc. Elsewhere it is not known.
 */
import { readFile } from "node:fs/promises";
import type { ProcessUsage } from "../../worker-process.ts";

const unknownUsage: ProcessUsage = { privateBytes: undefined, cpuMs: undefined };
/** Processor time is told in hundredths of a second on every Linux. */
const msPerTick = 10;

export async function processUsage(pid: number): Promise<ProcessUsage> {
  if (process.platform !== "linux") return unknownUsage;
  const [privateBytes, stat] = await Promise.all([privateMemory(pid), statFields(pid)]);
  if (stat === undefined) return unknownUsage;
  return { privateBytes, cpuMs: (Number(stat[11]) + Number(stat[12])) * msPerTick };
}

/**
 * When a process was started, in the kernel's ticks since boot. With its number it names a process for good: numbers are
 * used again. `undefined` when there is no such process or the platform does not tell.
 */
export async function startTicks(pid: number): Promise<string | undefined> {
  return (await statFields(pid))?.[19];
}

/** The fields of /proc/<pid>/stat from the third on: what is before may hold anything. */
async function statFields(pid: number): Promise<readonly string[] | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** Memory that no other process shares: most of the program's own is shared by all workers. */
async function privateMemory(pid: number): Promise<number | undefined> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => undefined);
  if (rollup === undefined) return undefined;
  let kilobytes = 0;
  for (const [, size] of rollup.matchAll(/^Private_(?:Clean|Dirty|Hugetlb):\s+(\d+) kB$/gm)) kilobytes += Number(size);
  return kilobytes * 1024;
}
