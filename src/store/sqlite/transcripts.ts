/**
 * Claude Code's own transcripts, piece by piece as they grow, and the files beside them.
 *
 * While a turn runs the pieces may reach further than what the conversation goes through. How much of them counts is said
 * with its end, and the rest goes.
 */
import type { TranscriptState, TurnLease } from "../store.ts";
import type { Context, Handler } from "./handler.ts";
import { held } from "./lease-check.ts";
import type { SessionName } from "./session-reads.ts";
import { sessionById, sessionByKey } from "./session-rows.ts";
import type { Sql } from "./sql.ts";

/** More of a transcript; its bytes come as the one piece. */
export interface AppendTranscript extends TurnLease {
  readonly cliSessionId: string;
  readonly offsetBytes: number;
}

export const appendTranscript: Handler<AppendTranscript, void> = (context, piece) => {
  const { sql, pieces } = context;
  const session = sessionOf(context, piece);
  const { cliSessionId, offsetBytes } = piece;
  // Another session of Claude Code is another transcript: it begins anew.
  if (offsetBytes === 0 && session.cli_session_id !== cliSessionId) dropPieces(sql, session.key);
  else if (session.cli_session_id !== cliSessionId) {
    throw new Error(`bug: a transcript of ${cliSessionId} cannot go on from one of ${session.cli_session_id}`);
  }
  const end = transcriptEnd(sql, session.key);
  if (offsetBytes !== end) throw new Error(`bug: the transcript ends at ${end}, not at ${offsetBytes}`);
  sql.run(
    "insert into transcript_pieces(session_key, offset_bytes, tenant_key, data) values(?1, ?2, ?3, ?4)",
    session.key,
    offsetBytes,
    session.tenant_key,
    pieces[0],
  );
  sql.run("update sessions set cli_session_id = ?2 where key = ?1", session.key, cliSessionId);
};

export const putSessionFile: Handler<TurnLease & { readonly name: string }, void> = (context, file) => {
  const session = sessionOf(context, file);
  context.sql.run(
    `insert into session_files(session_key, name, tenant_key, data) values(?1, ?2, ?3, ?4)
     on conflict(session_key, name) do update set data = excluded.data`,
    session.key,
    file.name,
    session.tenant_key,
    context.pieces[0],
  );
};

export interface ReadTranscript {
  readonly tenant: string;
  readonly sessionId: string;
  readonly offsetBytes: number;
  readonly maxBytes: number;
}

export const readTranscript: Handler<ReadTranscript, void> = ({ sql, sendBack, nowMs }, query) => {
  const session = sessionById(sql, query.tenant, query.sessionId, nowMs);
  if (session === undefined) return;
  let left = query.maxBytes;
  for (let at = query.offsetBytes; left > 0; ) {
    const row = sql.get<{ data: Uint8Array }>(
      `select substr(data, ?2 - offset_bytes + 1, ?3) as data from transcript_pieces where session_key = ?1
       and offset_bytes <= ?2 and offset_bytes + length(data) > ?2 order by offset_bytes desc limit 1`,
      session.key,
      at,
      left,
    );
    if (row === undefined) return;
    sendBack(row.data);
    at += row.data.byteLength;
    left -= row.data.byteLength;
  }
};

export const sessionFiles: Handler<SessionName, readonly string[]> = ({ sql, sendBack, nowMs }, { tenant, id }) => {
  const session = sessionById(sql, tenant, id, nowMs);
  if (session === undefined) return [];
  const rows = sql.all<{ name: string; data: Uint8Array }>(
    "select name, data from session_files where session_key = ?1 order by name",
    session.key,
  );
  return rows.map(({ name, data }) => {
    sendBack(data);
    return name;
  });
};

export const sessionFileNames: Handler<SessionName, readonly string[]> = ({ sql, nowMs }, { tenant, id }) => {
  const session = sessionById(sql, tenant, id, nowMs);
  if (session === undefined) return [];
  const rows = sql.all<{ name: string }>(
    "select name from session_files where session_key = ?1 order by name",
    session.key,
  );
  return rows.map(({ name }) => name);
};

/** Leaves the part of a session's transcript that its conversation goes through. */
export function cutToWhatCounts(sql: Sql, sessionKey: number): void {
  const { transcript } = sessionByKey(sql, sessionKey);
  cutPieces(sql, sessionKey, transcript === null ? 0 : (JSON.parse(transcript) as TranscriptState).sizeBytes);
}

export function cutPieces(sql: Sql, sessionKey: number, sizeBytes: number): void {
  sql.run("delete from transcript_pieces where session_key = ?1 and offset_bytes >= ?2", sessionKey, sizeBytes);
  sql.run(
    `update transcript_pieces set data = substr(data, 1, ?2 - offset_bytes)
     where session_key = ?1 and offset_bytes + length(data) > ?2`,
    sessionKey,
    sizeBytes,
  );
}

function dropPieces(sql: Sql, sessionKey: number): void {
  sql.run("delete from transcript_pieces where session_key = ?1", sessionKey);
}

function transcriptEnd(sql: Sql, sessionKey: number): number {
  const text = `select offset_bytes + length(data) as end from transcript_pieces where session_key = ?1
     order by offset_bytes desc limit 1`;
  return sql.get<{ end: number }>(text, sessionKey)?.end ?? 0;
}

interface HeldSession {
  readonly key: number;
  readonly tenant_key: number;
  readonly cli_session_id: string | null;
}

/** The session that a turn has. The transaction keeps others from writing, so that a look is a fence here. */
function sessionOf({ sql }: Context, lease: TurnLease): HeldSession {
  const session = sql.get<HeldSession>(
    `select s.key, s.tenant_key, s.cli_session_id from turns t join sessions s on s.key = t.session_key
     where t.id = ?1 and t.epoch = ?2 and t.state <> 'ended' and s.running_turn = t.id and s.epoch = t.epoch`,
    lease.turnId,
    lease.epoch,
  );
  return held(lease, session);
}
