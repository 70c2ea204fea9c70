/**
 * Sessions as they lie in the tables, and as the store shows them.
 */
import type { Binding } from "../../turn.ts";
import type { Usage } from "../../usage.ts";
import type { SessionKind, SessionRecord, TranscriptState } from "../store.ts";
import type { Sql, SqlValue } from "./sql.ts";

export interface SessionRow {
  readonly key: number;
  readonly tenant_key: number;
  readonly tenant: string;
  readonly id: string;
  readonly profile: string;
  readonly binding: string | null;
  readonly kind: SessionKind | null;
  readonly title: string;
  readonly labels: string;
  readonly running_turn: string | null;
  readonly suspension: string | null;
  readonly epoch: number;
  readonly turn_count: number;
  readonly last_turn: string | null;
  readonly usage: string;
  readonly cost_usd_micros: number;
  readonly context_tokens: number;
  readonly context_window_tokens: number;
  readonly profile_digest: string | null;
  readonly created_at: number;
  readonly updated_at: number;
  readonly idle_expiry_ms: number;
  readonly expires_at: number;
  readonly forked_from: string | null;
  /** Whose transcript the pieces are; the part of it that the conversation goes through is `transcript`. */
  readonly cli_session_id: string | null;
  readonly transcript: string | null;
}

/** Sessions with the name of their tenant. Conditions go on from here; `s` is the session. */
export const sessionsFrom = "select s.*, n.name as tenant from sessions s join tenants n on n.key = s.tenant_key";

/** What has expired is not there any more, whether or not it has been deleted yet. A turn keeps its session. */
export const isAlive = (now: string) => `(s.expires_at > ${now} or s.running_turn is not null)`;

export function sessionRow(sql: Sql, where: string, ...values: readonly SqlValue[]): SessionRow | undefined {
  return sql.get<SessionRow>(`${sessionsFrom} where ${where}`, ...values);
}

export function sessionByKey(sql: Sql, key: number): SessionRow {
  const row = sessionRow(sql, "s.key = ?1", key);
  if (row === undefined) throw new Error(`bug: there is no session ${key}`);
  return row;
}

export function sessionById(sql: Sql, tenant: string, id: string, nowMs: number): SessionRow | undefined {
  return sessionRow(sql, `n.name = ?1 and s.id = ?2 and ${isAlive("?3")}`, tenant, id, nowMs);
}

export function sessionRecord(row: SessionRow): SessionRecord {
  return {
    id: row.id,
    tenant: row.tenant,
    profile: row.profile,
    binding: row.binding === null ? undefined : (JSON.parse(row.binding) as Binding),
    kind: row.kind ?? undefined,
    title: row.title,
    labels: JSON.parse(row.labels) as Record<string, string>,
    runningTurnId: row.running_turn ?? undefined,
    suspension:
      row.suspension === null ? undefined : (JSON.parse(row.suspension) as NonNullable<SessionRecord["suspension"]>),
    turnCount: row.turn_count,
    lastTurnId: row.last_turn ?? undefined,
    usage: JSON.parse(row.usage) as Usage,
    costUsdMicros: row.cost_usd_micros,
    contextTokens: row.context_tokens,
    contextWindowTokens: row.context_window_tokens,
    profileDigest: row.profile_digest ?? undefined,
    createdAtMs: row.created_at,
    updatedAtMs: row.updated_at,
    idleExpiryMs: row.idle_expiry_ms,
    expiresAtMs: row.expires_at,
    forkedFrom:
      row.forked_from === null ? undefined : (JSON.parse(row.forked_from) as NonNullable<SessionRecord["forkedFrom"]>),
    epoch: row.epoch,
    transcript: row.transcript === null ? undefined : (JSON.parse(row.transcript) as TranscriptState),
  };
}
