/**
 * Reads a whole session: what it is, and every turn with its words.
 */
import type { Session } from "../clients/typescript/src/gen/claude/runner/v1/session_pb.ts";
import {
  type TurnPart,
  type Turn as TurnRecord,
  TurnView,
} from "../clients/typescript/src/gen/claude/runner/v1/turn_pb.ts";
import type { Api } from "./api.ts";

export interface ReadSession {
  readonly session: Session;
  /** Oldest first; those that are not part of the conversation as well. */
  readonly turns: readonly TurnRecord[];
}

/** Another one when a turn has begun or ended in the session. Another title makes no difference. */
export function stampOf({ turnCount, lastTurnId, runningTurnId, costUsdMicros }: Session): string {
  return [turnCount, lastTurnId, runningTurnId, costUsdMicros].join(" ");
}

/** Throws what the calls fail with. `maxTurns`: of more, the last ones. */
export async function readSession(api: Api, id: string, maxTurns: number, signal: AbortSignal): Promise<ReadSession> {
  const { session } = await api.sessions.getSession({ id }, { signal });
  if (session === undefined) throw new Error("bug: a response without its session");
  const turns: TurnRecord[] = [];
  for await (const turn of turnsOf(api, id, TurnView.FULL, signal)) {
    turns.push(turn);
    if (turns.length > maxTurns) turns.shift();
  }
  for (const turn of turns) await completeTexts(api, turn, signal);
  return { session, turns };
}

/** All turns of a session, page by page. */
export async function* turnsOf(
  api: Api,
  sessionId: string,
  view: TurnView,
  signal: AbortSignal,
): AsyncGenerator<TurnRecord, void> {
  let pageToken = "";
  do {
    const page = await api.turns.listTurns({ sessionId, view, pageToken, pageSize: 200 }, { signal });
    yield* page.turns;
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
}

/** Lists cut long texts. */
async function completeTexts(api: Api, { id, prompt, answer }: TurnRecord, signal: AbortSignal): Promise<void> {
  for (const part of [...prompt, ...answer]) {
    if (!part.textTruncated) continue;
    part.text = await wholeText(api, id, part, signal);
    part.textTruncated = false;
  }
}

async function wholeText(api: Api, turnId: string, { digest }: TurnPart, signal: AbortSignal): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const { data } of api.turns.getTurnContent({ turnId, digest }, { signal })) {
    text += decoder.decode(data, { stream: true });
  }
  return text + decoder.decode();
}
