/**
 * How much memory there is to hand out: the machine's, or what the container that this runs in may use of it.
 */
import { totalmem } from "node:os";

export interface MachineMemory {
  readonly bytes: number;
  /** Whether it is a container's limit and not the machine's memory. */
  readonly isContainerLimit: boolean;
}

const mebibytes = 1024 * 1024;
/** The least that workers can be run in. */
export const minMemoryBudgetBytes = 256 * mebibytes;

/** `limitBytes` as `process.constrainedMemory()` gives it: 0, or more than there is, where there is no limit. */
export function memoryWithin(totalBytes: number, limitBytes: number): MachineMemory {
  const isContainerLimit = limitBytes > 0 && limitBytes < totalBytes;
  return { bytes: isContainerLimit ? limitBytes : totalBytes, isContainerLimit };
}

export function machineMemory(): MachineMemory {
  return memoryWithin(totalmem(), process.constrainedMemory());
}

/** Half of it is for workers; the rest is for the server, for tools and for what else runs there. */
export function defaultMemoryBudgetBytes({ bytes }: MachineMemory): number {
  return Math.max(minMemoryBudgetBytes, Math.floor(bytes / 2));
}
