/**
 * A request as a Turn, or every rule that it breaks at once.
 *
 * The rules of single fields stand in the proto (protovalidate); here are those that look at several fields, at the
 * profile or at the content. Nothing of a request needs another look after this.
 */
import { randomUUID } from "node:crypto";
import {
  type ChatRequest,
  ChatRequestSchema,
  Detail as DetailMessage,
  Effort as EffortMessage,
  OnDisconnect as OnDisconnectMessage,
  Role,
  type StreamChatRequest,
  StreamChatRequestSchema,
  type TurnLimits as TurnLimitsMessage,
} from "../../../gen/claude/runner/v1/runner_pb.ts";
import type { ProfileSettings } from "../../config/profile-settings.ts";
import type { Caller } from "../../policy/auth.ts";
import { RunnerError, type Violation } from "../../runner-error.ts";
import type { SessionRecord } from "../../store/store.ts";
import { systemPromptOf } from "../../system-prompt.ts";
import type { Detail, Effort, HistoryMessage, Turn, TurnLimits } from "../../turn.ts";
import { milliseconds } from "../protobuf.ts";
import { type Broken, isBlank, toContent } from "./content.ts";
import { checkAsk, type ExpiryLimits } from "./named-requests.ts";
import { checkRules, invalidRequest } from "./rules.ts";
import { checkSchema } from "./schema.ts";
import { checkSystemPrompt } from "./system-prompt-rules.ts";

/** UTF-8 bytes of text in a history. */
export const maxHistoryBytes = 4 * 1024 * 1024;

const efforts: Record<number, Effort | undefined> = {
  [EffortMessage.LOW]: "low",
  [EffortMessage.MEDIUM]: "medium",
  [EffortMessage.HIGH]: "high",
  [EffortMessage.XHIGH]: "xhigh",
  [EffortMessage.MAX]: "max",
};

const details: Record<number, Detail | undefined> = {
  [DetailMessage.TEXT]: "text",
  [DetailMessage.STANDARD]: "standard",
  [DetailMessage.FULL]: "full",
};

/** The profiles that a caller may use: those that its token names and that are not another tenant's. */
export function profilesOf(caller: Caller, profiles: Readonly<Record<string, ProfileSettings>>): string[] {
  return Object.keys(profiles).filter((name) => isGranted(caller, name, profiles[name]!));
}

function isGranted(caller: Caller, name: string, profile: ProfileSettings): boolean {
  const isNamed = caller.profiles.includes("*") || caller.profiles.includes(name);
  return isNamed && (profile.tenant === undefined || profile.tenant === caller.tenant);
}

/**
 * Whether a caller may see what was done under a profile. One that is gone from the settings is nobody else's: what its
 * tenant has left is still there.
 */
export function seesProfile(
  caller: Caller,
  name: string,
  profiles: Readonly<Record<string, ProfileSettings>>,
): boolean {
  const profile = Object.hasOwn(profiles, name) ? profiles[name] : undefined;
  if (profile !== undefined) return isGranted(caller, name, profile);
  return caller.profiles.includes("*") || caller.profiles.includes(name);
}

/** The profile of a name, if the caller may use it. One that exists and is somebody else's looks like none. */
export function grantedProfile(
  name: string,
  caller: Caller,
  profiles: Readonly<Record<string, ProfileSettings>>,
): ProfileSettings | undefined {
  const profile = Object.hasOwn(profiles, name) ? profiles[name] : undefined;
  return profile !== undefined && isGranted(caller, name, profile) ? profile : undefined;
}

/** What a session says for a request that leaves it unset. */
export type SessionDefaults = Pick<SessionRecord, "id" | "profile" | "binding">;

export interface TurnContext {
  readonly profiles: Readonly<Record<string, ProfileSettings>>;
  readonly expiry: ExpiryLimits;
  /** The session that the request names, if it is there. */
  readonly session?: SessionDefaults | undefined;
}

/**
 * Checks a request. Throws INVALID_REQUEST with every violation, NOT_ALLOWED, or PROFILE_NOT_FOUND for a session whose
 * profile is gone.
 */
export function toTurn(
  received: StreamChatRequest | ChatRequest,
  caller: Caller,
  { profiles, expiry, session }: TurnContext,
): Turn {
  const { request, violations } = checked(received);
  const broken = (field: string, description: string) => violations.push({ field, description });

  const profileName = request.profile || session?.profile || "default";
  if (request.profile === "" && session !== undefined && !Object.hasOwn(profiles, profileName)) {
    const message = `the session "${session.id}" has the profile "${profileName}", which the server has no longer`;
    throw new RunnerError("PROFILE_NOT_FOUND", message, { facts: { sessionId: session.id, profile: profileName } });
  }
  const profile = grantedProfile(profileName, caller, profiles);
  // What is no name at all is told with the other rules that are broken.
  if (profile === undefined && !violations.some(({ field }) => field === "profile")) {
    const names = profilesOf(caller, profiles).join(", ") || "none";
    throw new RunnerError("NOT_ALLOWED", `this token may not use a profile "${profileName}"; it may use: ${names}`, {
      facts: { profile: profileName, tenant: caller.tenant },
    });
  }

  const content = toContent(request, profile?.maxImagePixels ?? Number.POSITIVE_INFINITY, broken);
  const history = toHistory(request, broken);
  checkAsk(request, expiry, broken);
  const outputSchemaJson = toOutputSchema(request, violations);
  if (profile !== undefined) {
    const models = [profile.model, ...profile.allowedModels];
    if (request.model !== "" && !models.includes(request.model)) {
      broken("model", `the profile "${profileName}" does not allow this model; it allows: ${models.join(", ")}`);
    }
    checkSystemPrompt(request.systemPrompt, { profileName, profile, broken });
    checkLimits(request.limits, profile, broken);
  }
  if (violations.length > 0 || profile === undefined) throw invalidRequest(violations);

  return {
    id: randomUUID(),
    tenant: caller.tenant,
    profile: profileName,
    content,
    history,
    binding: {
      // What the request leaves unset is the session's.
      systemPrompt: systemPromptOf(profile, request.systemPrompt ?? session?.binding?.systemPrompt),
      outputSchemaJson: outputSchemaJson ?? session?.binding?.outputSchemaJson,
    },
    ...(request.session !== undefined && { sessionId: request.session.id }),
    ...(request.requestId !== "" && { requestId: request.requestId }),
    onDisconnect: request.onDisconnect === OnDisconnectMessage.CONTINUE ? "continue" : "cancel",
    settings: { model: request.model || profile.model, effort: efforts[request.effort] ?? profile.effort },
    limits: toLimits(request.limits, profile),
    detail: "detail" in request ? (details[request.detail] ?? "standard") : "standard",
    labels: request.labels,
    forOperator: caller.isOperator,
  };
}

/** Checks the rules of the proto. A rule of the whole message is about which of prompt and content is set. */
function checked(received: StreamChatRequest | ChatRequest): {
  readonly request: StreamChatRequest | ChatRequest;
  readonly violations: Violation[];
} {
  return received.$typeName === "claude.runner.v1.StreamChatRequest"
    ? checkRules(StreamChatRequestSchema, received, "prompt")
    : checkRules(ChatRequestSchema, received, "prompt");
}

function toHistory(request: StreamChatRequest | ChatRequest, broken: Broken): HistoryMessage[] {
  let bytes = 0;
  const messages = request.history.map(({ role, text }, at): HistoryMessage => {
    const expected = at % 2 === 0 ? Role.USER : Role.ASSISTANT;
    if (role !== expected && (role === Role.USER || role === Role.ASSISTANT)) {
      broken(
        `history[${at}].role`,
        `must be ${expected === Role.USER ? "ROLE_USER" : "ROLE_ASSISTANT"}: roles alternate and start with the user`,
      );
    }
    // Claude Code drops an empty assistant text and merges its neighbours (measured).
    if (text !== "" && isBlank(text)) broken(`history[${at}].text`, "must not be only white space");
    bytes += Buffer.byteLength(text);
    return expected === Role.USER
      ? { role: "user", content: [{ kind: "text", text }] }
      : { role: "assistant", texts: [text] };
  });
  if (messages.length % 2 === 1) {
    broken("history", "must end with the assistant's answer: the user's next words are the prompt");
  }
  if (bytes > maxHistoryBytes) broken("history", `must have at most ${maxHistoryBytes} bytes of text; it has ${bytes}`);
  return messages;
}

/** The schema that is applied. */
function toOutputSchema(
  { outputSchemaJson }: StreamChatRequest | ChatRequest,
  violations: Violation[],
): string | undefined {
  const field = "output_schema_json";
  // One that is too long is not looked at.
  if (outputSchemaJson === "" || violations.some((violation) => violation.field === field)) return undefined;
  const checked = checkSchema(outputSchemaJson);
  if (checked.kind === "applied") return checked.json;
  for (const description of checked.problems) violations.push({ field, description });
  return undefined;
}

const limitFields = [
  { key: "maxModelCallCount", field: "limits.max_model_call_count" },
  { key: "maxCostUsdMicros", field: "limits.max_cost_usd_micros" },
  { key: "maxOutputBytes", field: "limits.max_output_bytes" },
  { key: "maxDurationMs", field: "limits.max_duration" },
] as const satisfies readonly { key: keyof TurnLimits; field: string }[];

function askedLimits(limits: TurnLimitsMessage | undefined): TurnLimits {
  const number = (value: bigint | undefined) => (value === undefined ? undefined : Number(value));
  return {
    maxModelCallCount: limits?.maxModelCallCount,
    maxCostUsdMicros: number(limits?.maxCostUsdMicros),
    maxOutputBytes: number(limits?.maxOutputBytes),
    maxDurationMs: limits?.maxDuration && milliseconds(limits.maxDuration),
  };
}

function checkLimits(limits: TurnLimitsMessage | undefined, profile: ProfileSettings, broken: Broken): void {
  const asked = askedLimits(limits);
  for (const { key, field } of limitFields) {
    const most = profile.maxLimits[key];
    const value = asked[key];
    if (value !== undefined && most !== undefined && value > most) {
      broken(
        field,
        `must be at most ${most}${key === "maxDurationMs" ? " ms" : ""}, the profile's maximum; it is ${value}`,
      );
    }
  }
}

function toLimits(limits: TurnLimitsMessage | undefined, profile: ProfileSettings): TurnLimits {
  const asked = askedLimits(limits);
  const effective = (key: keyof TurnLimits) => asked[key] ?? profile.defaultLimits[key] ?? profile.maxLimits[key];
  return {
    maxModelCallCount: effective("maxModelCallCount"),
    maxCostUsdMicros: effective("maxCostUsdMicros"),
    maxOutputBytes: effective("maxOutputBytes"),
    maxDurationMs: effective("maxDurationMs"),
  };
}
