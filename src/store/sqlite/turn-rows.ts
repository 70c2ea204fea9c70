/**
 * Turns as they lie in the tables, and as the store shows them.
 */
import type { Detail, OnDisconnect } from "../../turn.ts";
import type { Outcome } from "../../turn-end.ts";
import type { Usage } from "../../usage.ts";
import type { RecordedError, RecordedState, TurnRecord } from "../store.ts";
import type { Sql, SqlValue } from "./sql.ts";

export interface TurnRow {
  readonly key: number;
  readonly id: string;
  readonly tenant_key: number;
  readonly tenant: string;
  readonly profile: string;
  readonly model: string;
  readonly detail: Detail;
  readonly on_disconnect: OnDisconnect;
  readonly session_key: number | null;
  readonly session_id: string | null;
  readonly holds_session: number;
  readonly request_id: string | null;
  readonly owner: string;
  readonly epoch: number;
  readonly state: RecordedState;
  readonly outcome: Outcome | null;
  readonly error: string | null;
  readonly accepted_at: number;
  readonly started_at: number | null;
  readonly ended_at: number | null;
  readonly usage: string;
  readonly cost_usd_micros: number;
  readonly cost_is_estimate: number;
  readonly highest_sequence: number;
  readonly first_stored: number | null;
  readonly last_stored: number | null;
  readonly in_conversation: number;
  readonly has_content: number;
  readonly context_tokens: number;
  readonly context_window_tokens: number;
  readonly profile_digest: string | null;
  readonly transcript: string | null;
}

/** Turns with the name of their tenant. Conditions go on from here; `t` is the turn. */
export const turnsFrom = "select t.*, n.name as tenant from turns t join tenants n on n.key = t.tenant_key";

export function turnRow(sql: Sql, where: string, ...values: readonly SqlValue[]): TurnRow | undefined {
  return sql.get<TurnRow>(`${turnsFrom} where ${where}`, ...values);
}

export function turnRecord(row: TurnRow): TurnRecord {
  return {
    id: row.id,
    tenant: row.tenant,
    profile: row.profile,
    model: row.model,
    detail: row.detail,
    onDisconnect: row.on_disconnect,
    sessionId: row.session_id ?? undefined,
    requestId: row.request_id ?? undefined,
    ownerId: row.owner,
    state: row.state,
    outcome: row.outcome ?? undefined,
    error: row.error === null ? undefined : (JSON.parse(row.error) as RecordedError),
    acceptedAtMs: row.accepted_at,
    startedAtMs: row.started_at ?? undefined,
    endedAtMs: row.ended_at ?? undefined,
    usage: JSON.parse(row.usage) as Usage,
    costUsdMicros: row.cost_usd_micros,
    costIsEstimate: row.cost_is_estimate === 1,
    highestSequence: row.highest_sequence,
    stored:
      row.first_stored === null || row.last_stored === null
        ? undefined
        : { firstSequence: row.first_stored, lastSequence: row.last_stored },
    isInConversation: row.in_conversation === 1,
    hasContent: row.has_content === 1,
  };
}
