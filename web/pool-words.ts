/**
 * The pool's enums as words and keys, and what a view counts with them. Pure.
 */
import { ErrorReason } from "../clients/typescript/src/gen/claude/runner/v1/error_pb.ts";
import { ClaimSource } from "../clients/typescript/src/gen/claude/runner/v1/event_pb.ts";
import {
  type ProfilePool,
  type RecentTurn,
  StartsState,
  WorkerState,
} from "../clients/typescript/src/gen/claude/runner/v1/pool_pb.ts";
import { Outcome } from "../clients/typescript/src/gen/claude/runner/v1/result_pb.ts";
import { claimText, outcomeText } from "./outcome.ts";

export interface StateWords {
  /** What the style calls it. */
  readonly key: string;
  readonly words: string;
}

/** In the order in which they are drawn: what works first, what comes and goes last. */
export const workerStates: ReadonlyMap<WorkerState, StateWords> = new Map([
  [WorkerState.CLAIMED, { key: "claimed", words: "in a turn" }],
  [WorkerState.BOUND_IDLE, { key: "bound", words: "bound, idle" }],
  [WorkerState.SPARE, { key: "spare", words: "spare" }],
  [WorkerState.RESETTING, { key: "resetting", words: "resetting" }],
  [WorkerState.CHECKING, { key: "checking", words: "being checked" }],
  [WorkerState.STARTING, { key: "starting", words: "starting" }],
  [WorkerState.STOPPING, { key: "stopping", words: "stopping" }],
]);

/** A state that this page does not know is no mistake: the server may be newer. */
export function workerStateWords(state: WorkerState): StateWords {
  return workerStates.get(state) ?? { key: "unknown", words: `state ${state}` };
}

/** The workers of a profile by state, those that there are, in drawing order. */
export function workersByState({ workerCounts }: ProfilePool): readonly (StateWords & { readonly count: number })[] {
  const order = [...workerStates.keys()];
  const place = (state: WorkerState) => (order.includes(state) ? order.indexOf(state) : order.length);
  return workerCounts
    .filter(({ count }) => count > 0)
    .sort((a, b) => place(a.state) - place(b.state))
    .map(({ state, count }) => ({ ...workerStateWords(state), count }));
}

/** How turns got their workers, the ways that occurred, with their share of all. */
export function claimShares({ claimCounts }: ProfilePool): readonly ClaimShare[] {
  const total = claimCounts.reduce((sum, { count }) => sum + Number(count), 0);
  return claimCounts
    .filter(({ count, source }) => count > 0n && source !== ClaimSource.UNSPECIFIED)
    .map(({ source, count }) => ({
      key: claimKeys[source] ?? "unknown",
      words: claimText(source),
      count: Number(count),
      share: Number(count) / total,
    }));
}

export interface ClaimShare extends StateWords {
  readonly count: number;
  /** 0 to 1. */
  readonly share: number;
}

const claimKeys: Readonly<Partial<Record<ClaimSource, string>>> = {
  [ClaimSource.REUSED]: "reused",
  [ClaimSource.SPARE]: "spare",
  [ClaimSource.COLD_NO_SPARE]: "cold",
  [ClaimSource.COLD_POOL_OFF]: "cold",
};

/** What keeps a profile from starting workers; empty: nothing. */
export function startsProblem(starts: StartsState): string {
  switch (starts) {
    case StartsState.FAILING:
      return "Workers fail to start: they are tried one at a time until one succeeds.";
    case StartsState.CLI_UNAVAILABLE:
      return "There is no usable Claude Code program; the server keeps looking for one.";
    default:
      return "";
  }
}

export interface TurnState {
  readonly words: string;
  /** What it is coloured by. */
  readonly tone: "running" | "good" | "bad" | "plain";
}

/** How a recent turn stands. */
export function turnState(turn: RecentTurn): TurnState {
  if (turn.running) {
    return { words: turn.claimSource === ClaimSource.UNSPECIFIED ? "waiting" : "running", tone: "running" };
  }
  if (turn.outcome === Outcome.COMPLETED) return { words: "completed", tone: "good" };
  const words = turn.outcome === Outcome.UNSPECIFIED ? "refused" : outcomeText(turn.outcome);
  // Other outcomes say their reason themselves.
  const isReasonNews = turn.outcome === Outcome.UNSPECIFIED || turn.outcome === Outcome.UPSTREAM_ERROR;
  const reason = isReasonNews ? reasonName(turn.errorReason) : "";
  const isBad = turn.outcome === Outcome.UNSPECIFIED || turn.outcome >= Outcome.DEADLINE_EXCEEDED;
  return { words: reason === "" ? words : `${words}: ${reason}`, tone: isBad ? "bad" : "plain" };
}

const reasonNames: ReadonlyMap<number, string> = new Map(
  Object.entries(ErrorReason).map(([name, reason]) => [reason, name]),
);

/** A reason as the rest of the contract spells it: `QUEUE_FULL`. Empty: there is none. */
export function reasonName(reason: ErrorReason): string {
  if (reason === ErrorReason.UNSPECIFIED) return "";
  return reasonNames.get(reason) ?? `reason ${reason}`;
}
