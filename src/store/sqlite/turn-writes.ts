/**
 * What is written about a turn after it was accepted, up to its one end.
 */
import { RunnerError } from "../../runner-error.ts";
import type { Outcome } from "../../turn-end.ts";
import type { Usage } from "../../usage.ts";
import type { ContentPart, EndingInSession, RecordedError, TurnEnding, TurnLease } from "../store.ts";
import { makeRoom, tenantByKey } from "./caps.ts";
import type { Context, Handler } from "./handler.ts";
import { held, leaseLost } from "./lease-check.ts";
import { dropContent, dropEvents, unbindRequest } from "./removal.ts";
import { sessionByKey } from "./session-rows.ts";
import type { Sql } from "./sql.ts";
import { cutToWhatCounts } from "./transcripts.ts";
import { insertParts } from "./turn-acceptance.ts";

/** The condition of every write for a turn; `?1` and `?2` are its lease. */
const underLease = "id = ?1 and epoch = ?2 and state <> 'ended'";

export const startTurn: Handler<TurnLease, void> = ({ sql, nowMs }, lease) => {
  const text = `update turns set state = 'running', started_at = coalesce(started_at, ?3) where ${underLease}`;
  if (sql.run(text, lease.turnId, lease.epoch, nowMs) !== 1) throw leaseLost(lease);
};

export const raiseHighestSequence: Handler<TurnLease & { readonly highestSequence: number }, void> = (
  { sql },
  lease,
) => {
  const text = `update turns set highest_sequence = max(highest_sequence, ?3) where ${underLease}`;
  if (sql.run(text, lease.turnId, lease.epoch, lease.highestSequence) !== 1) throw leaseLost(lease);
};

/** Events behind those that are there; their packed form comes as the one piece. */
export interface AppendEvents extends TurnLease {
  readonly firstSequence: number;
  readonly lastSequence: number;
}

export const appendEvents: Handler<AppendEvents, void> = (context, run) => {
  const { sql, pieces } = context;
  const turn = held(
    run,
    sql.get<{ key: number; tenant_key: number }>(
      `update turns set highest_sequence = max(highest_sequence, ?4), first_stored = coalesce(first_stored, ?3),
         last_stored = ?4 where ${underLease} returning key, tenant_key`,
      run.turnId,
      run.epoch,
      run.firstSequence,
      run.lastSequence,
    ),
  );
  const full = makeRoom(context, tenantByKey(sql, turn.tenant_key), { bytes: pieces[0]?.byteLength ?? 0 });
  if (full !== undefined) {
    const { what, limit, isGlobal } = full;
    const message = "there is no room left for the events of this turn";
    throw new RunnerError("QUOTA_EXCEEDED", message, { facts: { what, limit, isGlobal } });
  }
  insertEvents(sql, turn, run, pieces[0]);
};

function insertEvents(
  sql: Sql,
  turn: { readonly key: number; readonly tenant_key: number },
  run: { readonly firstSequence: number; readonly lastSequence: number },
  packed: Uint8Array | undefined,
): void {
  sql.run(
    "insert into events(turn_key, first_sequence, last_sequence, tenant_key, data) values(?1, ?2, ?3, ?4, ?5)",
    turn.key,
    run.firstSequence,
    run.lastSequence,
    turn.tenant_key,
    packed,
  );
}

/** An ending without its bytes, which come as pieces: the last event and the result if they are there, then the parts of the answer. */
export interface EndTurn extends TurnLease, Omit<TurnEnding, "result" | "lastEvent" | "session"> {
  readonly hasLastEvent: boolean;
  readonly hasResult: boolean;
  readonly session:
    | (Omit<EndingInSession, "answer"> & { readonly answer: readonly Omit<ContentPart, "data">[] })
    | undefined;
}

interface EndedTurn {
  readonly key: number;
  readonly id: string;
  readonly tenant_key: number;
  readonly session_key: number | null;
  readonly holds_session: number;
  readonly last_stored: number | null;
}

export const endTurn: Handler<EndTurn, void> = (context, ending) => {
  const { sql, nowMs } = context;
  const { session } = ending;
  const pieces = [...context.pieces];
  const lastEvent = ending.hasLastEvent ? pieces.shift() : undefined;
  const result = ending.hasResult ? pieces.shift() : undefined;
  const turn = held(
    ending,
    sql.get<EndedTurn>(
      `update turns set state = 'ended', ended_at = ?3, outcome = ?4, error = ?5, usage = ?6, cost_usd_micros = ?7,
         cost_is_estimate = ?8, highest_sequence = ?9, in_conversation = ?10 and holds_session,
         context_tokens = ?11, context_window_tokens = ?12, transcript = ?13, profile_digest = ?14,
         first_stored = iif(?15, coalesce(first_stored, ?9), first_stored), last_stored = iif(?15, ?9, last_stored)
       where ${underLease} returning key, id, tenant_key, session_key, holds_session, last_stored`,
      ending.turnId,
      ending.epoch,
      nowMs,
      ending.outcome,
      ending.error && JSON.stringify(ending.error satisfies RecordedError),
      JSON.stringify(ending.usage),
      ending.costUsdMicros,
      ending.costIsEstimate,
      ending.lastSequence,
      session?.isInConversation ?? false,
      session?.contextTokens ?? 0,
      session?.contextWindowTokens ?? 0,
      session?.transcript && JSON.stringify(session.transcript),
      session?.profileDigest,
      lastEvent !== undefined,
    ),
  );
  // It is small, and the end must not fail for want of room.
  const { lastSequence } = ending;
  if (lastEvent !== undefined) insertEvents(sql, turn, { firstSequence: lastSequence, lastSequence }, lastEvent);
  settleTurn(context, turn, ending.outcome);
  const hasWords = ending.outcome !== undefined;
  if (result !== undefined && hasWords) {
    sql.run("insert into results(turn_key, tenant_key, data) values(?1, ?2, ?3)", turn.key, turn.tenant_key, result);
  }
  if (turn.session_key === null) return;
  if (hasWords && pieces.length > 0) {
    insertParts(context, { turnKey: turn.key, tenantKey: turn.tenant_key }, session?.answer ?? [], pieces);
    sql.run("update turns set has_content = 1 where key = ?1", turn.key);
  }
  if (turn.holds_session === 0) return;
  giveBack(context, turn as EndedTurn & { session_key: number }, ending);
};

/** When what is left of an ended turn goes: its row, its events, the name of its request. */
export function settleTurn(
  { sql, nowMs, limits }: Context,
  turn: Omit<EndedTurn, "id">,
  outcome: Outcome | undefined,
): void {
  const { turnRecordMs, turnEventsMs, requestResultMs } = limits.retention;
  if (outcome === undefined) {
    // Nobody said anything: the caller may send the same again, and what they wrote is not kept.
    unbindRequest(sql, turn.key);
    dropContent(sql, turn.key);
    dropEvents(sql, turn.key);
    sql.run("update turns set expires_at = ?2 where key = ?1", turn.key, nowMs + turnRecordMs);
    return;
  }
  const isBound =
    sql.run("update requests set expires_at = ?2 where turn_key = ?1", turn.key, nowMs + requestResultMs) > 0;
  const recordMs = Math.max(turnRecordMs, isBound ? requestResultMs : 0);
  sql.run(
    "update turns set expires_at = ?2, events_expire_at = ?3 where key = ?1",
    turn.key,
    // In a session it stays as long as the session.
    turn.session_key === null ? nowMs + recordMs : undefined,
    turn.last_stored === null ? undefined : nowMs + turnEventsMs,
  );
}

/** The session is free again, and has what the turn brought. */
function giveBack({ sql, nowMs }: Context, turn: EndedTurn & { session_key: number }, ending: EndTurn): void {
  const before = sessionByKey(sql, turn.session_key);
  const { session } = ending;
  const goesOn = session?.isInConversation === true;
  const changed = sql.run(
    `update sessions set running_turn = null, turn_count = turn_count + ?3, last_turn = iif(?3, ?2, last_turn),
       usage = ?4, cost_usd_micros = cost_usd_micros + ?5,
       context_tokens = ?6, context_window_tokens = ?7, transcript = ?8, suspension = ?9,
       profile_digest = iif(?3, ?12, profile_digest),
       updated_at = max(updated_at, ?10), expires_at = max(expires_at, ?10 + idle_expiry_ms)
     where key = ?1 and running_turn = ?2 and epoch = ?11`,
    turn.session_key,
    turn.id,
    goesOn,
    JSON.stringify(sum(JSON.parse(before.usage) as Usage, ending.usage)),
    ending.costUsdMicros,
    session?.contextTokens ?? before.context_tokens,
    session?.contextWindowTokens ?? before.context_window_tokens,
    session?.transcript === undefined ? before.transcript : JSON.stringify(session.transcript),
    suspensionAfter(ending, before.suspension, nowMs),
    nowMs,
    ending.epoch,
    session?.profileDigest,
  );
  if (changed !== 1) throw leaseLost(ending);
  // Of a copy that was not finished: the next one begins where the transcript that counts ends.
  cutToWhatCounts(sql, turn.session_key);
}

/** A turn that never had its worker says nothing about what is the matter with its session, unless it reports a suspension. */
function suspensionAfter({ session, outcome }: EndTurn, before: string | null, nowMs: number): string | null {
  if (session?.suspension !== undefined) return JSON.stringify({ ...session.suspension, sinceMs: nowMs });
  return session === undefined || outcome === undefined ? before : null;
}

function sum(one: Usage, other: Usage): Usage {
  return Object.fromEntries(
    Object.entries(one).map(([name, count]) => [name, count + other[name as keyof Usage]]),
  ) as unknown as Usage;
}
