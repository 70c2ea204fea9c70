/**
 * When a worker forgets its turn: at once when the turn gives it back, or not before somebody needs it for another one.
 * Pure.
 *
 * A worker that is reset late can go on with its conversation without being handed it again. Until then the conversation
 * stays in a process's memory, and the reset is on the way of the turn that needs the worker. So it is kept only where
 * its profile says for how long, only when it has a name by which the next turn can ask for it, and never longer.
 */
import type { WorkerState } from "./worker-state.ts";

export interface KeepingLimits {
  /** For how long an idle worker may keep its conversation, in milliseconds. 0: it is reset when its turn ends. */
  readonly keepConversationMs: number;
}

/** The conversation that a worker keeps after its turn; `undefined`: it is reset at once. */
export function keptConversation(conversation: string | undefined, limits: KeepingLimits): string | undefined {
  return limits.keepConversationMs > 0 ? conversation : undefined;
}

/** Whether an idle worker has kept its conversation for long enough. */
export function hasKeptTooLong(state: WorkerState, limits: KeepingLimits, nowMs: number): boolean {
  if (state.kind !== "boundIdle" || state.holds.kind !== "conversation") return false;
  return nowMs - state.sinceMs >= limits.keepConversationMs;
}

/** Whether an idle worker has to be reset before it serves a turn of its binding that asks for this conversation. */
export function needsReset(state: WorkerState, conversation: string | undefined): boolean {
  return state.kind === "boundIdle" && state.holds.kind === "conversation" && state.holds.id !== conversation;
}
