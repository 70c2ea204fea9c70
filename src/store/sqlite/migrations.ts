/**
 * The tables, as numbered migrations. One that has been released is never changed again.
 *
 * Words and events lie in tables of their own beside what is asked for often. Each of their rows names its tenant, so
 * that triggers keep the sums of `tenants` right whichever way a row goes.
 */

export interface Migration {
  /** The version of the schema afterwards. */
  readonly version: number;
  /** The oldest version of the schema whose servers can work with the result. */
  readonly oldestReader: number;
  readonly sql: string;
}

/** "clRn", so that `file` and people know what it is. */
export const applicationId = 0x63_6c_52_6e;

/** A row's bytes: what it holds, and about what its keys take. */
const weight = (row: "old" | "new") => `(length(${row}.data) + 64)`;

const weighed = ["events", "parts", "results", "transcript_pieces", "session_files"]
  .map(
    (table) => `
create trigger ${table}_come after insert on ${table} begin
  update tenants set bytes = bytes + ${weight("new")} where key = new.tenant_key;
end;
create trigger ${table}_go after delete on ${table} begin
  update tenants set bytes = bytes - ${weight("old")} where key = old.tenant_key;
end;
create trigger ${table}_change after update of data on ${table} begin
  update tenants set bytes = bytes + length(new.data) - length(old.data) where key = new.tenant_key;
end;`,
  )
  .join("");

const counted = [
  ["sessions", "session_count", ""],
  ["requests", "request_count", ""],
  // Turns of a session go with it, and are not what a tenant's turns are capped for.
  ["turns", "turn_count", "when %.session_key is null"],
]
  .map(
    ([table, column, when]) => `
create trigger ${table}_count_up after insert on ${table} ${when!.replace("%", "new")} begin
  update tenants set ${column} = ${column} + 1 where key = new.tenant_key;
end;
create trigger ${table}_count_down after delete on ${table} ${when!.replace("%", "old")} begin
  update tenants set ${column} = ${column} - 1 where key = old.tenant_key;
end;`,
  )
  .join("");

export const migrations: readonly Migration[] = [
  {
    version: 1,
    oldestReader: 1,
    sql: `
create table meta(key text primary key, value text not null) strict, without rowid;

create table owners(
  id text primary key, machine_id text not null, boot_id text not null, host text not null, pid integer not null,
  started_at integer not null, heartbeat_at integer not null) strict, without rowid;

create table tenants(
  key integer primary key, name text not null unique, weight real not null default 1, bytes integer not null default 0,
  session_count integer not null default 0, request_count integer not null default 0,
  turn_count integer not null default 0) strict;

create table sessions(
  key integer primary key, tenant_key integer not null references tenants(key), id text not null, profile text not null,
  binding text, kind text check(kind in ('text', 'tools')), title text not null, labels text not null,
  running_turn text, suspension text, epoch integer not null default 0,
  turn_count integer not null default 0, last_turn text, usage text not null, cost_usd_micros integer not null default 0,
  context_tokens integer not null default 0, context_window_tokens integer not null default 0, profile_digest text,
  created_at integer not null, updated_at integer not null, idle_expiry_ms integer not null, expires_at integer not null,
  forked_from text, cli_session_id text, transcript text, unique(tenant_key, id)) strict;
create index sessions_listed on sessions(tenant_key, updated_at, id);
create index sessions_suspended on sessions(key) where suspension is not null and running_turn is null;
create index sessions_expiring on sessions(tenant_key, expires_at);

create table turns(
  key integer primary key, id text not null unique, tenant_key integer not null references tenants(key),
  profile text not null, model text not null, detail text not null, on_disconnect text not null,
  session_key integer references sessions(key), session_id text, holds_session integer not null default 0,
  request_id text, owner text not null, epoch integer not null,
  state text not null check(state in ('waiting', 'running', 'ended')), outcome text, error text,
  accepted_at integer not null, started_at integer, ended_at integer, expires_at integer, events_expire_at integer,
  usage text not null, cost_usd_micros integer not null default 0, cost_is_estimate integer not null default 0,
  highest_sequence integer not null, first_stored integer, last_stored integer,
  in_conversation integer not null default 0, has_content integer not null default 0,
  context_tokens integer not null default 0, context_window_tokens integer not null default 0, profile_digest text,
  transcript text) strict;
create unique index turns_one_of_a_session on turns(session_key) where holds_session = 1 and state <> 'ended';
create index turns_listed on turns(tenant_key, accepted_at, id);
create index turns_of_all on turns(accepted_at, id);
create index turns_of_session on turns(session_key, accepted_at, id) where session_key is not null;
create index turns_open on turns(owner) where state <> 'ended';
create index turns_expiring on turns(tenant_key, expires_at) where expires_at is not null;
create index turns_with_events on turns(tenant_key, events_expire_at) where events_expire_at is not null;

create table events(
  turn_key integer not null references turns(key), first_sequence integer not null, last_sequence integer not null,
  tenant_key integer not null, data blob not null, primary key(turn_key, first_sequence)) strict, without rowid;

create table parts(
  turn_key integer not null references turns(key), side text not null check(side in ('prompt', 'answer')),
  position integer not null, tenant_key integer not null, media_type text not null, is_document integer not null,
  title text not null, digest text not null, data blob not null, primary key(turn_key, side, position)) strict;

create table results(
  turn_key integer primary key references turns(key), tenant_key integer not null, data blob not null) strict;

create table requests(
  tenant_key integer not null references tenants(key), request_id text not null, digest blob not null,
  turn_key integer not null references turns(key), expires_at integer,
  primary key(tenant_key, request_id)) strict, without rowid;
create index requests_of_turn on requests(turn_key);
create index requests_expiring on requests(tenant_key, expires_at) where expires_at is not null;

create table transcript_pieces(
  session_key integer not null references sessions(key), offset_bytes integer not null, tenant_key integer not null,
  data blob not null, primary key(session_key, offset_bytes)) strict;

create table session_files(
  session_key integer not null references sessions(key), name text not null, tenant_key integer not null,
  data blob not null, primary key(session_key, name)) strict;
${weighed}${counted}
create trigger turns_leave_session after update of session_key on turns
when old.session_key is not null and new.session_key is null begin
  update tenants set turn_count = turn_count + 1 where key = new.tenant_key;
end;`,
  },
  {
    version: 2,
    oldestReader: 1,
    // Lists of what runs now, of tenants with a million turns that have ended and a hundred thousand sessions that rest.
    sql: `
create index turns_open_listed on turns(tenant_key, accepted_at, id) where state <> 'ended';
create index turns_open_of_all on turns(accepted_at, id) where state <> 'ended';
create index sessions_running_listed on sessions(tenant_key, updated_at, id) where running_turn is not null;
create index sessions_suspended_listed on sessions(tenant_key, updated_at, id)
  where running_turn is null and suspension is not null;`,
  },
];
