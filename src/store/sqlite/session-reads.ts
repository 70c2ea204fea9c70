/**
 * What is read about sessions: records, lists, conversations.
 */
import type { ContentPart, SessionQuery, SessionRecord } from "../store.ts";
import type { Context, Handler } from "./handler.ts";
import { isAlive, type SessionRow, sessionById, sessionRecord, sessionsFrom } from "./session-rows.ts";
import { folded, placeholders, type SqlValue } from "./sql.ts";
import { type PartRow, partOf } from "./turn-reads.ts";

export interface SessionName {
  readonly tenant: string;
  readonly id: string;
}

export const session: Handler<SessionName, SessionRecord | undefined> = ({ sql, nowMs }, { tenant, id }) => {
  const row = sessionById(sql, tenant, id, nowMs);
  return row && sessionRecord(row);
};

const stateConditions = {
  running: "s.running_turn is not null",
  suspended: "s.running_turn is null and s.suspension is not null",
  idle: "s.running_turn is null and s.suspension is null",
} as const satisfies Record<NonNullable<SessionQuery["state"]>, string>;

export const sessions: Handler<SessionQuery, readonly SessionRecord[]> = ({ sql, nowMs }, query) => {
  const conditions = ["s.tenant_key = (select key from tenants where name = ?1)", isAlive("?2")];
  const values: SqlValue[] = [query.tenant, nowMs];
  const where = (condition: (first: number) => string, ...more: SqlValue[]) => {
    conditions.push(condition(values.length + 1));
    values.push(...more);
  };
  const { profiles, titleContains, state, labels, after } = query;
  if (profiles !== undefined) where((at) => `s.profile in (${placeholders(profiles.length, at)})`, ...profiles);
  if (titleContains) where((at) => `instr(folded(s.title), ?${at}) > 0`, folded(titleContains));
  if (state !== undefined) conditions.push(stateConditions[state]);
  for (const [label, value] of Object.entries(labels ?? {})) {
    where(
      (at) => `exists (select 1 from json_each(s.labels) l where l.key = ?${at} and l.value = ?${at + 1})`,
      label,
      value,
    );
  }
  if (after !== undefined) where((at) => `(s.updated_at, s.id) < (?${at}, ?${at + 1})`, after.atMs, after.id);
  return sql
    .all<SessionRow>(
      `${sessionsFrom} where ${conditions.join(" and ")} order by s.updated_at desc, s.id desc limit ?${values.length + 1}`,
      ...values,
      query.limit,
    )
    .map(sessionRecord);
};

/** A turn of a conversation; the bytes of its parts come as pieces. */
export interface ConversationRow {
  readonly turnId: string;
  readonly parts: readonly Omit<ContentPart, "data">[];
}

export const conversation: Handler<SessionName, readonly ConversationRow[]> = (context, { tenant, id }) => {
  const { sql, nowMs } = context;
  const row = sessionById(sql, tenant, id, nowMs);
  if (row === undefined) return [];
  // In the order in which they had the session.
  const turns = sql.all<{ key: number; id: string }>(
    "select key, id from turns where session_key = ?1 and in_conversation = 1 order by epoch",
    row.key,
  );
  return turns.map((turn) => ({ turnId: turn.id, parts: parts(context, turn.key) }));
};

function parts({ sql, sendBack }: Context, turnKey: number): ConversationRow["parts"] {
  const rows = sql.all<PartRow & { data: Uint8Array }>(
    `select side, media_type, is_document, title, digest, data from parts
     where turn_key = ?1 order by side = 'answer', position`,
    turnKey,
  );
  return rows.map((row) => {
    sendBack(row.data);
    return partOf(row);
  });
}
