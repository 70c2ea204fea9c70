/**
 * What a store knows, record by record, for people and programs that want it elsewhere.
 */
import type { ContentPart } from "../store.ts";
import { type SessionRow, sessionRecord, sessionsFrom } from "./session-rows.ts";
import type { Sql } from "./sql.ts";
import { type PartRow, partOf } from "./turn-reads.ts";
import { type TurnRow, turnRecord, turnsFrom } from "./turn-rows.ts";

export interface ExportOptions {
  /** Only of this tenant. `undefined`: of all. */
  readonly tenant: string | undefined;
  /** Whether words come along: prompts, answers, results, events, transcripts. */
  readonly withContent: boolean;
}

/** A line of the export. What each has beside `record` is what the store's interface says. */
export type ExportRecord = { readonly record: string } & Readonly<Record<string, unknown>>;

/** All of it is of one moment. A server beside it goes on writing. */
export function* exportRecords(sql: Sql, { tenant, withContent }: ExportOptions): Generator<ExportRecord> {
  sql.exec("begin");
  try {
    const ofTenant = "where ?1 is null or n.name = ?1";
    for (const row of rows<SessionRow>(sql, `${sessionsFrom} ${ofTenant} order by s.key`, tenant)) {
      yield { record: "session", ...sessionRecord(row) };
      if (withContent) yield* contentOfSession(sql, row);
    }
    for (const row of rows<TurnRow>(sql, `${turnsFrom} ${ofTenant} order by t.key`, tenant)) {
      yield { record: "turn", ...turnRecord(row) };
      if (withContent) yield* contentOfTurn(sql, row);
    }
  } finally {
    if (sql.db.isTransaction) sql.exec("rollback");
  }
}

function rows<Row>(sql: Sql, text: string, tenant: string | undefined): IterableIterator<Row> {
  // A statement of its own: one that is being read cannot be used for anything else.
  return sql.db.prepare(text).iterate(tenant ?? null) as IterableIterator<Row>;
}

function* contentOfSession(sql: Sql, { key, tenant, id: sessionId }: SessionRow): Generator<ExportRecord> {
  const pieces = sql.all<{ offset_bytes: number; data: Uint8Array }>(
    "select offset_bytes, data from transcript_pieces where session_key = ?1 order by offset_bytes",
    key,
  );
  for (const { offset_bytes: offsetBytes, data } of pieces) {
    yield { record: "transcript", tenant, sessionId, offsetBytes, base64: base64(data) };
  }
  const files = sql.all<{ name: string; data: Uint8Array }>(
    "select name, data from session_files where session_key = ?1 order by name",
    key,
  );
  for (const { name, data } of files) yield { record: "sessionFile", tenant, sessionId, name, base64: base64(data) };
}

function* contentOfTurn(sql: Sql, { key, id: turnId, tenant }: TurnRow): Generator<ExportRecord> {
  const parts = sql.all<PartRow & { data: Uint8Array }>(
    `select side, media_type, is_document, title, digest, data from parts
     where turn_key = ?1 order by side = 'answer', position`,
    key,
  );
  for (const row of parts) {
    const part: Omit<ContentPart, "data"> = partOf(row);
    const isText = part.mediaType.startsWith("text/");
    const words = isText ? { text: Buffer.from(row.data).toString() } : { base64: base64(row.data) };
    yield { record: "part", tenant, turnId, ...part, digest: row.digest, ...words };
  }
  const result = sql.get<{ data: Uint8Array }>("select data from results where turn_key = ?1", key);
  if (result !== undefined) yield { record: "result", tenant, turnId, base64: base64(result.data) };
  const events = sql.all<{ first_sequence: number; last_sequence: number; data: Uint8Array }>(
    "select first_sequence, last_sequence, data from events where turn_key = ?1 order by first_sequence",
    key,
  );
  for (const row of events) {
    const { first_sequence: firstSequence, last_sequence: lastSequence, data } = row;
    yield { record: "events", tenant, turnId, firstSequence, lastSequence, base64: base64(data) };
  }
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
