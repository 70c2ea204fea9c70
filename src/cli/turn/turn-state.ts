/**
 * What a turn on a process can be doing, and which states follow which.
 *
 * Leaves out what makes it go on: what the process says is `advance.ts`, what is decided here `turn-run.ts`.
 */
import type { CutModelCall, EndCause } from "../../turn-end.ts";
import type { CliMessage } from "../protocol/cli-messages.ts";
import type { Charge } from "./charges.ts";

/** What the CLI said last about its session. Some versions and settings say nothing of it. */
export type SessionState = "unknown" | "running" | "idle";

/** The prompt is written or being written; the CLI has not named it. */
export interface WaitingState {
  readonly kind: "waiting";
  readonly session: SessionState;
}

/** The CLI has named the prompt: what comes is of this turn. */
export interface RunningState {
  readonly kind: "running";
  readonly session: SessionState;
  /** The place of the prompt among the user lines that the process took; absent until it is in the conversation. */
  readonly promptNumber: number | undefined;
}

export type Progress = WaitingState | RunningState;

/** What ends a turn before the process would end it by itself. */
export interface EarlyEnd {
  readonly cause: EndCause;
  /** What its reader still gets. A caller who ended the turn wants nothing more of it. */
  readonly shows: "nothing" | "whatCameBefore";
  readonly cutModelCall: CutModelCall | undefined;
  /** How long it was silent when it was ended for that, in milliseconds. */
  readonly silentMs?: number | undefined;
}

export interface ResultLine {
  readonly message: CliMessage;
  readonly line: string;
  readonly charge: Charge | undefined;
}

/** The process did not end the turn: it is gone, or is being killed. */
export interface Death {
  readonly why: string;
  readonly silentMs?: number | undefined;
}

/** The process has yet to say a result. */
export type UnfinishedState =
  | Progress
  /** The CLI waits for an answer of ours: nobody is silent, and its time is not the turn's. */
  | { readonly kind: "asking"; readonly during: Progress }
  | { readonly kind: "ending"; readonly during: Progress; readonly early: EarlyEnd };

/** Its result is there. Rests here at full detail only, whose reader gets the lines after the result as well. */
export interface ResultedState {
  readonly kind: "resulted";
  readonly result: ResultLine;
  readonly promptNumber: number | undefined;
  readonly early: EarlyEnd | undefined;
  readonly session: SessionState;
  readonly lifeIsOver: boolean;
}

/** The turn's end has not been told yet. */
export type OpenState = UnfinishedState | ResultedState;

/** The turn's end has been told. */
export type ClosedState =
  /** What is missing is the process's word that it is idle. */
  | {
      readonly kind: "settling";
      readonly hasStarted: boolean;
      readonly session: SessionState;
      readonly lifeIsOver: boolean;
    }
  | { readonly kind: "abandoned"; readonly hasStarted: boolean; readonly death: Death }
  | { readonly kind: "idle"; readonly hasStarted: boolean; readonly death?: Death | undefined };

// waiting    -> running    [the CLI names the prompt]
// waiting    -> asking     [it asks]                    running -> asking   [it asks]
// asking     -> waiting    [answered, or withdrawn]     asking  -> running  [answered, or withdrawn]
// waiting, running, asking -> ending    [the first cause: its caller, a limit, a silent model]
// running, asking, ending  -> resulted  [its result]
// resulted   -> settling   [told; at once but at full detail]
// unfinished -> settling   [the prompt's life is over without a result]
// open       -> idle       [the prompt's life is over, and the process idle]
// settling   -> idle       [the same, or time is up]
// any        -> abandoned  [killed]
// any        -> idle       [the process is gone]
//
// Facts within a state may change: then it leads to itself.
export type TurnState = OpenState | ClosedState;

export type TurnStateKind = TurnState["kind"];

/** Where each state may lead. */
export const turnMoves: Readonly<Record<TurnStateKind, readonly TurnStateKind[]>> = {
  waiting: ["waiting", "running", "asking", "ending", "settling", "abandoned", "idle"],
  running: ["running", "asking", "ending", "resulted", "settling", "abandoned", "idle"],
  asking: ["asking", "waiting", "running", "ending", "resulted", "settling", "abandoned", "idle"],
  ending: ["ending", "resulted", "settling", "abandoned", "idle"],
  resulted: ["resulted", "settling", "abandoned", "idle"],
  settling: ["settling", "abandoned", "idle"],
  abandoned: ["idle"],
  idle: [],
};

export function isOpen(state: TurnState): state is OpenState {
  return state.kind !== "settling" && state.kind !== "abandoned" && state.kind !== "idle";
}

export function isUnfinished(state: TurnState): state is UnfinishedState {
  return isOpen(state) && state.kind !== "resulted";
}

/** How far a turn has come that has no result yet. */
export function progressOf(state: UnfinishedState): Progress {
  return state.kind === "asking" || state.kind === "ending" ? state.during : state;
}

/** What ended the turn early, if anything did. */
export function earlyEndOf(state: OpenState): EarlyEnd | undefined {
  return state.kind === "ending" || state.kind === "resulted" ? state.early : undefined;
}

/** Whether what the process says is passed on to the turn's reader. Asked for every line. */
export function isShown(state: TurnState): boolean {
  switch (state.kind) {
    case "waiting":
    case "running":
    case "asking":
      return true;
    case "ending":
    case "resulted":
      return state.early?.shows !== "nothing";
    default:
      return false;
  }
}

/** Whether the prompt is in the conversation of the process. */
export function hasStarted(state: TurnState): boolean {
  if (!isOpen(state)) return state.hasStarted;
  // A result is of a prompt that was taken, also where the CLI did not say so.
  return state.kind === "resulted" || promptNumberOf(state) !== undefined;
}

export function promptNumberOf(state: OpenState): number | undefined {
  if (state.kind === "resulted") return state.promptNumber;
  const progress = progressOf(state);
  return progress.kind === "running" ? progress.promptNumber : undefined;
}
