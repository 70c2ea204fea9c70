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
  type GetInfoResponseSchema,
  type StreamChatRequest,
  StreamChatRequestSchema,
  SystemPromptPolicy,
} from "../../gen/claude/runner/v1/runner_pb.ts";
import { type ProfileSettings, reusesWorkers, workerUse } from "../config/profile-settings.ts";
import type { Settings } from "../config/settings.ts";
import type { Caller } from "../policy/auth.ts";
import type { TurnsInFlight } from "../policy/quota.ts";
import type { WorkerPool } from "../pool/claim.ts";
import { isRunnerError, RunnerError, type RunnerReason } from "../runner-error.ts";
import type { Detail, Turn } from "../turn.ts";
import type { TurnEnd } from "../turn-end.ts";
import { TurnLife } from "../turns/life.ts";
import { type LiveEnd, LiveTurn } from "../turns/live-turn.ts";
import { TurnLog } from "../turns/log/turn-log.ts";
import { type ObserverParts, observersOf } from "../turns/observers/turn-observers.ts";
import { CallScope } from "./call-scope.ts";
import { type CallContext, callerOf, type ServedService, served } from "./calls.ts";
import { toConnectError } from "./errors.ts";
import { profilesOf, toTurn } from "./in/requests.ts";
import { prepareRules } from "./in/rules.ts";
import { asBytes, asMessages, type ResponseForm } from "./out/response-form.ts";
import { ServedTurnEncoder } from "./out/turn-encoder.ts";
import { duration, int64 } from "./protobuf.ts";
import { relayTurn, type TurnCall, TurnFailure } from "./stream-chat.ts";
import { CallSpan, traced } from "./traced.ts";

/** The response header that names the turn. */
export const turnIdHeader = "claude-runner-turn-id";

/** The longest text of a collected answer, in bytes: with everything else it stays below the 4 MiB of gRPC clients. */
export const maxChatTextBytes = 3 * 1024 * 1024;
const maxChatToolUses = 100;
/** The tool uses of a collected answer together, in bytes of JSON. */
const maxChatToolBytes = 256 * 1024;

/** What the installed CLI is and can do, as far as callers need to know. */
export interface CliInfo {
  /** The version; `undefined` while none was found. */
  readonly version: string | undefined;
  /** Whether it takes a conversation without model calls; `undefined` until that was probed. */
  readonly seeds: boolean | undefined;
}

export interface RunnerParts extends ObserverParts {
  readonly pool: WorkerPool;
  readonly inFlight: TurnsInFlight;
  readonly profiles: Readonly<Record<string, ProfileSettings>>;
  readonly settings: Settings;
  readonly serverVersion: string;
  readonly cli: () => CliInfo;
}

const policies = {
  fixed: SystemPromptPolicy.FIXED,
  append: SystemPromptPolicy.APPEND,
  replace: SystemPromptPolicy.REPLACE,
} as const;

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
        traced(methodName("GetInfo"), call, parts.clock, async () => info(callerOf(call), parts)),
    },
    { contentMethods: ["streamChat", "chat"] },
  );
}

const methodName = (name: string) => `${ClaudeRunner.typeName}/${name}`;

/** Checks a request and opens its turn. Throws what the caller gets. */
function openTurn<R>(
  method: string,
  request: StreamChatRequest | ChatRequest,
  call: CallContext,
  parts: RunnerParts,
  form: (detail: Detail) => ResponseForm<R>,
  ended?: TurnCall<R>["ended"],
): TurnCall<R> {
  const { clock, inFlight, profiles, settings } = parts;
  const span = new CallSpan(methodName(method), call, clock);
  let scope: CallScope | undefined;
  const failed = (error: unknown) => {
    const status = refusal(error, parts);
    span.end(status, reasonOf(error));
    return status;
  };
  // An end without a failure is OK if the turn ended well, else the caller has gone.
  let endedWell = false;
  const over = () => {
    scope?.[Symbol.dispose]();
    span.end(endedWell ? undefined : (call.signal.reason ?? new ConnectError("cancelled", Code.Canceled)));
  };
  try {
    scope = new CallScope(call, clock, settings.calls);
    const turn = toTurn(request, callerOf(call), profiles);
    checkSeeding(turn, parts.cli());
    call.responseHeader.set(turnIdHeader, turn.id);
    const { deadlineMs, arrivedAtMs } = scope;
    const log = new TurnLog<LiveEnd<TurnResult>>();
    const live = new LiveTurn<TurnResult>(turn, {
      clock,
      log,
      encoder: new ServedTurnEncoder(turn, {
        clock,
        workerUse: workerUse(profiles[turn.profile]!),
        write: (flags, bytes) => log.append(flags, bytes),
      }),
      life: (signal) =>
        new TurnLife(
          turn,
          { signal, deadlineMs, arrivedAtMs, startedMs: span.startedMs },
          { clock, pool: parts.pool, admit: ({ tenant }) => ({ leave: inFlight.enter(tenant) }) },
          observersOf(turn, span, arrivedAtMs, parts),
        ),
    });
    return {
      live,
      role: "caller",
      form: form(turn.detail),
      scope,
      clock,
      times: settings.calls,
      ended: (end, result) => {
        endedWell = end.error === undefined;
        return ended?.(end, result);
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
  let answer: { readonly end: TurnEnd; readonly result: TurnResult } | undefined;
  const responses = relayTurn(() =>
    openTurn("Chat", request, call, parts, asMessages, (end, result) => {
      answer = { end, result };
      return tooLarge(end);
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
  const { end, result } = answer;
  return {
    turnId,
    text: end.text,
    ...(started && { started: create(StartedSchema, started) }),
    result: { ...result, text: "", textTruncated: false },
    toolUses,
  };
}

/** Why an answer cannot be collected. */
function tooLarge({ text }: TurnEnd): RunnerError | undefined {
  const textBytes = Buffer.byteLength(text);
  if (textBytes <= maxChatTextBytes) return undefined;
  const message = `the answer has ${textBytes} bytes of text, more than ${maxChatTextBytes}: call StreamChat`;
  return new RunnerError("RESPONSE_TOO_LARGE", message, { facts: { textBytes, limitBytes: maxChatTextBytes } });
}

function info(
  caller: Caller,
  { settings, profiles, serverVersion, cli }: RunnerParts,
): MessageInitShape<typeof GetInfoResponseSchema> {
  return {
    serverVersion,
    cliVersion: cli().version ?? "",
    tenant: caller.tenant,
    profiles: profilesOf(caller, profiles).map((name) => profileInfo(name, profiles[name]!)),
    maxTurnsInFlightCount: settings.auth.maxTurnsInFlightPerTenant,
    maxTimeout: duration(settings.calls.maxTimeoutMs),
    defaultTimeout: duration(settings.calls.defaultTimeoutMs),
  };
}

function profileInfo(name: string, profile: ProfileSettings) {
  const limits = (of: ProfileSettings["maxLimits"]) => ({
    maxModelCallCount: of.maxModelCallCount,
    maxCostUsdMicros: of.maxCostUsdMicros === undefined ? undefined : int64(of.maxCostUsdMicros),
    maxOutputBytes: of.maxOutputBytes === undefined ? undefined : int64(of.maxOutputBytes),
    maxDuration: of.maxDurationMs === undefined ? undefined : duration(of.maxDurationMs),
  });
  return {
    name,
    description: profile.description,
    defaultModel: profile.model,
    allowedModels: [...new Set([profile.model, ...profile.allowedModels])],
    systemPromptPolicy: policies[profile.systemPromptPolicy],
    tools: [...profile.tools],
    defaultLimits: limits(profile.defaultLimits),
    maxLimits: limits(profile.maxLimits),
    reusesWorkers: reusesWorkers(profile),
  };
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
