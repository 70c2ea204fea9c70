/**
 * The handlers of ClaudeRunner: StreamChat, Chat and GetInfo.
 *
 * Each turns a request into domain words, runs it and turns what comes into messages; the life of a turn itself is
 * `stream-chat.ts`.
 */

import type { MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Context } from "@opentelemetry/api";
import { StartedSchema, type ToolUseSchema } from "../../gen/claude/runner/v1/event_pb.ts";
import {
  type ChatRequest,
  type ChatResponseSchema,
  ClaudeRunner,
  type GetInfoResponseSchema,
  type StreamChatRequest,
  SystemPromptPolicy,
} from "../../gen/claude/runner/v1/runner_pb.ts";
import { type ProfileSettings, reusesWorkers, type Settings } from "../config/settings.ts";
import { isRunnerError, RunnerError } from "../errors.ts";
import type { Log } from "../telemetry/log.ts";
import { CallScope } from "./call-scope.ts";
import { type CallContext, type Caller, type ServedService, served } from "./calls.ts";
import { toConnectError } from "./errors.ts";
import type { Response } from "./events.ts";
import { duration } from "./protobuf.ts";
import { profilesOf, toTurn } from "./requests.ts";
import { runTurn, type Step, TurnFailure, type TurnParts } from "./stream-chat.ts";
import { traced, tracedStream } from "./traced.ts";

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

export interface RunnerParts extends TurnParts {
  readonly settings: Settings;
  readonly serverVersion: string;
  readonly cli: () => CliInfo;
  readonly errorLog: Log;
}

const policies = {
  fixed: SystemPromptPolicy.FIXED,
  append: SystemPromptPolicy.APPEND,
  replace: SystemPromptPolicy.REPLACE,
} as const;

/** ClaudeRunner as the listeners take it. */
export function runnerService(parts: RunnerParts): ServedService {
  const method = (name: string) => `${ClaudeRunner.typeName}/${name}`;
  return served(ClaudeRunner, {
    streamChat: (request, call) =>
      tracedStream(method("StreamChat"), call, parts.clock, (parent) => streamChat(request, call, parent, parts)),
    chat: (request, call) => traced(method("Chat"), call, parts.clock, (parent) => chat(request, call, parent, parts)),
    getInfo: (_request, call) => traced(method("GetInfo"), call, parts.clock, async () => info(callerOf(call), parts)),
  });
}

async function* streamChat(
  request: StreamChatRequest,
  call: CallContext,
  parent: Context,
  parts: RunnerParts,
): AsyncGenerator<Response, void> {
  try {
    using scope = new CallScope(call, parts.clock, parts.calls);
    for await (const { response } of turnOf(request, call, scope, parent, parts)) yield response;
  } catch (error) {
    throw refusal(error, parts);
  }
}

async function chat(
  request: ChatRequest,
  call: CallContext,
  parent: Context,
  parts: RunnerParts,
): Promise<MessageInitShape<typeof ChatResponseSchema>> {
  try {
    using scope = new CallScope(call, parts.clock, parts.calls);
    return await collect(turnOf(request, call, scope, parent, parts));
  } catch (error) {
    throw refusal(error, parts);
  }
}

function turnOf(
  request: StreamChatRequest | ChatRequest,
  call: CallContext,
  scope: CallScope,
  parent: Context,
  parts: RunnerParts,
): AsyncGenerator<Step, void> {
  const turn = toTurn(request, callerOf(call), parts.profiles);
  if (turn.history.length > 0 && parts.cli().seeds === false) {
    throw new RunnerError(
      "NOT_SUPPORTED_BY_CLI",
      `Claude Code ${parts.cli().version ?? ""} does not take a history; a newer version may`,
      {
        facts: { cliVersion: parts.cli().version ?? "" },
      },
    );
  }
  return runTurn(turn, scope, parent, parts);
}

async function collect(steps: AsyncIterable<Step>): Promise<MessageInitShape<typeof ChatResponseSchema>> {
  const toolUses: MessageInitShape<typeof ToolUseSchema>[] = [];
  let toolBytes = 0;
  let started: MessageInitShape<typeof StartedSchema> | undefined;
  for await (const { response, end, result } of steps) {
    if (response.event?.case === "started") started = response.event.value;
    if (response.event?.case === "toolUse" && toolUses.length < maxChatToolUses) {
      toolBytes += response.event.value.inputJson?.length ?? 0;
      if (toolBytes <= maxChatToolBytes) toolUses.push(response.event.value);
    }
    if (end === undefined || result === undefined || end.error !== undefined) continue;
    const textBytes = Buffer.byteLength(end.text);
    if (textBytes > maxChatTextBytes) {
      const error = new RunnerError(
        "RESPONSE_TOO_LARGE",
        `the answer has ${textBytes} bytes of text, more than ${maxChatTextBytes}: call StreamChat`,
        {
          facts: { textBytes, limitBytes: maxChatTextBytes },
        },
      );
      throw new TurnFailure(error, {
        turnId: response.turnId ?? "",
        promptWritten: true,
        contentStreamed: true,
        deadlinePassed: false,
        result,
      });
    }
    return {
      turnId: response.turnId ?? "",
      text: end.text,
      ...(started && { started: create(StartedSchema, started) }),
      result: { ...result, text: "", textTruncated: false },
      toolUses,
    };
  }
  throw new Error("bug: a turn without an end");
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
    maxCostUsdMicros: of.maxCostUsdMicros === undefined ? undefined : BigInt(of.maxCostUsdMicros),
    maxOutputBytes: of.maxOutputBytes === undefined ? undefined : BigInt(of.maxOutputBytes),
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

function callerOf(call: CallContext): Caller {
  if (call.caller === undefined) throw new ConnectError("no caller", Code.Unauthenticated);
  return call.caller;
}

/** What a call failed with as what its caller may know. The rest goes to the log. */
function refusal(error: unknown, { errorLog }: RunnerParts): ConnectError {
  const cause = error instanceof TurnFailure ? error.error : error;
  if (!isRunnerError(cause) && !(cause instanceof ConnectError))
    errorLog.error({ err: cause }, "call failed by a mistake of ours");
  else if (isRunnerError(cause, "INTERNAL")) errorLog.error({ err: cause }, "turn failed by a mistake of ours");
  return error instanceof TurnFailure ? toConnectError(error.error, error.stage) : toConnectError(error);
}
