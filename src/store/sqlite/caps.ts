/**
 * Room for what is new. At a cap of a tenant first the events of its own turns go, those that ended first before others,
 * then its own expired sessions; then what is new is refused. Nothing of another tenant goes, and nothing that is alive.
 *
 * No tenant may hold more words than its weight times what is left free for all: half of the store if it is alone, a
 * third if two want everything. The last tenth of the store is for the ends of what was accepted before.
 */
import type { QuotaExceeded } from "../store.ts";
import { endsShare, type StoreCaps } from "../store-limits.ts";
import type { Context } from "./handler.ts";
import { deleteSession, deleteTurn, dropEvents, unbindRequest } from "./removal.ts";
import type { Sql } from "./sql.ts";

export interface TenantRow {
  readonly key: number;
  readonly name: string;
  /** Its share of the store, relative to others. */
  readonly weight: number;
  readonly bytes: number;
  readonly session_count: number;
  readonly request_count: number;
  readonly turn_count: number;
}

export interface Wanted {
  readonly bytes?: number;
  readonly sessions?: number;
  readonly requestIds?: number;
  readonly turns?: number;
}

/** A tenant's row, which is made if it is missing, with the weight that it has now. */
export function tenantOf(sql: Sql, name: string, weight: number): TenantRow {
  const row = sql.get<TenantRow>("select * from tenants where name = ?1", name);
  if (row?.weight === weight) return row;
  const text =
    "insert into tenants(name, weight) values(?1, ?2) on conflict(name) do update set weight = ?2 returning *";
  return sql.get<TenantRow>(text, name, weight) as TenantRow;
}

export function tenantByKey(sql: Sql, key: number): TenantRow {
  return sql.get<TenantRow>("select * from tenants where key = ?1", key) as TenantRow;
}

/** Makes room for what a tenant wants to add; or says what there is no room for. */
export function makeRoom(context: Context, tenant: TenantRow, wanted: Wanted): QuotaExceeded | undefined {
  const { sql, limits, nowMs } = context;
  const { caps } = limits;
  const now = () => tenantByKey(sql, tenant.key);
  const counts = [
    ["turns", caps.maxTurnsPerTenant, (row: TenantRow) => row.turn_count, () => dropOldestTurns(sql, tenant.key)],
    [
      "requestIds",
      caps.maxRequestIdsPerTenant,
      (row: TenantRow) => row.request_count,
      () => dropOldestRequests(sql, tenant.key),
    ],
    [
      "sessions",
      caps.maxSessionsPerTenant,
      (row: TenantRow) => row.session_count,
      () => dropExpiredSessions(sql, tenant.key, nowMs),
    ],
  ] as const;
  for (const [what, limit, used, drop] of counts) {
    const more = wanted[what] ?? 0;
    if (more === 0) continue;
    while (used(now()) + more > limit) if (!drop()) return { kind: "quotaExceeded", what, limit, isGlobal: false };
  }
  const moreBytes = wanted.bytes ?? 0;
  while (moreBytes > 0) {
    const row = now();
    const { limit, isGlobal } = byteLimit(caps, { allBytes: usedBytes(sql), ownBytes: row.bytes, weight: row.weight });
    if (row.bytes + moreBytes <= limit) break;
    if (dropOldestEvents(sql, tenant.key) || dropExpiredSessions(sql, tenant.key, nowMs)) continue;
    return { kind: "quotaExceeded", what: "bytes", limit, isGlobal };
  }
  return undefined;
}

/** How many bytes a tenant may hold now. */
export function byteLimit(
  { maxBytes, maxBytesPerTenant }: StoreCaps,
  used: { readonly allBytes: number; readonly ownBytes: number; readonly weight: number },
): { readonly limit: number; readonly isGlobal: boolean } {
  const forAll = maxBytes * (1 - endsShare) - (used.allBytes - used.ownBytes);
  const share = Math.max(0, Math.floor((forAll * used.weight) / (1 + used.weight)));
  return share < maxBytesPerTenant ? { limit: share, isGlobal: true } : { limit: maxBytesPerTenant, isGlobal: false };
}

/** What all tenants together hold. */
export function usedBytes(sql: Sql): number {
  return sql.get<{ bytes: number }>("select coalesce(sum(bytes), 0) as bytes from tenants")?.bytes ?? 0;
}

/** So many go at a time: enough not to come back for each, few enough not to hold others up. */
const sliceSize = 20;

const keysOf = (rows: readonly { readonly key: number }[]) => rows.map(({ key }) => key);

function dropOldestEvents(sql: Sql, tenantKey: number): boolean {
  const keys = keysOf(
    sql.all(
      `select key from turns where tenant_key = ?1 and events_expire_at is not null
       order by events_expire_at limit ${sliceSize}`,
      tenantKey,
    ),
  );
  for (const key of keys) dropEvents(sql, key);
  return keys.length > 0;
}

function dropExpiredSessions(sql: Sql, tenantKey: number, nowMs: number): boolean {
  const keys = keysOf(
    sql.all(
      `select key from sessions where tenant_key = ?1 and expires_at <= ?2 and running_turn is null
       order by expires_at limit ${sliceSize}`,
      tenantKey,
      nowMs,
    ),
  );
  for (const key of keys) deleteSession(sql, key);
  return keys.length > 0;
}

function dropOldestRequests(sql: Sql, tenantKey: number): boolean {
  const rows = sql.all<{ turn_key: number }>(
    `select turn_key from requests where tenant_key = ?1 and expires_at is not null
     order by expires_at limit ${sliceSize}`,
    tenantKey,
  );
  for (const { turn_key } of rows) unbindRequest(sql, turn_key);
  return rows.length > 0;
}

function dropOldestTurns(sql: Sql, tenantKey: number): boolean {
  const keys = keysOf(
    sql.all(
      `select key from turns where tenant_key = ?1 and expires_at is not null and session_key is null
       order by expires_at limit ${sliceSize}`,
      tenantKey,
    ),
  );
  for (const key of keys) deleteTurn(sql, key);
  return keys.length > 0;
}
