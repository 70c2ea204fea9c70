/**
 * GetInfo: what this server is, what it keeps, and what a caller may do.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type GetInfoResponseSchema,
  RetainedKind,
  StorageKind,
  SystemPromptPolicy,
} from "../../gen/claude/runner/v1/runner_pb.ts";
import { type ProfileSettings, reusesWorkers } from "../config/profile-settings.ts";
import type { Settings } from "../config/settings.ts";
import type { Caller } from "../policy/auth.ts";
import type { StorageReport } from "../store/storage-report.ts";
import { profilesOf } from "./in/requests.ts";
import { duration, int64 } from "./protobuf.ts";

/** What the installed CLI is and can do, as far as callers need to know. */
export interface CliInfo {
  /** The version; `undefined` while none was found. */
  readonly version: string | undefined;
  /** Whether it takes a conversation without model calls; `undefined` until that was probed. */
  readonly seeds: boolean | undefined;
}

export interface ServerInfoParts {
  readonly settings: Settings;
  readonly profiles: Readonly<Record<string, ProfileSettings>>;
  readonly serverVersion: string;
  readonly cli: () => CliInfo;
  readonly storage: () => StorageReport;
}

export function serverInfo(caller: Caller, parts: ServerInfoParts): MessageInitShape<typeof GetInfoResponseSchema> {
  const { settings, profiles, serverVersion, cli } = parts;
  const names = profilesOf(caller, profiles).sort();
  return {
    serverVersion,
    cliVersion: cli().version ?? "",
    tenant: caller.tenant,
    profiles: names.map((name) => profileInfo(name, profiles[name]!)),
    maxTurnsInFlightCount: settings.auth.maxTurnsInFlightPerTenant,
    maxTimeout: duration(settings.calls.maxTimeoutMs),
    defaultTimeout: duration(settings.calls.defaultTimeoutMs),
    storage: storageInfo(
      caller,
      parts,
      names.some((name) => keepsContent(profiles[name]!)),
    ),
  };
}

function storageInfo(caller: Caller, { settings, storage }: ServerInfoParts, hasWords: boolean) {
  const { kind, problem } = storage();
  const { turnRecordMs, turnEventsMs, requestResultMs, sessionIdleExpiryMs } = settings.store;
  const isFile = kind === "sqlite";
  const retained = (of: RetainedKind, onDisk: boolean, retentionMs: number) => ({
    kind: of,
    onDisk,
    retention: duration(retentionMs),
  });
  return {
    kind: isFile ? StorageKind.SQLITE : StorageKind.MEMORY,
    // Paths of the server are the operator's business.
    problem: problem === undefined ? "" : caller.isOperator ? problem.forOperators : problem.forTenants,
    retained: [
      retained(RetainedKind.TURN_RECORD, isFile, turnRecordMs),
      retained(RetainedKind.TURN_EVENTS, false, turnEventsMs),
      ...(hasWords
        ? [
            retained(RetainedKind.DETACHED_TURN_EVENTS, isFile, turnEventsMs),
            retained(RetainedKind.REQUEST_RESULT, isFile, requestResultMs),
            retained(RetainedKind.SESSION, isFile, sessionIdleExpiryMs),
          ]
        : []),
    ],
  };
}

const keepsContent = ({ storeContent }: ProfileSettings): boolean => storeContent === "full";

const policies = {
  fixed: SystemPromptPolicy.FIXED,
  append: SystemPromptPolicy.APPEND,
  replace: SystemPromptPolicy.REPLACE,
} as const;

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
    keepsContent: keepsContent(profile),
    hasToolSessions: profile.tools.length > 0,
  };
}
