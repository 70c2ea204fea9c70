/**
 * What goes to the thread of a store and what comes back: operations by the batch, their bytes in one buffer each way.
 */
import type { RunnerReason } from "../../runner-error.ts";
import type { StoreLimits } from "../store-limits.ts";
import type { Machine } from "./machine.ts";
import type { OperationName } from "./operations.ts";
import type { Fault } from "./sqlite-faults.ts";

export interface SetUp {
  readonly ownerId: string;
  readonly limits: StoreLimits;
  /** Absent: in memory. */
  readonly file: { readonly folder: string; readonly machine: Machine } | undefined;
}

export interface BatchEntry {
  readonly name: OperationName;
  readonly input: unknown;
  readonly nowMs: number;
  /** How many bytes each of its pieces has. */
  readonly sizes: readonly number[];
}

export type ToStore =
  | { readonly kind: "open"; readonly nowMs: number }
  | {
      readonly kind: "batch";
      readonly entries: readonly BatchEntry[];
      /** Whether one of them must survive the end of the machine: then all of them do. */
      readonly isPowerSafe: boolean;
      readonly bytes: Uint8Array;
    }
  /** Looks after the store: the disk, the WAL, other servers. */
  | { readonly kind: "tend"; readonly nowMs: number }
  | { readonly kind: "close"; readonly nowMs: number };

/** Why an operation did nothing. */
export type Failure =
  | { readonly kind: "leaseLost"; readonly message: string }
  | { readonly kind: "fault"; readonly fault: Fault; readonly detail: string }
  | {
      readonly kind: "refused";
      readonly reason: RunnerReason;
      readonly message: string;
      readonly facts: Readonly<Record<string, string | number | boolean>>;
    }
  | { readonly kind: "bug"; readonly message: string };

export type Reply = { readonly output: unknown; readonly sizes: readonly number[] } | { readonly failure: Failure };

/** How the store is after what it did. */
export interface Condition {
  readonly usedBytes: number;
  /** What kept it from writing the last time. `undefined`: nothing did. */
  readonly fault: Fault | undefined;
}

export interface OwnersFound {
  readonly ownerIds: readonly string[];
  readonly lostTurnCount: number;
  readonly freedSessionCount: number;
}

export type FromStore =
  | {
      readonly kind: "opened";
      readonly recovered: OwnersFound;
      readonly notes: readonly string[];
      readonly condition: Condition;
    }
  | {
      readonly kind: "batch";
      readonly replies: readonly Reply[];
      readonly bytes: Uint8Array;
      readonly condition: Condition;
    }
  | { readonly kind: "tended"; readonly recovered: OwnersFound; readonly condition: Condition }
  | { readonly kind: "closed" };
