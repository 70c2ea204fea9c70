/**
 * Opens the store of a server: a file where there is a place for one, else memory, as the settings say.
 */
import { randomUUID } from "node:crypto";
import { statSync } from "node:fs";
import type { Clock } from "../clock.ts";
import { RunnerError } from "../runner-error.ts";
import { type Machine, thisMachine } from "./sqlite/machine.ts";
import { openSqliteStore } from "./sqlite/sqlite-store.ts";
import { storePaths } from "./sqlite/store-files.ts";
import type { Recovered, Store, StoreLog } from "./store.ts";
import { defaultStoreLimits, type StoreLimits } from "./store-limits.ts";
import { placeProblem } from "./store-place.ts";

export interface OpenStoreOptions {
  /** `auto`: a file where one can be, else memory. */
  readonly kind: "auto" | "sqlite" | "memory";
  /** Where its files are. `undefined`: no folder of this user is known. */
  readonly folder: string | undefined;
  readonly clock: Clock;
  readonly log: StoreLog;
  readonly limits?: StoreLimits;
  /** Whether every write survives the end of the machine. Default no: what asks for it does. */
  readonly powerSafeAll?: boolean;
  /** A tenant's share of the store, relative to others. Default 1. */
  readonly weightOf?: (tenant: string) => number;
  /** Default: what the system says. */
  readonly machine?: Machine;
}

export interface OpenedStore {
  readonly store: Store;
  readonly recovered: Recovered;
  /**
   * That what is stored does not survive a restart, for health and GetInfo, and why, which names folders of this machine.
   * `undefined`: it does, or nobody wants it to.
   */
  readonly warning: { readonly summary: string; readonly cause: string } | undefined;
}

/** Throws STORE_UNAVAILABLE with words for who starts the server. */
export async function openStore(options: OpenStoreOptions): Promise<OpenedStore> {
  const { kind, folder, clock, log } = options;
  const problem = kind === "memory" ? undefined : folder === undefined ? noFolder : placeProblem(folder);
  // Memory in place of a store that is there would hide every session in it.
  if (problem !== undefined && (kind === "sqlite" || (folder !== undefined && hasStore(folder)))) {
    throw new RunnerError("STORE_UNAVAILABLE", `store.folder: ${problem}`);
  }
  const warning = problem === undefined ? undefined : { summary: memoryOnly, cause: problem };
  if (warning !== undefined) log.warn({}, `${warning.summary}: ${warning.cause}`);
  const isFile = kind !== "memory" && problem === undefined;
  const { store, recovered } = await openSqliteStore({
    setUp: {
      ownerId: randomUUID(),
      limits: options.limits ?? defaultStoreLimits,
      file: isFile ? { folder: folder as string, machine: options.machine ?? thisMachine() } : undefined,
    },
    clock,
    log,
    powerSafeAll: options.powerSafeAll ?? false,
    weightOf: options.weightOf ?? (() => 1),
  });
  if (recovered.lostTurnCount > 0) {
    log.warn({ ...recovered }, "a server before this one has died; the turns that it left open have ended as lost");
  }
  return { store, recovered, warning };
}

const memoryOnly = "turns and sessions are kept in memory only, and are gone after a restart";
const noFolder = "this user has no home folder to keep a store in; name a folder in store.folder";

function hasStore(folder: string): boolean {
  const { sideFile, database } = storePaths(folder);
  return mayExist(sideFile) || mayExist(database);
}

/** What may not be looked at may be there. */
function mayExist(path: string): boolean {
  try {
    statSync(path);
    return true;
  } catch (error) {
    return !["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "");
  }
}
