/**
 * What must be true of a store, whatever happened to it. `claude-runner store check` asks, and so do tests after faults.
 */
import type { Sql } from "./sql.ts";
import { faultOf } from "./sqlite-faults.ts";

export interface StoreRule {
  /** What must be true, as it goes on from "checking". */
  readonly rule: string;
  /** What is not so. Empty: all is well. */
  find(sql: Sql): readonly string[];
}

/** At most so many violations of one rule are named. */
const maxNamed = 20;

/** A rule whose query finds what breaks it: rows with `what`. */
const rule = (text: string, query: string): StoreRule => ({
  rule: text,
  find: (sql) => sql.all<{ what: string }>(`${query} limit ${maxNamed}`).map(({ what }) => what),
});

const weighed = ["events", "parts", "results", "transcript_pieces", "session_files"]
  .map((table) => `select sum(length(data) + 64) as bytes from ${table} where tenant_key = n.key`)
  .join(" union all ");

export const storeRules: readonly StoreRule[] = [
  {
    rule: "the pages of the file are whole",
    find: (sql) =>
      sql
        .all<{ integrity_check: string }>(`pragma integrity_check(${maxNamed})`)
        .map(({ integrity_check }) => integrity_check)
        .filter((text) => text !== "ok"),
  },
  {
    rule: "nothing names what is not there",
    find: (sql) =>
      sql
        .all<{ table: string; rowid: number; parent: string }>("pragma foreign_key_check")
        .slice(0, maxNamed)
        .map(({ table, rowid, parent }) => `row ${rowid} of ${table} names a missing row of ${parent}`),
  },
  rule(
    "a session is held by the one open turn that holds it",
    `select 'session ' || s.id || ' is held by ' || coalesce(s.running_turn, 'none') || ', and its turns say ' ||
       coalesce(group_concat(t.id), 'none') as what
     from sessions s left join turns t on t.session_key = s.key and t.holds_session = 1 and t.state <> 'ended'
     group by s.key having coalesce(s.running_turn, '') <> coalesce(group_concat(t.id), '')`,
  ),
  rule(
    "a turn that holds its session has the session's epoch",
    `select 'turn ' || t.id || ' has epoch ' || t.epoch || ', its session ' || s.epoch as what
     from turns t join sessions s on s.key = t.session_key
     where t.holds_session = 1 and t.state <> 'ended' and t.epoch <> s.epoch`,
  ),
  rule(
    "a session counts the turns that its conversation goes through",
    `select 'session ' || s.id || ' counts ' || s.turn_count || ' turns, and has ' || count(t.key) as what
     from sessions s left join turns t on t.session_key = s.key and t.in_conversation = 1
     group by s.key having s.turn_count <> count(t.key)`,
  ),
  rule(
    "a turn has an end exactly when it has ended",
    `select 'turn ' || id || ' is ' || state as what from turns where (state = 'ended') <> (ended_at is not null)`,
  ),
  rule(
    "an ended turn without a session has a time to go",
    `select 'turn ' || id || ' stays for ever' as what from turns
     where state = 'ended' and session_key is null and expires_at is null`,
  ),
  rule(
    "an open turn belongs to a server",
    `select 'turn ' || id || ' belongs to nobody' as what from turns
     where state <> 'ended' and owner not in (select id from owners)`,
  ),
  rule(
    "a request id has a time to go exactly when its turn has ended",
    `select 'request ' || r.request_id || ' of turn ' || t.id as what from requests r join turns t on t.key = r.turn_key
     where (t.state = 'ended') <> (r.expires_at is not null)`,
  ),
  rule(
    "stored events do not overlap, and none is beyond the highest number",
    `select 'turn ' || t.id || ' has events ' || e.first_sequence || ' to ' || e.last_sequence as what
     from events e join turns t on t.key = e.turn_key
     where e.last_sequence < e.first_sequence or e.last_sequence > t.highest_sequence or exists (
       select 1 from events o where o.turn_key = e.turn_key
       and o.first_sequence < e.first_sequence and o.last_sequence >= e.first_sequence)`,
  ),
  rule(
    "a transcript has no hole and is as long as its conversation needs",
    `select 'session ' || s.id as what from sessions s where
       coalesce((select sum(length(data)) from transcript_pieces where session_key = s.key), 0) <>
         coalesce((select max(offset_bytes + length(data)) from transcript_pieces where session_key = s.key), 0)
       or coalesce((select sum(length(data)) from transcript_pieces where session_key = s.key), 0) <
         coalesce(s.transcript ->> 'sizeBytes', 0)`,
  ),
  rule(
    "a tenant's sums are those of its rows",
    `select 'tenant ' || n.name as what from tenants n where
       n.bytes <> (select coalesce(sum(bytes), 0) from (${weighed}))
       or n.session_count <> (select count(*) from sessions where tenant_key = n.key)
       or n.request_count <> (select count(*) from requests where tenant_key = n.key)
       or n.turn_count <> (select count(*) from turns where tenant_key = n.key and session_key is null)`,
  ),
];

/** Everything that is not as it must be. All of it is of one moment. */
export function checkStore(sql: Sql, onRule: (rule: string) => void = () => undefined): readonly string[] {
  sql.exec("begin");
  try {
    return storeRules.flatMap(({ rule: text, find }) => {
      onRule(text);
      return found(find, sql).map((what) => `${text}: ${what}`);
    });
  } finally {
    if (sql.db.isTransaction) sql.exec("rollback");
  }
}

/** What a rule finds. Where pages are damaged, that is all that can be said of what was in them. */
function found(find: StoreRule["find"], sql: Sql): readonly string[] {
  try {
    return find(sql);
  } catch (error) {
    if (faultOf(error) !== "corrupt") throw error;
    return [`cannot be checked (${(error as Error).message})`];
  }
}
