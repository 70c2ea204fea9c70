/**
 * The handlers of ClaudeRunner: StreamChat, Chat and GetInfo.
 *
 * Each turns a request into a turn with its observers, and relays or gathers what comes of it. The life of a turn is
 * `turns/life.ts`, its relay to a caller `stream-chat.ts`.
 */

import type { MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { StartedSchema, type ToolUseSchema } from "../../gen/claude/runner/v1/event_pb.ts";
import type { TurnResult } from "../../gen/claude/runner/v1/result_pb.ts";
import {
  type ChatRequest,
  ChatRequestSchema,
  type ChatResponseSchema,
  ClaudeRunner,
  type StreamChatRequest,
  StreamChatRequestSchema,
} from "../../gen/claude/runner/v1/runner_pb.ts";
import { workerUse } from "../config/profile-settings.ts";
import type { Caller } from "../policy/auth.ts";
import type { TurnReaders } from "../policy/quota.ts";
import type { WorkerPool } from "../pool/claim.ts";
import { isRunnerError, RunnerError, type RunnerReason } from "../runner-error.ts";
import { requestIdReused, sessionExists, sessionNotFound } from "../sessions/refusals.ts";
import { canBeRejoined, type TurnAsk } from "../sessions/turn-ask.ts";
import type { TurnDesk, TurnHooks } from "../sessions/turn-desk.ts";
import type { SessionRecord, Store } from "../store/store.ts";
import type { Detail, Turn } from "../turn.ts";
import { TurnLife } from "../turns/life.ts";
import { LiveTurn } from "../turns/live-turn.ts";
import type { LiveTurns } from "../turns/live-turns.ts";
import { type ObserverParts, observersOf } from "../turns/observers/turn-observers.ts";
import { CallScope } from "./call-scope.ts";
import { type Authenticate, type CallContext, callerOf, type ServedService, served, turnIdHeader } from "./calls.ts";
import { toConnectError } from "./errors.ts";
import { toAsk } from "./in/named-requests.ts";
import { seesProfile, toTurn } from "./in/requests.ts";
import { prepareRules } from "./in/rules.ts";
import { refusedAtIntake, rejoined } from "./intake-metrics.ts";
import { asBytes, asMessages, type ResponseForm } from "./out/response-form.ts";
import { ServedTurnEncoder } from "./out/turn-encoder.ts";
import { stillAllowed } from "./reading.ts";
import { type CliInfo, type ServerInfoParts, serverInfo } from "./server-info.ts";
import { type CalledTurn, relayTurn, type TurnCall, TurnFailure } from "./stream-chat.ts";
import { CallSpan, traced } from "./traced.ts";

/** The longest text of a collected answer, in bytes: with everything else it stays below the 4 MiB of gRPC clients. */
export const maxChatTextBytes = 3 * 1024 * 1024;
const maxChatToolUses = 100;
/** The tool uses of a collected answer together, in bytes of JSON. */
const maxChatToolBytes = 256 * 1024;

export interface RunnerParts extends ObserverParts, ServerInfoParts {
  readonly pool: WorkerPool;
  readonly desk: TurnDesk<TurnResult>;
  readonly live: LiveTurns<TurnResult>;
  readonly store: Store;
  readonly readers: TurnReaders;
  readonly authenticate: Authenticate;
}

/** ClaudeRunner as the listeners take it. */
export function runnerService(parts: RunnerParts): ServedService {
  prepareRules(StreamChatRequestSchema, ChatRequestSchema);
  return served(
    ClaudeRunner,
    {
      streamChat: (request, call) =>
        call.takes === "bytes"
          ? relayTurn(() => openTurn("StreamChat", request, call, parts, asBytes))
          : relayTurn(() => openTurn("StreamChat", request, call, parts, asMessages)),
      chat: (request, call) => chat(request, call, parts),
      getInfo: (_request, call) =>
        traced(methodName("GetInfo"), call, parts.clock, async () => serverInfo(callerOf(call), parts)),
    },
    { contentMethods: ["streamChat", "chat"] },
  );
}

const methodName = (name: string) => `${ClaudeRunner.typeName}/${name}`;

/** Checks a request and opens its turn, or the one that it repeats. Throws what the caller gets. */
async function openTurn<R>(
  method: string,
  request: StreamChatRequest | ChatRequest,
  call: CallContext,
  parts: RunnerParts,
  form: (detail: Detail) => ResponseForm<R>,
  ended?: TurnCall<R>["ended"],
): Promise<TurnCall<R>> {
  const { clock, settings } = parts;
  const span = new CallSpan(methodName(method), call, clock);
  let scope: CallScope | undefined;
  const failed = (error: unknown) => {
    const status = refusal(error, parts);
    span.end(status, reasonOf(error));
    return status;
  };
  // An end without a failure is OK if the turn ended well, else the caller has gone.
  let endedWell = false;
  let leave = () => {};
  const over = () => {
    leave();
    scope?.[Symbol.dispose]();
    span.end(endedWell ? undefined : (call.signal.reason ?? new ConnectError("cancelled", Code.Canceled)));
  };
  try {
    scope = new CallScope(call, clock, settings.calls);
    const caller = callerOf(call);
    const named = await sessionOf(request, caller, parts);
    const session = named?.kind === "seen" ? named.session : undefined;
    const asked = toTurn(request, caller, { profiles: parts.profiles, expiry: settings.store, session });
    if (named?.kind === "hidden") throw named.refusal;
    checkSeeding(asked, parts.cli());
    const { called, turnId, profile } = await takeIn(request, asked, { caller, scope, span, parts });
    if (called.kind === "recorded" || called.role === "reader") leave = parts.readers.enter(caller.tenant);
    return {
      called,
      beginning: () => call.responseHeader.set(turnIdHeader, turnId),
      stillAllowed: stillAllowed(call, { id: turnId, profile }, parts),
      form: form(asked.detail),
      scope,
      clock,
      times: settings.calls,
      ended: (result, end) => {
        endedWell = end === undefined ? result.error === undefined : end.error === undefined;
        return ended?.(result, end);
      },
      failed,
      over,
    };
  } catch (error) {
    const status = failed(error);
    over();
    throw status;
  }
}

type NamedSession =
  | { readonly kind: "seen"; readonly session: SessionRecord }
  /** It has a profile that the caller may not use. */
  | { readonly kind: "hidden"; readonly refusal: RunnerError };

/** The session that a request names, if there is one. */
async function sessionOf(
  { session: named }: StreamChatRequest | ChatRequest,
  caller: Caller,
  { store, profiles }: RunnerParts,
): Promise<NamedSession | undefined> {
  if (named === undefined || named.id === "") return undefined;
  const session = await store.session(caller.tenant, named.id);
  if (session === undefined) return undefined;
  if (seesProfile(caller, session.profile, profiles)) return { kind: "seen", session };
  // As CreateSession and GetSession have it.
  return { kind: "hidden", refusal: named.allowMissing ? sessionExists(named.id) : sessionNotFound(named.id) };
}

/** Begins the turn, or finds the one that the request repeats. */
async function takeIn(
  request: StreamChatRequest | ChatRequest,
  asked: Turn,
  {
    caller,
    scope,
    span,
    parts,
  }: { readonly caller: Caller; readonly scope: CallScope; readonly span: CallSpan; readonly parts: RunnerParts },
): Promise<{ readonly called: CalledTurn; readonly turnId: string; readonly profile: string }> {
  const { clock, desk, profiles, settings, store } = parts;
  const profile = profiles[asked.profile]!;
  const ask = toAsk(request, asked, profile, settings.store);
  const turn: Turn = { ...asked, ...recordedAs(asked, ask, settings.calls.maxTimeoutMs) };
  const { deadlineMs, arrivedAtMs } = scope;
  const begin = ({ book, ...hooks }: TurnHooks<TurnResult>) => {
    const log = parts.live.newLog();
    return new LiveTurn<TurnResult>(turn, {
      clock,
      log,
      book,
      encoder: new ServedTurnEncoder(turn, {
        clock,
        workerUse: workerUse(profile),
        write: (flags, bytes) => {
          log.append(flags, bytes);
          book.event(log.lastSequence, flags, bytes);
        },
      }),
      life: (signal) =>
        new TurnLife(
          turn,
          {
            signal,
            // Of a turn that goes on without its call the deadline is not the call's.
            deadlineMs: ask.onDisconnect === "continue" ? clock.now() + settings.calls.maxTimeoutMs : deadlineMs,
            arrivedAtMs,
            startedMs: span.startedMs,
            whenClaimed: hooks.whenClaimed,
            beforePrompt: hooks.beforePrompt,
          },
          { clock, pool: parts.pool, admit: hooks.admit },
          observersOf(turn, span, arrivedAtMs, parts),
        ),
    });
  };
  const taken = await takenBy(() => desk.takeIn(turn, ask, begin), asked.profile, ask);
  if (taken.kind !== "began") {
    const { id, profile: of } = taken.kind === "found" ? taken.live.turn : taken.record;
    // The same words under another profile are not the same request.
    if (!seesProfile(caller, of, profiles)) throw requestIdReused(request.requestId, id);
  }
  switch (taken.kind) {
    case "began":
      return {
        called: { kind: "live", live: taken.live, role: ask.onDisconnect === "continue" ? "starter" : "caller" },
        turnId: turn.id,
        profile: turn.profile,
      };
    case "found": {
      rejoined("requestId");
      const { live } = taken;
      return { called: { kind: "live", live, role: "reader" }, turnId: live.turn.id, profile: live.turn.profile };
    }
    case "recorded": {
      rejoined("requestId");
      const { record } = taken;
      return { called: { kind: "recorded", record, store }, turnId: record.id, profile: record.profile };
    }
    default:
      return taken satisfies never;
  }
}

/** Has a turn taken in, and counts one that could have been found again and is refused. */
async function takenBy<T>(takeIn: () => T | Promise<T>, profile: string, ask: TurnAsk): Promise<T> {
  try {
    return await takeIn();
  } catch (error) {
    if (canBeRejoined(ask)) refusedAtIntake(profile, error);
    throw error;
  }
}

/** How a turn is numbered and bounded that more than its own call may ask for, or that goes on without it. */
function recordedAs(asked: Turn, ask: TurnAsk, maxDurationMs: number): Pick<Turn, "detail" | "limits"> {
  const detail = canBeRejoined(ask) && asked.detail === "text" ? "standard" : asked.detail;
  const limits =
    ask.onDisconnect === "continue"
      ? { ...asked.limits, maxDurationMs: Math.min(asked.limits.maxDurationMs ?? maxDurationMs, maxDurationMs) }
      : asked.limits;
  return { detail, limits };
}

/** Throws NOT_SUPPORTED_BY_CLI for a history that the CLI is known not to take. */
function checkSeeding({ history }: Turn, { seeds, version = "" }: CliInfo): void {
  if (history.length === 0 || seeds !== false) return;
  const message = `Claude Code ${version} does not accept a history; a newer version may`;
  throw new RunnerError("NOT_SUPPORTED_BY_CLI", message, { facts: { cliVersion: version } });
}

async function chat(
  request: ChatRequest,
  call: CallContext,
  parts: RunnerParts,
): Promise<MessageInitShape<typeof ChatResponseSchema>> {
  let answer: { readonly text: string; readonly result: TurnResult } | undefined;
  const responses = relayTurn(() =>
    openTurn("Chat", request, call, parts, asMessages, (result, end) => {
      // A turn that is known from the store alone has its text as the result has it.
      answer = { text: end?.text ?? result.text, result };
      return end === undefined && result.textTruncated ? textGone(result) : tooLarge(answer.text);
    }),
  );
  let turnId = "";
  let started: MessageInitShape<typeof StartedSchema> | undefined;
  const toolUses: MessageInitShape<typeof ToolUseSchema>[] = [];
  let toolBytes = 0;
  for await (const response of responses) {
    turnId = response.turnId ?? "";
    if (response.event?.case === "started") {
      started = response.event.value;
      call.begin(); // it may cost money now, or run a tool: nobody repeats it
    }
    if (response.event?.case === "toolUse" && toolUses.length < maxChatToolUses) {
      toolBytes += response.event.value.inputJson?.length ?? 0;
      if (toolBytes <= maxChatToolBytes) toolUses.push(response.event.value);
    }
  }
  if (answer === undefined) throw refusal(new Error("bug: a turn without an end"), parts);
  const { text, result } = answer;
  return {
    turnId,
    text,
    ...(started && { started: create(StartedSchema, started) }),
    result: { ...result, text: "", textTruncated: false },
    toolUses,
  };
}

/** Why an answer cannot be collected whose events are gone. */
function textGone({ text, textSizeBytes }: TurnResult): RunnerError {
  const [textBytes, keptBytes] = [Number(textSizeBytes), Buffer.byteLength(text)];
  const message = `of the answer's ${textBytes} bytes of text the server still has the first ${keptBytes}, which are in the result`;
  return new RunnerError("RESPONSE_TOO_LARGE", message, { facts: { textBytes, limitBytes: keptBytes } });
}

/** Why an answer cannot be collected. */
function tooLarge(text: string): RunnerError | undefined {
  const textBytes = Buffer.byteLength(text);
  if (textBytes <= maxChatTextBytes) return undefined;
  const message = `the answer has ${textBytes} bytes of text, more than ${maxChatTextBytes}: call StreamChat`;
  return new RunnerError("RESPONSE_TOO_LARGE", message, { facts: { textBytes, limitBytes: maxChatTextBytes } });
}

const causeOf = (error: unknown): unknown => (error instanceof TurnFailure ? error.error : error);

/** The reason for spans. A status that was not ours to give has none. */
function reasonOf(error: unknown): RunnerReason | undefined {
  const cause = causeOf(error);
  if (isRunnerError(cause)) return cause.reason;
  return cause instanceof ConnectError ? undefined : "INTERNAL";
}

/** What a call failed with as what its caller may know. The rest goes to the log. */
function refusal(error: unknown, { log }: RunnerParts): ConnectError {
  const cause = causeOf(error);
  if (!isRunnerError(cause) && !(cause instanceof ConnectError))
    log.error({ err: cause }, "a call failed because of a bug in the server");
  else if (isRunnerError(cause, "INTERNAL")) log.error({ err: cause }, "a turn failed because of a bug in the server");
  return error instanceof TurnFailure ? toConnectError(error.error, error.progress) : toConnectError(error);
}
