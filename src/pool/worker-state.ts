/**
 * What a worker can be doing, and which states follow which.
 */
import type { BoundHolding } from "./claim.ts";
import type { StopReason } from "./stop-reason.ts";

export interface SpareState {
  readonly kind: "spare";
  readonly sinceMs: number;
  /** Rises with each worker that becomes idle: the larger, the more recently used. */
  readonly order: number;
  /** When the process last gave a sign of life. */
  readonly verifiedAtMs: number;
}

export interface BoundIdleState extends Omit<SpareState, "kind"> {
  readonly kind: "boundIdle";
  /** Whom it serves: tenant and binding in one. */
  readonly affinity: string;
  readonly holds: BoundHolding;
}

export type IdleState = SpareState | BoundIdleState;

// starting  -> spare      [it answers]    starting  -> boundIdle  [it answers, and serves one session]
// spare     -> claimed    [claim]         boundIdle -> claimed    [claim]
// spare     -> checking   [check]         boundIdle -> checking   [check]
// checking  -> spare      [it answers]    checking  -> boundIdle  [it answers]
// claimed   -> resetting  [finished]      resetting -> boundIdle  [clean]
// claimed   -> boundIdle  [finished, and its conversation is kept]
// boundIdle -> resetting  [its conversation is kept no longer]
// claimed   -> claimed    [finishing]
// living    -> stopping   [stop]          any       -> exited     [the process is gone]
export type WorkerState =
  | { readonly kind: "starting"; readonly sinceMs: number }
  | IdleState
  | { readonly kind: "checking"; readonly sinceMs: number; readonly idle: IdleState }
  | {
      readonly kind: "claimed";
      readonly sinceMs: number;
      readonly turnId: string;
      readonly affinity: string;
      /** Set when the turn is over and only the process's word that it is idle is missing. */
      readonly finishingSinceMs?: number;
    }
  | {
      readonly kind: "resetting";
      readonly sinceMs: number;
      readonly affinity: string;
      /** Since when it was idle before it was reset; absent when its turn has just ended. */
      readonly idle?: Pick<BoundIdleState, "sinceMs" | "order">;
    }
  | { readonly kind: "stopping"; readonly sinceMs: number; readonly why: StopReason }
  | { readonly kind: "exited"; readonly sinceMs: number; readonly why: StopReason };

export type WorkerKind = WorkerState["kind"];

/** Where each state may lead. */
export const moves: Readonly<Record<WorkerKind, readonly WorkerKind[]>> = {
  starting: ["spare", "boundIdle", "stopping", "exited"],
  spare: ["claimed", "checking", "stopping", "exited"],
  boundIdle: ["claimed", "checking", "resetting", "stopping", "exited"],
  checking: ["spare", "boundIdle", "stopping", "exited"],
  claimed: ["claimed", "resetting", "boundIdle", "stopping", "exited"],
  resetting: ["boundIdle", "stopping", "exited"],
  stopping: ["exited"],
  exited: [],
};

/** What a worker can be doing while it is there. */
export const livingKinds = Object.keys(moves).filter((kind) => kind !== "exited") as readonly Exclude<
  WorkerKind,
  "exited"
>[];

/** A worker of one tenant serves the turns of one affinity only: the same tenant and the same binding. */
export function affinityOf(turn: { readonly tenant: string; readonly bindingKey: string }): string {
  return `${turn.tenant}\0${turn.bindingKey}`;
}

/**
 * Whether a worker in this state has never been a tenant's, unless it is started for a session. Of one that is being ended
 * its state does not tell.
 */
export function isNobodys(state: WorkerState): boolean {
  const { kind } = state.kind === "checking" ? state.idle : state;
  return kind === "starting" || kind === "spare";
}

export function isLiving(kind: WorkerKind): boolean {
  return kind !== "stopping" && kind !== "exited";
}
