/**
 * The names under which a worker may keep what a session's turns have said. Pure.
 *
 * A name holds all that a worker must have in common with the turn that asks for it: the session, the last turn that is in
 * it, and model and effort. Changing either of these leaves words of Claude Code's own in a conversation, so a turn with
 * another model finds no worker that has kept anything: it is seeded anew.
 */
import type { KeptNames, ModelSettings, Turn } from "../turn.ts";

export interface SessionTurn {
  readonly sessionId: string;
  /** The last turn that is part of the conversation. Absent: there is none. */
  readonly lastTurnId?: string | undefined;
  readonly turn: Pick<Turn, "id" | "settings">;
}

export function keptNames({ sessionId, lastTurnId, turn }: SessionTurn): KeptNames {
  return {
    ...(lastTurnId !== undefined && { before: nameOf(sessionId, lastTurnId, turn.settings) }),
    after: nameOf(sessionId, turn.id, turn.settings),
  };
}

/** Whether a name stands for a conversation of the session. */
export function isNameOf(name: string, sessionId: string): boolean {
  return name.startsWith(`${JSON.stringify([sessionId]).slice(0, -1)},`);
}

function nameOf(sessionId: string, turnId: string, { model, effort }: ModelSettings): string {
  return JSON.stringify([sessionId, turnId, model, effort]);
}
