/**
 * The handlers of TurnService: turns are attached to, looked up, listed and stopped.
 *
 * What runs here is asked in memory, everything else in the store. A turn under a profile that the caller may not use looks
 * like one that is not there. An operator sees that other tenants' turns are there and may stop them; their words it never
 * sees.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import type { StreamChatResponse } from "../../../gen/claude/runner/v1/runner_pb.ts";
import { Detail as DetailMessage } from "../../../gen/claude/runner/v1/runner_pb.ts";
import {
  type AttachTurnRequest,
  AttachTurnRequestSchema,
  AttachTurnResponseSchema,
  type GetTurnContentRequest,
  GetTurnContentRequestSchema,
  GetTurnRequestSchema,
  InterruptTurnRequestSchema,
  type ListTurnsRequest,
  ListTurnsRequestSchema,
  type Turn as TurnMessage,
  TurnSchema,
  TurnService,
  TurnState,
  TurnView,
} from "../../../gen/claude/runner/v1/turn_pb.ts";
import type { Clock } from "../../clock.ts";
import type { ProfileSettings } from "../../config/profile-settings.ts";
import type { Caller } from "../../policy/auth.ts";
import type { TurnReaders } from "../../policy/quota.ts";
import { RunnerError } from "../../runner-error.ts";
import { sessionNotFound, turnNotFound } from "../../sessions/refusals.ts";
import type { ListedTurn, RecordedState, Store, TurnRecord } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Detail } from "../../turn.ts";
import type { LiveTurns } from "../../turns/live-turns.ts";
import { CallScope } from "../call-scope.ts";
import { answered, asStatus } from "../called.ts";
import { type Authenticate, type CallContext, callerOf, type ServedService, served } from "../calls.ts";
import { toConnectError } from "../errors.ts";
import { seesProfile } from "../in/requests.ts";
import { checkRules, invalidRequest, prepareRules } from "../in/rules.ts";
import { rejoined } from "../intake-metrics.ts";
import { toLiveTurn, toTurnMessage } from "../out/kept-messages.ts";
import { asBytes, asMessages } from "../out/response-form.ts";
import type { ServedResult, ServedTurn } from "../out/turn-encoder.ts";
import { defaultPageSize, maxPageBytes, pageStart, pageToken } from "../page-token.ts";
import { stillAllowed, watchedForStall } from "../reading.ts";
import { storedResult } from "../recorded-turn.ts";
import { visibleProfiles } from "../sessions/session-service.ts";
import type { RelayTimes } from "../stream-chat.ts";
import { CallSpan } from "../traced.ts";
import { type AttachedItem, type AttachParts, attachLive, attachRecorded } from "./attach.ts";

export interface TurnServiceParts {
  readonly store: Store;
  readonly live: LiveTurns<ServedResult>;
  readonly readers: TurnReaders;
  readonly profiles: Readonly<Record<string, ProfileSettings>>;
  readonly calls: RelayTimes & { readonly maxTimeoutMs: number };
  readonly authenticate: Authenticate;
  readonly clock: Clock;
  readonly log: Log;
}

/** Words in a list: so many bytes of each text, of each turn, and of each page, which no client's 4 MiB are too few for. */
const words = { maxTextBytes: 64 * 1024, maxTurnBytes: maxPageBytes, maxListBytes: maxPageBytes };
const contentPieceBytes = 256 * 1024;

const methodName = (name: string) => `${TurnService.typeName}/${name}`;

/** A turn that was found: here, or in the store alone. */
type Found =
  | { readonly kind: "live"; readonly live: ServedTurn }
  | { readonly kind: "recorded"; readonly record: TurnRecord };

/** TurnService as the listeners take it. */
export function turnService(parts: TurnServiceParts): ServedService {
  prepareRules(
    AttachTurnRequestSchema,
    GetTurnRequestSchema,
    ListTurnsRequestSchema,
    GetTurnContentRequestSchema,
    InterruptTurnRequestSchema,
  );
  const { store } = parts;
  return served(TurnService, {
    attachTurn: (request, call) =>
      call.takes === "bytes" ? attachAsBytes(request, call, parts) : attachAsMessages(request, call, parts),
    getTurn: (request, call) =>
      answered(
        { method: methodName("GetTurn"), schema: GetTurnRequestSchema, request, call },
        parts,
        async (asked, caller) => {
          const found = await findTurn(asked.turn, caller, parts);
          const isFull = asked.view === TurnView.FULL;
          const listed = await listedTurn(idOf(found), caller, isFull, store);
          const turn = found.kind === "live" ? toLiveTurn(found.live, listed) : toTurnMessage(found.record, listed);
          if (!isFull) return { turn };
          const result = await resultOf(found, store);
          return result === undefined ? { turn } : { turn, result };
        },
      ),
    listTurns: (request, call) =>
      answered(
        { method: methodName("ListTurns"), schema: ListTurnsRequestSchema, request, call },
        parts,
        (asked, caller) => list(asked, caller, parts),
      ),
    getTurnContent: (request, call) => content(request, call, parts),
    interruptTurn: (request, call) =>
      answered(
        { method: methodName("InterruptTurn"), schema: InterruptTurnRequestSchema, request, call },
        parts,
        async ({ turnId }, caller) => interrupt(turnId, caller, parts),
      ),
  });
}

const idOf = (found: Found): string => (found.kind === "live" ? found.live.turn.id : found.record.id);

/** Throws TURN_NOT_FOUND for one that is not there, or not the caller's to see. */
async function findTurn(
  asked: AttachTurnRequest["turn"],
  caller: Caller,
  { store, live, profiles }: TurnServiceParts,
): Promise<Found> {
  const which = asked.case === "requestId" ? `of the request_id "${asked.value}"` : (asked.value ?? "");
  const byRequest = asked.case === "requestId" ? await store.turnByRequestId(caller.tenant, asked.value) : undefined;
  const id = asked.case === "requestId" ? byRequest?.id : asked.value;
  const here = id === undefined ? undefined : live.find(id);
  if (here !== undefined && here.turn.tenant === caller.tenant && seesProfile(caller, here.turn.profile, profiles)) {
    return { kind: "live", live: here };
  }
  const record = byRequest ?? (id === undefined ? undefined : await store.turn(caller.tenant, id));
  if (here !== undefined || record === undefined || !seesProfile(caller, record.profile, profiles)) {
    throw turnNotFound(which);
  }
  return { kind: "recorded", record };
}

/** The turn with its words as far as they are stored. */
async function listedTurn(
  turnId: string,
  { tenant }: Pick<Caller, "tenant">,
  isFull: boolean,
  store: Store,
): Promise<ListedTurn | undefined> {
  const [listed] = await store.turns({
    tenant,
    profiles: undefined,
    turnId,
    limit: 1,
    ...(isFull && { content: words }),
  });
  return listed;
}

async function resultOf(found: Found, store: Store): Promise<ServedResult | undefined> {
  if (found.kind === "recorded") return storedResult(found.record, store);
  const end = found.live.log.end?.value;
  return end?.kind === "ended" ? end.result : undefined;
}

const states: Readonly<Record<number, RecordedState>> = {
  [TurnState.WAITING]: "waiting",
  [TurnState.RUNNING]: "running",
  [TurnState.ENDED]: "ended",
};

async function list(asked: ListTurnsRequest, caller: Caller, { store, live, profiles }: TurnServiceParts) {
  const { sessionId, state, view, allTenants } = asked;
  const isFull = view === TurnView.FULL;
  if (allTenants && (!caller.isOperator || isFull)) {
    const message = isFull ? "nobody sees the words of all tenants" : "only an operator's token lists all tenants";
    throw new RunnerError("NOT_ALLOWED", message, { facts: { tenant: caller.tenant } });
  }
  const owner = { tenant: caller.tenant, filter: ["turns", sessionId, state, view, allTenants, caller.profiles] };
  const after = pageStart(asked.pageToken, owner);
  if (sessionId !== "" && !allTenants) {
    const session = await store.session(caller.tenant, sessionId);
    if (session === undefined || !seesProfile(caller, session.profile, profiles)) throw sessionNotFound(sessionId);
  }
  const most = asked.pageSize || defaultPageSize;
  const found = await store.turns({
    tenant: allTenants ? undefined : caller.tenant,
    profiles: allTenants ? undefined : visibleProfiles(caller, profiles),
    sessionId: sessionId || undefined,
    state: states[state],
    after,
    limit: most + 1,
    content: isFull ? words : undefined,
  });
  const turns: TurnMessage[] = [];
  let bytes = 0;
  for (const listed of found.slice(0, most)) {
    const here = live.find(listed.turn.id);
    const message = here === undefined ? toTurnMessage(listed.turn, listed) : toLiveTurn(here, listed);
    const turn = allTenants ? forOperator(message, caller) : message;
    bytes += toBinary(TurnSchema, turn).length;
    if (bytes > maxPageBytes && turns.length > 0) break;
    turns.push(turn);
  }
  const last = found[turns.length - 1];
  const isMore = last !== undefined && found.length > turns.length;
  const position = last && { atMs: last.turn.acceptedAtMs, id: last.turn.id };
  return { turns, nextPageToken: isMore && position ? pageToken(position, owner) : "" };
}

/** A turn as an operator sees it: of another tenant's nothing that might repeat what was said. */
function forOperator(turn: TurnMessage, { tenant }: Caller): TurnMessage {
  if (turn.tenant !== tenant && turn.error !== undefined) turn.error = { ...turn.error, message: "" };
  return turn;
}

/** Any turn of any tenant, for an operator. */
async function findAnyTurn(turnId: string, { live, store }: TurnServiceParts): Promise<Found> {
  const here = live.find(turnId);
  if (here !== undefined) return { kind: "live", live: here };
  const [listed] = await store.turns({ tenant: undefined, profiles: undefined, turnId, limit: 1 });
  if (listed === undefined) throw turnNotFound(turnId);
  return { kind: "recorded", record: listed.turn };
}

async function interrupt(turnId: string, caller: Caller, parts: TurnServiceParts) {
  const { store } = parts;
  const found = caller.isOperator
    ? await findAnyTurn(turnId, parts)
    : await findTurn({ case: "turnId", value: turnId }, caller, parts);
  if (found.kind === "recorded") {
    const { record } = found;
    if (record.state === "ended") return { turn: forOperator(toTurnMessage(record), caller), interrupted: false };
    const message = "the turn runs in a server that is shutting down: it ends there, or with that server";
    throw new RunnerError("POOL_DRAINING", message, { facts: { turnId } });
  }
  const wasOpen = found.live.state !== "ended" && !found.live.isStopped;
  if (wasOpen) found.live.stop(new RunnerError("TURN_INTERRUPTED", "the turn was stopped by InterruptTurn"));
  await found.live.over;
  const listed = await listedTurn(turnId, found.live.turn, false, store);
  return { turn: forOperator(toLiveTurn(found.live, listed), caller), interrupted: wasOpen };
}

async function* content(request: GetTurnContentRequest, call: CallContext, parts: TurnServiceParts) {
  const { clock, calls, log } = parts;
  const { maxTimeoutMs, stalledReaderMs } = calls;
  const span = new CallSpan(methodName("GetTurnContent"), call, clock);
  let scope: CallScope | undefined;
  let failure: unknown;
  let isDone = false;
  try {
    const { violations } = checkRules(GetTurnContentRequestSchema, request);
    if (violations.length > 0) throw invalidRequest(violations);
    const caller = callerOf(call);
    const ofCall = new CallScope(call, clock, { defaultTimeoutMs: maxTimeoutMs, maxTimeoutMs });
    scope = ofCall;
    await findTurn({ case: "turnId", value: request.turnId }, caller, parts);
    yield* watchedForStall(pieces(request, caller, ofCall, parts), { clock, stalledReaderMs }, (stalled) =>
      ofCall.endCallWith(stalled),
    );
    isDone = true;
  } catch (error) {
    failure = asStatus(error, log);
    throw failure;
  } finally {
    scope?.[Symbol.dispose]();
    span.end(isDone ? undefined : (failure ?? call.signal.reason ?? cancelled()));
  }
}

async function* pieces(
  { turnId, digest, offsetBytes: from }: GetTurnContentRequest,
  { tenant }: Caller,
  { signal }: CallScope,
  { store }: TurnServiceParts,
) {
  let offsetBytes = Number(from);
  for (;;) {
    const piece = await store.content(tenant, turnId, digest, { offsetBytes, maxBytes: contentPieceBytes });
    if (piece === undefined) {
      const message = `the turn ${turnId} has no part ${digest}, or its words are not kept`;
      throw new RunnerError("CONTENT_NOT_FOUND", message, { facts: { turnId, digest } });
    }
    const { data, sizeBytes, mediaType } = piece;
    yield { data, offsetBytes: BigInt(offsetBytes), sizeBytes: BigInt(sizeBytes), mediaType };
    offsetBytes += data.length;
    if (data.length === 0 || offsetBytes >= sizeBytes) return;
    signal.throwIfAborted();
  }
}

const cancelled = () => toConnectError(new RunnerError("CANCELLED", "cancelled"));

const details: Readonly<Record<number, Detail>> = {
  [DetailMessage.TEXT]: "text",
  [DetailMessage.STANDARD]: "standard",
};

async function* attachAsMessages(request: AttachTurnRequest, call: CallContext, parts: TurnServiceParts) {
  for await (const item of attach<StreamChatResponse>(request, call, parts, asMessages(detailOf(request)))) {
    yield { message: item.kind === "own" ? item.message : { case: "event" as const, value: item.response } };
  }
}

async function* attachAsBytes(request: AttachTurnRequest, call: CallContext, parts: TurnServiceParts) {
  for await (const item of attach<Buffer>(request, call, parts, asBytes(detailOf(request)))) {
    if (item.kind === "event") yield enveloped(item.response);
    else {
      const bytes = toBinary(AttachTurnResponseSchema, create(AttachTurnResponseSchema, { message: item.message }));
      yield Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
  }
}

/** An event as a field of AttachTurnResponse, without encoding it anew. */
function enveloped(event: Buffer): Buffer {
  const head: number[] = [(2 << 3) | 2];
  let rest = event.length;
  while (rest > 0x7f) {
    head.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  head.push(rest);
  return Buffer.concat([Buffer.from(head), event]);
}

const detailOf = ({ detail }: AttachTurnRequest): Detail => details[detail] ?? "full";

async function* attach<R>(
  request: AttachTurnRequest,
  call: CallContext,
  parts: TurnServiceParts,
  form: AttachParts<R>["form"],
): AsyncGenerator<AttachedItem<R>, void> {
  const { clock, calls, store, log, readers } = parts;
  const span = new CallSpan(methodName("AttachTurn"), call, clock);
  let scope: CallScope | undefined;
  let leave = () => {};
  let failure: unknown;
  let isDone = false;
  try {
    const { violations } = checkRules(AttachTurnRequestSchema, request);
    if (violations.length > 0) throw invalidRequest(violations);
    const caller = callerOf(call);
    leave = readers.enter(caller.tenant);
    scope = new CallScope(call, clock, { defaultTimeoutMs: calls.maxTimeoutMs, maxTimeoutMs: calls.maxTimeoutMs });
    const found = await findTurn(request.turn, caller, parts);
    rejoined("attach");
    const { profile } = found.kind === "live" ? found.live.turn : found.record;
    const attachParts: AttachParts<R> = {
      form,
      afterSequence: request.afterSequence,
      scope,
      store,
      clock,
      times: calls,
      stillAllowed: stillAllowed(call, { id: idOf(found), profile }, parts),
    };
    yield* found.kind === "live" ? attachLive(found.live, attachParts) : attachRecorded(found.record, attachParts);
    isDone = true;
  } catch (error) {
    failure = asStatus(error, log);
    throw failure;
  } finally {
    leave();
    scope?.[Symbol.dispose]();
    span.end(isDone ? undefined : (failure ?? call.signal.reason ?? cancelled()));
  }
}
