/**
 * Under what conditions figures were measured: without them a figure says nothing.
 */
import { execFileSync } from "node:child_process";
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";

export interface Conditions {
  readonly startTime: string;
  readonly cpuModel: string;
  readonly coreCount: number;
  readonly memoryBytes: number;
  readonly os: string;
  readonly nodeVersion: string;
  readonly cliVersion: string;
  /** Load average of one minute. */
  readonly loadBefore: number;
  /** `…-dirty` when the checkout differs from it. */
  readonly commit: string;
}

export function conditionsNow(cliVersion: string, checkout: string): Conditions {
  return {
    startTime: new Date().toISOString(),
    cpuModel: cpus()[0]?.model.trim() ?? "unknown",
    coreCount: availableParallelism(),
    memoryBytes: totalmem(),
    os: `${process.platform} ${release()} ${process.arch}`,
    nodeVersion: process.version,
    cliVersion,
    loadBefore: loadNow(),
    commit: commitOf(checkout),
  };
}

export function loadNow(): number {
  return Math.round(loadavg()[0]! * 100) / 100;
}

function commitOf(checkout: string): string {
  try {
    return execFileSync("git", ["describe", "--always", "--dirty", "--abbrev=12"], {
      cwd: checkout,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return "unknown"; // Not a checkout, or no git.
  }
}
