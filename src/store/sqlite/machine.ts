/**
 * Which machine this is, and which of its lives: whether the servers that a store names can still be alive here.
 */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";

export interface Machine {
  /** Empty where it has no name of this kind, as in many containers. */
  readonly machineId: string;
  /** New at each start of the machine; the same in all its containers. Empty where it is not known. */
  readonly bootId: string;
  readonly host: string;
}

export function thisMachine(): Machine {
  return {
    machineId: textOf("/etc/machine-id"),
    bootId: textOf("/proc/sys/kernel/random/boot_id"),
    host: hostname(),
  };
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return ""; // Not on this system.
  }
}

/**
 * `same`: locks of files tell who lives. `rebooted`: nobody of then can live. `other`: nothing can be known from here.
 */
export function relation(then: Machine, now: Machine): "same" | "rebooted" | "other" {
  if (then.bootId === now.bootId) return "same";
  return then.machineId === now.machineId ? "rebooted" : "other";
}
