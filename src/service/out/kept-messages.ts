/**
 * Sessions and turns that are kept, as messages.
 */
import { createHash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import type { TurnError } from "../../../gen/claude/runner/v1/result_pb.ts";
import { TurnErrorSchema } from "../../../gen/claude/runner/v1/result_pb.ts";
import {
  Detail as DetailMessage,
  OnDisconnect as OnDisconnectMessage,
} from "../../../gen/claude/runner/v1/runner_pb.ts";
import {
  type Session,
  SessionKind as SessionKindMessage,
  SessionSchema,
  SessionState,
} from "../../../gen/claude/runner/v1/session_pb.ts";
import {
  type Turn as TurnMessage,
  type TurnPart,
  TurnPartSchema,
  TurnSchema,
  TurnState,
} from "../../../gen/claude/runner/v1/turn_pb.ts";
import { isRunnerError } from "../../runner-error.ts";
import type { ContentSummary, ListedTurn, RecordedState, SessionRecord, TurnRecord } from "../../store/store.ts";
import type { Binding, Detail } from "../../turn.ts";
import { noUsage } from "../../usage.ts";
import { cutUtf8 } from "../../utf8.ts";
import { int32, int64, timestamp } from "../protobuf.ts";
import { errorReason, outcomes, toUsage } from "./result.ts";
import type { ServedTurn } from "./turn-encoder.ts";

const kinds = { text: SessionKindMessage.TEXT, tools: SessionKindMessage.TOOLS } as const;
const states = {
  waiting: TurnState.WAITING,
  running: TurnState.RUNNING,
  ended: TurnState.ENDED,
} as const satisfies Record<RecordedState, TurnState>;
const details = {
  text: DetailMessage.TEXT,
  standard: DetailMessage.STANDARD,
  full: DetailMessage.FULL,
} as const satisfies Record<Detail, DetailMessage>;
const disconnects = { cancel: OnDisconnectMessage.CANCEL, continue: OnDisconnectMessage.CONTINUE } as const;

export function toSession(session: SessionRecord): Session {
  const { suspension, forkedFrom, binding } = session;
  return create(SessionSchema, {
    id: session.id,
    state: stateOf(session),
    runningTurnId: session.runningTurnId ?? "",
    ...(suspension && {
      suspension: {
        reason: errorReason(suspension.reason),
        message: suspension.message,
        suspendTime: timestamp(suspension.sinceMs),
      },
    }),
    profile: session.profile,
    bindingDigest: binding === undefined ? "" : bindingDigest(binding),
    title: session.title,
    labels: session.labels,
    turnCount: int32(session.turnCount),
    usage: toUsage(session.usage),
    costUsdMicros: int64(session.costUsdMicros),
    createTime: timestamp(session.createdAtMs),
    updateTime: timestamp(session.updatedAtMs),
    expireTime: timestamp(session.expiresAtMs),
    lastTurnId: session.lastTurnId ?? "",
    kind: session.kind === undefined ? SessionKindMessage.UNSPECIFIED : kinds[session.kind],
    contextTokenCount: int64(session.contextTokens),
    contextWindowTokenCount: int64(session.contextWindowTokens),
    ...(forkedFrom && { forkedFrom: { sessionId: forkedFrom.sessionId, turnId: forkedFrom.turnId ?? "" } }),
  });
}

function stateOf({ runningTurnId, suspension }: SessionRecord): SessionState {
  if (runningTurnId !== undefined) return SessionState.RUNNING;
  return suspension === undefined ? SessionState.IDLE : SessionState.SUSPENDED;
}

/** Says whether two bindings are the same, and nothing of what they are. */
function bindingDigest({
  systemPrompt = null,
  outputSchemaJson = null,
}: Binding | { [K in keyof Binding]: null }): string {
  return createHash("sha256")
    .update(JSON.stringify([systemPrompt, outputSchemaJson]))
    .digest("hex");
}

/** A turn as the store knows it. */
export function toTurnMessage(turn: TurnRecord, content?: Pick<ListedTurn, "prompt" | "answer">): TurnMessage {
  const { stored } = turn;
  return create(TurnSchema, {
    id: turn.id,
    state: states[turn.state],
    ...(turn.outcome && { outcome: outcomes[turn.outcome] }),
    ...(turn.error && { error: toError(turn.error) }),
    tenant: turn.tenant,
    profile: turn.profile,
    model: turn.model,
    sessionId: turn.sessionId ?? "",
    requestId: turn.requestId ?? "",
    onDisconnect: disconnects[turn.onDisconnect],
    detail: details[turn.detail],
    acceptTime: timestamp(turn.acceptedAtMs),
    ...(turn.startedAtMs !== undefined && { startTime: timestamp(turn.startedAtMs) }),
    ...(turn.endedAtMs !== undefined && { endTime: timestamp(turn.endedAtMs) }),
    usage: toUsage(turn.usage),
    costUsdMicros: int64(turn.costUsdMicros),
    costIsEstimate: turn.costIsEstimate,
    firstSequence: stored?.firstSequence ?? 0,
    // While it runs elsewhere this is a bound: nobody has had more.
    lastSequence: turn.state === "ended" ? turn.highestSequence : (stored?.lastSequence ?? 0),
    inConversation: turn.isInConversation,
    hasContent: turn.hasContent,
    ...(content && { prompt: content.prompt.map(toPart), answer: content.answer.map(toPart) }),
  });
}

/** A turn that is in memory: what it does now, and what the store says of its words. */
export function toLiveTurn(live: ServedTurn, listed?: ListedTurn): TurnMessage {
  const { turn, log } = live;
  const end = log.end?.value;
  const message = create(TurnSchema, {
    id: turn.id,
    state: states[live.state],
    tenant: turn.tenant,
    profile: turn.profile,
    model: turn.settings.model,
    sessionId: turn.sessionId ?? "",
    requestId: turn.requestId ?? "",
    onDisconnect: disconnects[turn.onDisconnect ?? "cancel"],
    detail: details[turn.detail],
    acceptTime: timestamp(live.acceptedAtWallMs),
    ...(live.startedAtWallMs !== undefined && { startTime: timestamp(live.startedAtWallMs) }),
    ...(live.endedAtWallMs !== undefined && { endTime: timestamp(live.endedAtWallMs) }),
    usage: toUsage(noUsage),
    firstSequence: log.firstSequence,
    lastSequence: log.lastSequence,
    readerCount: log.readerCount,
    inConversation: listed?.turn.isInConversation ?? false,
    hasContent: listed?.turn.hasContent ?? false,
    ...(listed && { prompt: listed.prompt.map(toPart), answer: listed.answer.map(toPart) }),
  });
  if (end === undefined) return message;
  if (end.kind === "notStarted") {
    message.error = toError(end.error);
    return message;
  }
  const { result } = end;
  message.outcome = result.outcome;
  if (result.error !== undefined) message.error = result.error;
  if (result.usage !== undefined) message.usage = result.usage;
  message.costUsdMicros = result.costUsdMicros;
  message.costIsEstimate = result.costIsEstimate;
  return message;
}

function toError(error: unknown): TurnError {
  const { reason, message } = isRecorded(error) ? error : { reason: "INTERNAL" as const, message: "internal error" };
  return create(TurnErrorSchema, { reason: errorReason(reason), message: cutUtf8(message, 4096) });
}

/** What the store has of an error, and an error of ours, have the same members. */
function isRecorded(error: unknown): error is NonNullable<TurnRecord["error"]> {
  return isRunnerError(error) || (typeof error === "object" && error !== null && "reason" in error && "facts" in error);
}

function toPart({ mediaType, digest, sizeBytes, text, isCut, title }: ContentSummary): TurnPart {
  return create(TurnPartSchema, { mediaType, digest, sizeBytes: int64(sizeBytes), text, textTruncated: isCut, title });
}
