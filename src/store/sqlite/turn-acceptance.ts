/**
 * The first thing that is written about a turn, and what may stand against it.
 */
import { createHash } from "node:crypto";
import type { Binding } from "../../turn.ts";
import { noUsage } from "../../usage.ts";
import type { Acceptance, ContentPart, KnownRequest, NewSession, NewTurn, SessionField, Taking } from "../store.ts";
import { makeRoom, type TenantRow, tenantOf } from "./caps.ts";
import type { Context, Handler } from "./handler.ts";
import { deleteSession } from "./removal.ts";
import { type SessionRow, sessionByKey, sessionRecord, sessionRow } from "./session-rows.ts";
import { turnRecord, turnRow } from "./turn-rows.ts";

/** A new turn without its bytes, which come as pieces: the digest of the request if there is one, then the parts. */
export interface AcceptTurn extends Omit<NewTurn, "request" | "content"> {
  readonly requestId: string | undefined;
  readonly parts: readonly Omit<ContentPart, "data">[];
  /** The tenant's share of the store, relative to others. */
  readonly weight: number;
}

export const acceptTurn: Handler<AcceptTurn, Acceptance> = (context, turn) => {
  const { sql, nowMs, ownerId, pieces } = context;
  const digest = turn.requestId === undefined ? undefined : pieces[0];
  const parts = turn.requestId === undefined ? pieces : pieces.slice(1);
  const tenant = tenantOf(sql, turn.tenant, turn.weight);
  if (turn.requestId !== undefined) {
    const known = requestOf(context, tenant.key, turn.requestId, digest as Uint8Array);
    if (known !== undefined) return known;
  }
  const found = turn.session && existingSession(context, tenant, turn.session.id);
  const against = turn.session && objection(turn, found);
  if (against !== undefined) return against;
  const isNewSession = turn.session !== undefined && found === undefined;
  const full = makeRoom(context, tenant, {
    turns: turn.session === undefined ? 1 : 0,
    requestIds: turn.requestId === undefined ? 0 : 1,
    sessions: isNewSession ? 1 : 0,
    // Only what leaves words behind needs room for them; how many there will be is not known yet.
    bytes: keepsWords(turn) ? parts.reduce((sum, { byteLength }) => sum + byteLength, 1) : 0,
  });
  if (full !== undefined) return full;

  const session = turn.session && (found ?? newSession(context, tenant, turn));
  const takes = session !== undefined && turn.session?.take === "now";
  const epoch = session === undefined ? 1 : takes ? session.epoch + 1 : 0;
  // In a session a later turn is never listed as an earlier one, even when the clock was set back.
  const acceptedAtMs = session === undefined ? nowMs : Math.max(nowMs, lastAcceptedAt(context, session.key) + 1);
  const { key } = sql.get<{ key: number }>(
    `insert into turns(id, tenant_key, profile, model, detail, on_disconnect, session_key, session_id, holds_session,
       request_id, owner, epoch, state, accepted_at, usage, highest_sequence, has_content)
     values(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 'waiting', ?13, ?14, ?15, ?16) returning key`,
    turn.id,
    tenant.key,
    turn.profile,
    turn.model,
    turn.detail,
    turn.onDisconnect,
    session?.key,
    session?.id,
    takes,
    turn.requestId,
    ownerId,
    epoch,
    acceptedAtMs,
    JSON.stringify(noUsage),
    turn.highestSequence,
    parts.length > 0,
  ) as { key: number };
  insertParts(context, { turnKey: key, tenantKey: tenant.key }, turn.parts, parts);
  if (turn.requestId !== undefined) {
    sql.run(
      "insert into requests(tenant_key, request_id, digest, turn_key) values(?1, ?2, ?3, ?4)",
      tenant.key,
      turn.requestId,
      digest,
      key,
    );
  }
  if (session === undefined) return { kind: "accepted", epoch, session: undefined };
  fixSession(context, session, turn);
  if (takes) giveSession(context, session, turn.id, epoch);
  return { kind: "accepted", epoch, session: sessionRecord(sessionByKey(sql, session.key)) };
};

/** Gives an accepted turn its session. */
export const takeSession: Handler<{ readonly turnId: string }, Taking> = (context, { turnId }) => {
  const { sql, ownerId } = context;
  const turn = turnRow(sql, "t.id = ?1 and t.state <> 'ended' and t.owner = ?2", turnId, ownerId);
  if (turn === undefined || turn.session_key === null) return { kind: "sessionNotFound" };
  const session = sessionByKey(sql, turn.session_key);
  if (session.running_turn === turnId) {
    return { kind: "taken", epoch: turn.epoch, session: sessionRecord(session) };
  }
  if (session.running_turn !== null) {
    const running = turnRow(sql, "t.id = ?1", session.running_turn);
    return { kind: "sessionBusy", runningTurnId: session.running_turn, isOwn: running?.owner === ownerId };
  }
  const epoch = session.epoch + 1;
  sql.run("update turns set epoch = ?1, holds_session = 1 where key = ?2", epoch, turn.key);
  giveSession(context, session, turnId, epoch);
  return { kind: "taken", epoch, session: sessionRecord(sessionByKey(sql, session.key)) };
};

export function insertParts(
  { sql }: Context,
  turn: { readonly turnKey: number; readonly tenantKey: number },
  parts: readonly Omit<ContentPart, "data">[],
  pieces: readonly Uint8Array[],
): void {
  for (const [position, { side, mediaType, isDocument, title }] of parts.entries()) {
    const data = pieces[position] as Uint8Array;
    sql.run(
      `insert into parts(turn_key, side, position, tenant_key, media_type, is_document, title, digest, data)
       values(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)`,
      turn.turnKey,
      side,
      position,
      turn.tenantKey,
      mediaType,
      isDocument,
      title,
      createHash("sha256").update(data).digest("hex"),
      data,
    );
  }
}

/** The session's fields that a turn would have otherwise. What the turn leaves open is the session's. */
export function differingFields(
  turn: { readonly profile: string; readonly binding: Binding },
  session: { readonly profile: string; readonly binding: Binding | undefined },
): readonly SessionField[] {
  const differing: SessionField[] = [];
  if (turn.profile !== session.profile) differing.push("profile");
  if (session.binding === undefined) return differing;
  for (const field of ["systemPrompt", "outputSchemaJson"] as const) {
    if (turn.binding[field] !== undefined && turn.binding[field] !== session.binding[field]) differing.push(field);
  }
  return differing;
}

export function insertSession(
  { sql, nowMs }: Context,
  tenantKey: number,
  session: Omit<NewSession, "tenant">,
): SessionRow {
  const { key } = sql.get<{ key: number }>(
    `insert into sessions(tenant_key, id, profile, binding, kind, title, labels, usage,
       created_at, updated_at, idle_expiry_ms, expires_at)
     values(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?10, ?11) returning key`,
    tenantKey,
    session.id,
    session.profile,
    session.binding && JSON.stringify(session.binding),
    session.kind,
    session.title,
    JSON.stringify(session.labels),
    JSON.stringify(noUsage),
    nowMs,
    session.idleExpiryMs,
    nowMs + session.idleExpiryMs,
  ) as { key: number };
  return sessionByKey(sql, key);
}

/** The session of a name. One that has expired makes room for another of its name. */
export function existingSession({ sql, nowMs }: Context, tenant: TenantRow, id: string): SessionRow | undefined {
  const row = sessionRow(sql, "s.tenant_key = ?1 and s.id = ?2", tenant.key, id);
  if (row === undefined || row.expires_at > nowMs || row.running_turn !== null) return row;
  deleteSession(sql, row.key);
  return undefined;
}

/** What stands against a turn because of its request alone. The digest comes as a piece. */
export const knownRequest: Handler<
  { readonly tenant: string; readonly requestId: string },
  KnownRequest | undefined
> = (context, { tenant, requestId }) => {
  const found = context.sql.get<{ key: number }>("select key from tenants where name = ?1", tenant);
  return found && requestOf(context, found.key, requestId, context.pieces[0] as Uint8Array);
};

function requestOf({ sql }: Context, tenantKey: number, id: string, digest: Uint8Array): KnownRequest | undefined {
  const known = sql.get<{ digest: Uint8Array; turn_key: number }>(
    "select digest, turn_key from requests where tenant_key = ?1 and request_id = ?2",
    tenantKey,
    id,
  );
  const turn = known && turnRow(sql, "t.key = ?1", known.turn_key);
  if (known === undefined || turn === undefined) return undefined;
  const isSame = Buffer.compare(known.digest, digest) === 0;
  return isSame ? { kind: "duplicate", turn: turnRecord(turn) } : { kind: "requestIdReused", turnId: turn.id };
}

function objection(turn: AcceptTurn, session: SessionRow | undefined): Acceptance | undefined {
  if (session === undefined) return turn.session?.ifMissing === undefined ? { kind: "sessionNotFound" } : undefined;
  const { binding, take } = turn.session as NonNullable<typeof turn.session>;
  const differing = differingFields({ profile: turn.profile, binding }, sessionRecord(session));
  if (differing.length > 0) return { kind: "sessionMismatch", differing };
  if (take === "now" && session.running_turn !== null) {
    return { kind: "sessionBusy", runningTurnId: session.running_turn };
  }
  return undefined;
}

/** Whether the store will have to keep more of a turn than its row. */
function keepsWords({ session, requestId, onDisconnect }: AcceptTurn): boolean {
  return session !== undefined || requestId !== undefined || onDisconnect === "continue";
}

function newSession(context: Context, tenant: TenantRow, { profile, session }: AcceptTurn): SessionRow {
  const { id, ifMissing } = session as NonNullable<typeof session>;
  const fresh = ifMissing as NonNullable<typeof ifMissing>;
  return insertSession(context, tenant.key, { ...fresh, id, profile, binding: undefined, kind: undefined });
}

function lastAcceptedAt({ sql }: Context, sessionKey: number): number {
  const text = "select coalesce(max(accepted_at), 0) as at from turns where session_key = ?1";
  return sql.get<{ at: number }>(text, sessionKey)?.at ?? 0;
}

/** What the first turn fixes; and a session is as old as what happened in it last. */
function fixSession({ sql, nowMs }: Context, { key }: SessionRow, { session }: AcceptTurn): void {
  const { binding, kind } = session as NonNullable<typeof session>;
  sql.run(
    `update sessions set binding = coalesce(binding, ?2), kind = coalesce(kind, ?3),
       updated_at = max(updated_at, ?4), expires_at = max(expires_at, ?4 + idle_expiry_ms) where key = ?1`,
    key,
    JSON.stringify(binding),
    kind,
    nowMs,
  );
}

function giveSession({ sql }: Context, { key, epoch: before }: SessionRow, turnId: string, epoch: number): void {
  const changed = sql.run(
    "update sessions set running_turn = ?1, epoch = ?2 where key = ?3 and epoch = ?4 and running_turn is null",
    turnId,
    epoch,
    key,
    before,
  );
  if (changed !== 1) throw new Error(`bug: session ${key} was taken by another turn in the same transaction`);
}
