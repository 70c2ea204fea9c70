/**
 * The ends that servers could not write themselves: each open turn of theirs ends here, and the sessions are free again.
 *
 * Whether a server is gone is not decided here (`owners.ts`).
 */
import type { RecordedError } from "../store.ts";
import type { Context } from "./handler.ts";
import { cutToWhatCounts } from "./transcripts.ts";
import { type TurnRow, turnsFrom } from "./turn-rows.ts";
import { settleTurn } from "./turn-writes.ts";

export interface LostCounts {
  readonly lostTurnCount: number;
  readonly freedSessionCount: number;
}

export function endTurnsOf(context: Context, ownerId: string): LostCounts {
  const { sql } = context;
  const turns = sql.all<TurnRow>(`${turnsFrom} where t.owner = ?1 and t.state <> 'ended'`, ownerId);
  let freedSessionCount = 0;
  for (const turn of turns) {
    endLostTurn(context, turn);
    if (turn.holds_session === 1 && turn.session_key !== null) {
      freeSession(context, turn.session_key, turn.id);
      freedSessionCount += 1;
    }
  }
  return { lostTurnCount: turns.length, freedSessionCount };
}

function endLostTurn(context: Context, turn: TurnRow): void {
  const { sql, nowMs } = context;
  // Nobody waits until it is written that a turn runs, so one that had all that it needs may have run: a request that was
  // perhaps carried out must not be carried out again. One that never had its session did not.
  const mayHaveRun = turn.epoch > 0;
  // Nothing up to the mark is used again: what lies between was perhaps delivered, and is lost.
  const lastSequence = turn.highest_sequence + 1;
  const error: RecordedError = {
    reason: "TURN_LOST",
    message: mayHaveRun
      ? "the server that had the turn has died; what the turn did up to then is not known"
      : "the server that had accepted the turn died before Claude Code got the prompt",
    facts: { turnId: turn.id, lastSequence },
  };
  sql.run(
    `update turns set state = 'ended', ended_at = ?2, outcome = ?3, error = ?4, highest_sequence = ?5,
       epoch = epoch + 1 where key = ?1`,
    turn.key,
    nowMs,
    mayHaveRun ? "lost" : undefined,
    JSON.stringify(error),
    lastSequence,
  );
  settleTurn(context, turn, mayHaveRun ? "lost" : undefined);
}

/** The conversation stands where it stood before the turn, and so does its transcript. */
function freeSession({ sql, nowMs }: Context, sessionKey: number, turnId: string): void {
  cutToWhatCounts(sql, sessionKey);
  sql.run(
    `update sessions set running_turn = null, epoch = epoch + 1, updated_at = max(updated_at, ?3),
       expires_at = max(expires_at, ?3 + idle_expiry_ms) where key = ?1 and running_turn = ?2`,
    sessionKey,
    turnId,
    nowMs,
  );
}
