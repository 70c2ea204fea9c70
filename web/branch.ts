/**
 * Goes back to before a turn of a session: in a copy of the conversation, unless nothing came after the turn.
 */
import { type Turn as TurnRecord, TurnView } from "../clients/typescript/src/gen/claude/runner/v1/turn_pb.ts";
import { newId } from "../clients/typescript/src/request-id.ts";
import type { Api } from "./api.ts";
import { branchPointOf } from "./branch-point.ts";
import { turnsOf } from "./session-reader.ts";

/** The id of the copy; `undefined`: the session itself goes on. Throws what the calls fail with. */
export async function branchBefore(
  { api, signal }: { readonly api: Api; readonly signal: AbortSignal },
  sessionId: string,
  turnId: string,
): Promise<string | undefined> {
  const turns: TurnRecord[] = [];
  for await (const turn of turnsOf(api, sessionId, TurnView.BASIC, signal)) turns.push(turn);
  const point = branchPointOf(turns, turnId);
  if (point.kind === "here") return undefined;
  const until = { case: "beforeTurnId", value: point.turnId } as const;
  const { session } = await api.sessions.forkSession({ id: sessionId, newId: newId(), until }, { signal });
  return session?.id;
}
