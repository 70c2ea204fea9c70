/**
 * What has had its time goes, a little at once: a slice holds nobody up, and the next one follows soon if there is more.
 */
import type { Context, Handler } from "./handler.ts";
import { deleteSession, deleteTurn, dropEvents, unbindRequest } from "./removal.ts";

const sliceSize = 20;

/** What goes, in the order in which it goes. Each finds the keys of one tenant, `?1`, whose time, `?2`, has come. */
const kinds = [
  [`select key from turns where tenant_key = ?1 and events_expire_at <= ?2 order by events_expire_at`, dropEvents],
  [
    `select turn_key as key from requests where tenant_key = ?1 and expires_at <= ?2 order by expires_at`,
    unbindRequest,
  ],
  [`select key from turns where tenant_key = ?1 and expires_at <= ?2 order by expires_at`, deleteTurn],
  [
    `select key from sessions where tenant_key = ?1 and expires_at <= ?2 and running_turn is null order by expires_at`,
    deleteSession,
  ],
] as const;

/** Takes one slice, and returns whether there may be more. */
export const prune: Handler<undefined, boolean> = (context) => {
  const tenants = context.sql.all<{ key: number }>("select key from tenants");
  // All of them, not the first that has something: no tenant waits for another's.
  return tenants.map(({ key }) => pruneTenant(context, key)).some((hasMore) => hasMore);
};

function pruneTenant({ sql, nowMs }: Context, tenantKey: number): boolean {
  for (const [text, drop] of kinds) {
    const rows = sql.all<{ key: number }>(`${text} limit ${sliceSize}`, tenantKey, nowMs);
    for (const { key } of rows) drop(sql, key);
    if (rows.length > 0) return true;
  }
  return false;
}
