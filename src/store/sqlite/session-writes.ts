/**
 * What is written about sessions outside of their turns.
 */
import type { Deletion, NewSession, QuotaExceeded, SessionChange, SessionRecord } from "../store.ts";
import { makeRoom, tenantOf } from "./caps.ts";
import type { Handler } from "./handler.ts";
import { deleteSession as deleteAll } from "./removal.ts";
import { sessionById, sessionByKey, sessionRecord } from "./session-rows.ts";
import { existingSession, insertSession } from "./turn-acceptance.ts";

export type Creation = SessionRecord | { readonly kind: "sessionExists" } | QuotaExceeded;

export const createSession: Handler<NewSession & { readonly weight: number }, Creation> = (context, session) => {
  const { sql } = context;
  const tenant = tenantOf(sql, session.tenant, session.weight);
  if (existingSession(context, tenant, session.id) !== undefined) return { kind: "sessionExists" };
  // It is there to hold words.
  const full = makeRoom(context, tenant, { sessions: 1, bytes: 1 });
  return full ?? sessionRecord(insertSession(context, tenant.key, session));
};

export const updateSession: Handler<
  { readonly tenant: string; readonly id: string; readonly change: SessionChange },
  SessionRecord | undefined
> = ({ sql, nowMs }, { tenant, id, change }) => {
  const session = sessionById(sql, tenant, id, nowMs);
  if (session === undefined) return undefined;
  sql.run(
    `update sessions set title = coalesce(?2, title), labels = coalesce(?3, labels),
       idle_expiry_ms = coalesce(?4, idle_expiry_ms), updated_at = max(updated_at, ?5),
       expires_at = ?5 + coalesce(?4, idle_expiry_ms) where key = ?1`,
    session.key,
    change.title,
    change.labels && JSON.stringify(change.labels),
    change.idleExpiryMs,
    nowMs,
  );
  return sessionRecord(sessionByKey(sql, session.key));
};

export const deleteSession: Handler<{ readonly tenant: string; readonly id: string }, Deletion> = (
  { sql, nowMs },
  { tenant, id },
) => {
  const session = sessionById(sql, tenant, id, nowMs);
  if (session === undefined) return { kind: "sessionNotFound" };
  if (session.running_turn !== null) return { kind: "sessionBusy", runningTurnId: session.running_turn };
  return { kind: "deleted", turnIds: deleteAll(sql, session.key) };
};
