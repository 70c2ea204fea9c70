/**
 * Copies of conversations. A copy has its own turns, with new ids, so that whatever becomes of the other, it stays.
 */
import { randomUUID } from "node:crypto";
import { noUsage } from "../../usage.ts";
import type { Fork, Forking, TranscriptState } from "../store.ts";
import { makeRoom, tenantOf } from "./caps.ts";
import type { Context, Handler } from "./handler.ts";
import { type SessionRow, sessionById, sessionByKey, sessionRecord } from "./session-rows.ts";
import { cutPieces } from "./transcripts.ts";
import { existingSession, insertSession } from "./turn-acceptance.ts";
import { type TurnRow, turnsFrom } from "./turn-rows.ts";

export const forkSession: Handler<Fork & { readonly weight: number }, Forking> = (context, fork) => {
  const { sql, nowMs } = context;
  const source = sessionById(sql, fork.tenant, fork.sessionId, nowMs);
  if (source === undefined) return { kind: "sessionNotFound" };
  const tenant = tenantOf(sql, fork.tenant, fork.weight);
  if (existingSession(context, tenant, fork.newId) !== undefined) return { kind: "sessionExists" };
  const all = sql.all<TurnRow>(
    `${turnsFrom} where t.session_key = ?1 and t.in_conversation = 1 order by t.epoch`,
    source.key,
  );
  const count = turnsToCopy(all, fork.until);
  if (count === undefined) return { kind: "turnNotInConversation" };
  const turns = all.slice(0, count);
  const full = makeRoom(context, tenant, { sessions: 1, bytes: bytesOf(context, source, turns) });
  if (full !== undefined) return full;

  const { key } = insertSession(context, tenant.key, {
    id: fork.newId,
    profile: source.profile,
    binding: sessionRecord(source).binding,
    kind: source.kind ?? undefined,
    title: fork.title ?? source.title,
    labels: JSON.parse(source.labels) as Record<string, string>,
    idleExpiryMs: source.idle_expiry_ms,
  });
  const copies = turns.map((turn) => copyTurn(context, turn, { key, id: fork.newId }));
  const last = turns.at(-1);
  sql.run(
    `update sessions set turn_count = ?2, last_turn = ?3, epoch = ?4, context_tokens = ?5, context_window_tokens = ?6,
       forked_from = ?7, profile_digest = ?8 where key = ?1`,
    key,
    count,
    copies.at(-1),
    last?.epoch ?? 0,
    last?.context_tokens ?? 0,
    last?.context_window_tokens ?? 0,
    JSON.stringify({ sessionId: source.id, turnId: last?.id }),
    last?.profile_digest ?? undefined,
  );
  if (last?.transcript != null) copyTranscript(context, source, key, JSON.parse(last.transcript), fork.newCliSessionId);
  return { kind: "forked", session: sessionRecord(sessionByKey(sql, key)) };
};

/** How many turns of a conversation a fork has; `undefined` if its end is none of them. */
export function turnsToCopy(turns: readonly { readonly id: string }[], until: Fork["until"]): number | undefined {
  if (until.kind === "all") return turns.length;
  const at = turns.findIndex(({ id }) => id === until.turnId);
  if (at < 0) return undefined;
  return until.kind === "after" ? at + 1 : at;
}

function bytesOf({ sql }: Context, source: SessionRow, turns: readonly TurnRow[]): number {
  const words = turns.reduce((sum, { key }) => {
    const text = "select coalesce(sum(length(data) + 64), 0) as bytes from parts where turn_key = ?1";
    return sum + (sql.get<{ bytes: number }>(text, key)?.bytes ?? 0);
  }, 1);
  const kept = ["transcript_pieces", "session_files"].reduce((sum, table) => {
    const text = `select coalesce(sum(length(data) + 64), 0) as bytes from ${table} where session_key = ?1`;
    return sum + (sql.get<{ bytes: number }>(text, source.key)?.bytes ?? 0);
  }, 0);
  return words + kept;
}

/** A copy cost nothing: what its turn cost stands with the turn that ran. */
function copyTurn({ sql }: Context, turn: TurnRow, session: { readonly key: number; readonly id: string }): string {
  const id = randomUUID();
  const copy = sql.get<{ key: number }>(
    `insert into turns(id, tenant_key, profile, model, detail, on_disconnect, session_key, session_id, holds_session,
       owner, epoch, state, outcome, error, accepted_at, started_at, ended_at, usage, highest_sequence, in_conversation,
       has_content, context_tokens, context_window_tokens, profile_digest, transcript)
     select ?2, tenant_key, profile, model, detail, on_disconnect, ?3, ?4, 1,
       owner, epoch, state, outcome, error, accepted_at, started_at, ended_at, ?5, highest_sequence, in_conversation,
       has_content, context_tokens, context_window_tokens, profile_digest, transcript from turns where key = ?1 returning key`,
    turn.key,
    id,
    session.key,
    session.id,
    JSON.stringify(noUsage),
  ) as { key: number };
  sql.run(
    `insert into parts(turn_key, side, position, tenant_key, media_type, is_document, title, digest, data)
     select ?2, side, position, tenant_key, media_type, is_document, title, digest, data from parts where turn_key = ?1`,
    turn.key,
    copy.key,
  );
  return id;
}

function copyTranscript(
  { sql }: Context,
  source: SessionRow,
  key: number,
  state: TranscriptState,
  cliSessionId: string,
): void {
  sql.run(
    `insert into transcript_pieces(session_key, offset_bytes, tenant_key, data)
     select ?2, offset_bytes, tenant_key, data from transcript_pieces where session_key = ?1 and offset_bytes < ?3`,
    source.key,
    key,
    state.sizeBytes,
  );
  cutPieces(sql, key, state.sizeBytes);
  sql.run(
    `insert into session_files(session_key, name, tenant_key, data)
     select ?2, name, tenant_key, data from session_files where session_key = ?1`,
    source.key,
    key,
  );
  sql.run(
    "update sessions set cli_session_id = ?2, transcript = ?3 where key = ?1",
    key,
    cliSessionId,
    JSON.stringify({ ...state, cliSessionId } satisfies TranscriptState),
  );
}
