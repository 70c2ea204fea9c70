/**
 * What is read about turns: records, lists, results, events, words.
 */
import type { ContentSummary, EventRun, TurnQuery, TurnRecord, WordLimits } from "../store.ts";
import type { Context, Handler } from "./handler.ts";
import { isAlive } from "./session-rows.ts";
import type { Sql, SqlValue } from "./sql.ts";
import { placeholders } from "./sql.ts";
import { type TurnRow, turnRecord, turnRow, turnsFrom } from "./turn-rows.ts";

export const turn: Handler<{ readonly tenant: string; readonly turnId: string }, TurnRecord | undefined> = (
  { sql },
  { tenant, turnId },
) => {
  const row = turnRow(sql, "t.id = ?1 and n.name = ?2", turnId, tenant);
  return row && turnRecord(row);
};

export const turnByRequestId: Handler<
  { readonly tenant: string; readonly requestId: string },
  TurnRecord | undefined
> = ({ sql }, { tenant, requestId }) => {
  const row = sql.get<TurnRow>(
    `select t.*, n.name as tenant from tenants n join requests r on r.tenant_key = n.key
     join turns t on t.key = r.turn_key where n.name = ?1 and r.request_id = ?2`,
    tenant,
    requestId,
  );
  return row && turnRecord(row);
};

export const result: Handler<{ readonly tenant: string; readonly turnId: string }, boolean> = (
  { sql, sendBack },
  { tenant, turnId },
) => {
  const row = sql.get<{ data: Uint8Array }>(
    `select r.data from results r join turns t on t.key = r.turn_key join tenants n on n.key = t.tenant_key
     where t.id = ?1 and n.name = ?2`,
    turnId,
    tenant,
  );
  if (row !== undefined) sendBack(row.data);
  return row !== undefined;
};

/** A listed turn. The texts of its parts come as pieces, which may end within a character. */
export interface ListedRow {
  readonly turn: TurnRecord;
  readonly parts: readonly Omit<ContentSummary, "text">[];
}

export const turns: Handler<TurnQuery, readonly ListedRow[]> = (context, query) => {
  const { sql } = context;
  const conditions: string[] = [];
  const values: SqlValue[] = [];
  const where = (condition: (first: number) => string, ...more: SqlValue[]) => {
    conditions.push(condition(values.length + 1));
    values.push(...more);
  };
  const isOfSession = query.sessionId !== undefined;
  if (query.sessionId !== undefined) {
    const keys = sessionKeys(context, query.tenant, query.sessionId);
    where((at) => `t.session_key in (${placeholders(keys.length, at)})`, ...keys);
  } else if (query.tenant !== undefined) {
    where((at) => `t.tenant_key = (select key from tenants where name = ?${at})`, query.tenant);
  }
  const { profiles } = query;
  if (profiles !== undefined) where((at) => `t.profile in (${placeholders(profiles.length, at)})`, ...profiles);
  if (query.turnId !== undefined) where((at) => `t.id = ?${at}`, query.turnId);
  if (query.state !== undefined) where((at) => `t.state = ?${at}`, query.state);
  // For the index that has only these.
  if (query.state === "waiting" || query.state === "running") conditions.push("t.state <> 'ended'");
  if (query.after !== undefined) {
    const beyond = isOfSession ? ">" : "<";
    where((at) => `(t.accepted_at, t.id) ${beyond} (?${at}, ?${at + 1})`, query.after.atMs, query.after.id);
  }
  const order = isOfSession ? "t.accepted_at, t.id" : "t.accepted_at desc, t.id desc";
  const rows = sql.all<TurnRow>(
    `${turnsFrom} ${conditions.length === 0 ? "" : `where ${conditions.join(" and ")}`}
     order by ${order} limit ?${values.length + 1}`,
    ...values,
    query.limit,
  );
  const { content } = query;
  if (content === undefined) return rows.map((row) => ({ turn: turnRecord(row), parts: [] }));
  const { maxListBytes = Number.POSITIVE_INFINITY } = content;
  const listed: ListedRow[] = [];
  let bytes = 0;
  for (const row of rows) {
    const words = summaries(context, row.key, content);
    listed.push({ turn: turnRecord(row), parts: words.parts });
    bytes += words.bytes;
    if (bytes > maxListBytes && listed.length > 1) break;
  }
  return listed;
};

/** Looked up first: the turns of a session are then found by it, and not among all of the tenant's. */
function sessionKeys({ sql, nowMs }: Context, tenant: string | undefined, id: string): readonly number[] {
  return sql
    .all<{ key: number }>(
      `select s.key from tenants n join sessions s on s.tenant_key = n.key and s.id = ?2
       where (?1 is null or n.name = ?1) and ${isAlive("?3")}`,
      tenant,
      id,
      nowMs,
    )
    .map(({ key }) => key);
}

function summaries(
  { sql, sendBack }: Context,
  turnKey: number,
  { maxTextBytes, maxTurnBytes = Number.POSITIVE_INFINITY }: WordLimits,
): { readonly parts: ListedRow["parts"]; readonly bytes: number } {
  const rows = sql.all<PartRow & { size: number; head: Uint8Array }>(
    // One byte more than may be shown says whether that is all.
    `select side, media_type, is_document, title, digest, length(data) as size,
       coalesce(iif(media_type like 'text/%', substr(data, 1, ?2 + 1), null), x'') as head
     from parts where turn_key = ?1 order by side = 'answer', position`,
    turnKey,
    maxTextBytes,
  );
  let bytes = 0;
  const parts = rows.map((row) => {
    const head = row.head.subarray(0, Math.min(maxTextBytes, maxTurnBytes - bytes));
    bytes += head.byteLength;
    sendBack(head);
    return {
      ...partOf(row),
      digest: row.digest,
      sizeBytes: row.size,
      isCut: row.head.byteLength > head.byteLength,
    };
  });
  return { parts, bytes };
}

export interface PartRow {
  readonly side: "prompt" | "answer";
  readonly media_type: string;
  readonly is_document: number;
  readonly title: string;
  readonly digest: string;
}

export function partOf(row: PartRow) {
  return { side: row.side, mediaType: row.media_type, isDocument: row.is_document === 1, title: row.title };
}

export interface ReadEvents {
  readonly turnId: string;
  readonly afterSequence: number;
  readonly maxBytes: number;
}

export const events: Handler<ReadEvents, readonly Omit<EventRun, "packed">[]> = ({ sql, sendBack }, query) => {
  const found: { firstSequence: number; lastSequence: number }[] = [];
  const turn = sql.get<{ key: number }>("select key from turns where id = ?1", query.turnId);
  if (turn === undefined) return found;
  let bytes = 0;
  let after = query.afterSequence;
  while (found.length === 0 || bytes < query.maxBytes) {
    const row = nextRun(sql, turn.key, after);
    if (row === undefined) break;
    const from = firstAfter(row.data, query.afterSequence);
    const packed = row.data.subarray(from);
    sendBack(packed);
    bytes += packed.byteLength;
    found.push({
      firstSequence: from === 0 ? row.first_sequence : sequenceAt(packed),
      lastSequence: row.last_sequence,
    });
    after = row.last_sequence;
  }
  return found;
};

function nextRun(sql: Sql, turnKey: number, afterSequence: number) {
  return sql.get<{ first_sequence: number; last_sequence: number; data: Uint8Array }>(
    // The run before the one that begins behind the number may reach over it.
    `select first_sequence, last_sequence, data from events
     where turn_key = ?1 and last_sequence > ?2 and first_sequence >= coalesce(
       (select max(first_sequence) from events where turn_key = ?1 and first_sequence <= ?2), 0)
     order by first_sequence limit 1`,
    turnKey,
    afterSequence,
  );
}

/** An event's head: its number, its flags, its length. */
const headBytes = 9;

const sequenceAt = (packed: Uint8Array) => new DataView(packed.buffer, packed.byteOffset).getUint32(0, true);

/** Where the first event begins whose number is larger. */
function firstAfter(packed: Uint8Array, sequence: number): number {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  let at = 0;
  while (at < packed.byteLength && view.getUint32(at, true) <= sequence) at += headBytes + view.getUint32(at + 5, true);
  return at;
}

export interface ReadContent {
  readonly tenant: string;
  readonly turnId: string;
  readonly digest: string;
  readonly offsetBytes: number;
  readonly maxBytes: number;
}

export const content: Handler<ReadContent, { readonly sizeBytes: number; readonly mediaType: string } | undefined> = (
  { sql, sendBack },
  query,
) => {
  const row = sql.get<{ size: number; media_type: string; data: Uint8Array }>(
    `select length(p.data) as size, p.media_type, coalesce(substr(p.data, ?4 + 1, ?5), x'') as data
     from parts p join turns t on t.key = p.turn_key join tenants n on n.key = t.tenant_key
     where t.id = ?1 and n.name = ?2 and p.digest = ?3 limit 1`,
    query.turnId,
    query.tenant,
    query.digest,
    query.offsetBytes,
    query.maxBytes,
  );
  if (row === undefined) return undefined;
  sendBack(row.data);
  return { sizeBytes: row.size, mediaType: row.media_type };
};
