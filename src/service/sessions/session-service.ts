/**
 * The handlers of SessionService: sessions are made, listed, changed, copied and deleted.
 *
 * A session under a profile that the caller may not use looks like one that is not there. What runs in a session that is to
 * be deleted is ended first, and its words are forgotten wherever they are: in the store, in the events that are in memory,
 * in the worker that still holds the conversation.
 */
import { randomUUID } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import {
  CreateSessionRequestSchema,
  DeleteSessionRequestSchema,
  type ForkSessionRequest,
  ForkSessionRequestSchema,
  GetSessionRequestSchema,
  type ListSessionsRequest,
  ListSessionsRequestSchema,
  type Session,
  SessionSchema,
  SessionService,
  SessionState,
  type UpdateSessionRequest,
  UpdateSessionRequestSchema,
} from "../../../gen/claude/runner/v1/session_pb.ts";
import type { Clock } from "../../clock.ts";
import type { ProfileSettings } from "../../config/profile-settings.ts";
import type { Caller } from "../../policy/auth.ts";
import { RunnerError, type Violation } from "../../runner-error.ts";
import { sessionBusy, sessionExists, sessionNotFound, storeQuota } from "../../sessions/refusals.ts";
import type { Fork, SessionChange, SessionQuery, SessionRecord, Store } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";
import type { LiveTurns } from "../../turns/live-turns.ts";
import { answered } from "../called.ts";
import { type CallContext, type ServedService, served } from "../calls.ts";
import { checkIdleExpiry, type ExpiryLimits } from "../in/named-requests.ts";
import { grantedProfile, profilesOf, seesProfile } from "../in/requests.ts";
import { invalidRequest, prepareRules } from "../in/rules.ts";
import { checkSchema } from "../in/schema.ts";
import { checkSystemPrompt } from "../in/system-prompt-rules.ts";
import { toSession } from "../out/kept-messages.ts";
import type { ServedResult } from "../out/turn-encoder.ts";
import { defaultPageSize, maxPageBytes, pageStart, pageToken } from "../page-token.ts";
import { milliseconds } from "../protobuf.ts";

export interface SessionServiceParts {
  readonly store: Store;
  readonly live: LiveTurns<ServedResult>;
  readonly profiles: Readonly<Record<string, ProfileSettings>>;
  readonly expiry: ExpiryLimits;
  readonly clock: Clock;
  readonly log: Log;
  /** Has no worker keep the conversation of a session any longer. */
  readonly forgetConversation: (session: { readonly tenant: string; readonly id: string }) => Promise<void>;
}

const methodName = (name: string) => `${SessionService.typeName}/${name}`;

/** SessionService as the listeners take it. */
export function sessionService(parts: SessionServiceParts): ServedService {
  prepareRules(
    CreateSessionRequestSchema,
    GetSessionRequestSchema,
    ListSessionsRequestSchema,
    UpdateSessionRequestSchema,
    DeleteSessionRequestSchema,
    ForkSessionRequestSchema,
  );
  const { store } = parts;
  const sees = (caller: Caller, { profile }: SessionRecord) => seesProfile(caller, profile, parts.profiles);
  const find = async (caller: Caller, id: string): Promise<SessionRecord> => {
    const session = await store.session(caller.tenant, id);
    if (session === undefined || !sees(caller, session)) throw sessionNotFound(id);
    return session;
  };
  return served(
    SessionService,
    {
      createSession: (request, call) =>
        answered(about("CreateSession", CreateSessionRequestSchema, request, call), parts, async (asked, caller) => {
          const profileName = asked.profile || "default";
          const profile = creatableProfile(profileName, caller, parts.profiles);
          const binding = fixedBinding(asked, { profileName, profile }, parts.expiry);
          const created = await store.createSession({
            id: asked.id || randomUUID(),
            tenant: caller.tenant,
            profile: profileName,
            binding,
            kind: binding && (profile.tools.length > 0 || binding.outputSchemaJson !== undefined ? "tools" : "text"),
            title: asked.title,
            labels: asked.labels,
            idleExpiryMs:
              asked.idleExpiry === undefined ? parts.expiry.sessionIdleExpiryMs : milliseconds(asked.idleExpiry),
          });
          if (!isRefusal(created)) return { session: toSession(created) };
          throw created.kind === "sessionExists" ? sessionExists(asked.id) : storeQuota(created, caller.tenant);
        }),
      getSession: (request, call) =>
        answered(about("GetSession", GetSessionRequestSchema, request, call), parts, async ({ id }, caller) => ({
          session: toSession(await find(caller, id)),
        })),
      listSessions: (request, call) =>
        answered(about("ListSessions", ListSessionsRequestSchema, request, call), parts, (asked, caller) =>
          list(asked, caller, parts),
        ),
      updateSession: (request, call) =>
        answered(about("UpdateSession", UpdateSessionRequestSchema, request, call), parts, async (asked, caller) => {
          const change = toChange(asked, parts.expiry);
          await find(caller, asked.id);
          const changed = await store.updateSession(caller.tenant, asked.id, change);
          if (changed === undefined) throw sessionNotFound(asked.id);
          return { session: toSession(changed) };
        }),
      deleteSession: (request, call) =>
        answered(about("DeleteSession", DeleteSessionRequestSchema, request, call), parts, async (asked, caller) => {
          const session = await find(caller, asked.id);
          return { interruptedTurnId: await remove(session, asked.force, parts) };
        }),
      forkSession: (request, call) =>
        answered(about("ForkSession", ForkSessionRequestSchema, request, call), parts, async (asked, caller) => {
          await find(caller, asked.id);
          const fork = toFork(asked, caller.tenant);
          const forked = await store.forkSession(fork);
          switch (forked.kind) {
            case "forked":
              return { session: toSession(forked.session) };
            case "sessionNotFound":
              throw sessionNotFound(asked.id);
            case "sessionExists":
              throw sessionExists(fork.newId);
            case "turnNotInConversation":
              throw new RunnerError(
                "TURN_NOT_IN_CONVERSATION",
                `the turn ${asked.until.value} is not part of the conversation of the session "${asked.id}"`,
                { facts: { sessionId: asked.id, turnId: asked.until.value ?? "" } },
              );
            case "quotaExceeded":
              throw storeQuota(forked, caller.tenant);
            default:
              return forked satisfies never;
          }
        }),
    },
    { contentMethods: ["createSession"] },
  );
}

const about = <D, R>(name: string, schema: D, request: R, call: CallContext) => ({
  method: methodName(name),
  schema,
  request,
  call,
});

type Created = Awaited<ReturnType<Store["createSession"]>>;

function isRefusal(created: Created): created is Exclude<Created, SessionRecord> {
  return created.kind === "sessionExists" || created.kind === "quotaExceeded";
}

/** Throws NOT_ALLOWED or CONTENT_NOT_KEPT. */
function creatableProfile(
  name: string,
  caller: Caller,
  profiles: Readonly<Record<string, ProfileSettings>>,
): ProfileSettings {
  const profile = grantedProfile(name, caller, profiles);
  if (profile === undefined) {
    const names = profilesOf(caller, profiles).join(", ") || "none";
    throw new RunnerError("NOT_ALLOWED", `this token may not use a profile "${name}"; it may use: ${names}`, {
      facts: { profile: name, tenant: caller.tenant },
    });
  }
  if (profile.storeContent === "none") {
    throw new RunnerError("CONTENT_NOT_KEPT", `the profile "${name}" keeps no words, so it has no session`, {
      facts: { profile: name },
    });
  }
  return profile;
}

/** What the session is fixed to from the beginning; `undefined`: its first turn says. */
interface NamedProfile {
  readonly profileName: string;
  readonly profile: ProfileSettings;
}

function fixedBinding(
  { systemPrompt, outputSchemaJson, idleExpiry }: Parameters<typeof checkFixed>[0],
  of: NamedProfile,
  expiry: ExpiryLimits,
) {
  const { violations, schema } = checkFixed({ systemPrompt, outputSchemaJson, idleExpiry }, of, expiry);
  if (violations.length > 0) throw invalidRequest(violations);
  if (systemPrompt === undefined && schema === undefined) return undefined;
  return { systemPrompt, outputSchemaJson: schema };
}

function checkFixed(
  asked: {
    readonly systemPrompt?: string | undefined;
    readonly outputSchemaJson: string;
    readonly idleExpiry?: Parameters<typeof milliseconds>[0] | undefined;
  },
  of: NamedProfile,
  { maxSessionIdleExpiryMs }: ExpiryLimits,
): { readonly violations: Violation[]; readonly schema: string | undefined } {
  const violations: Violation[] = [];
  const broken = (field: string, description: string) => violations.push({ field, description });
  checkIdleExpiry(asked.idleExpiry, "idle_expiry", maxSessionIdleExpiryMs, broken);
  checkSystemPrompt(asked.systemPrompt, { ...of, broken });
  if (asked.outputSchemaJson === "") return { violations, schema: undefined };
  const checked = checkSchema(asked.outputSchemaJson);
  if (checked.kind === "applied") return { violations, schema: checked.json };
  for (const problem of checked.problems) broken("output_schema_json", problem);
  return { violations, schema: undefined };
}

const states: Readonly<Record<number, SessionQuery["state"]>> = {
  [SessionState.IDLE]: "idle",
  [SessionState.RUNNING]: "running",
  [SessionState.SUSPENDED]: "suspended",
};

async function list(asked: ListSessionsRequest, caller: Caller, { store, profiles }: SessionServiceParts) {
  const { titleContains, profile, state, labels } = asked;
  const owner = {
    tenant: caller.tenant,
    filter: ["sessions", titleContains, profile, state, Object.entries(labels).sort(), caller.profiles],
  };
  const after = pageStart(asked.pageToken, owner);
  const most = asked.pageSize || defaultPageSize;
  const visible = visibleProfiles(caller, profiles);
  const sessions: Session[] = [];
  if (profile !== "" && visible !== undefined && !visible.includes(profile)) return { sessions, nextPageToken: "" };
  const found = await store.sessions({
    tenant: caller.tenant,
    profiles: profile === "" ? visible : [profile],
    titleContains: titleContains || undefined,
    state: states[state],
    labels: Object.keys(labels).length === 0 ? undefined : labels,
    after,
    limit: most + 1,
  });
  let bytes = 0;
  for (const record of found.slice(0, most)) {
    const session = toSession(record);
    bytes += toBinary(SessionSchema, session).length;
    if (bytes > maxPageBytes && sessions.length > 0) break;
    sessions.push(session);
  }
  const last = found[sessions.length - 1];
  const isMore = last !== undefined && found.length > sessions.length;
  return { sessions, nextPageToken: isMore ? pageToken({ atMs: last.updatedAtMs, id: last.id }, owner) : "" };
}

/**
 * The profiles whose sessions and turns a caller sees; `undefined`: of all that its tenant has, those that are gone from the
 * settings too.
 */
export function visibleProfiles(
  caller: Caller,
  profiles: Readonly<Record<string, ProfileSettings>>,
): readonly string[] | undefined {
  // Another tenant's profile has nothing of this tenant.
  if (caller.profiles.includes("*")) return undefined;
  return caller.profiles.filter((name) => seesProfile(caller, name, profiles));
}

function toChange(asked: UpdateSessionRequest, { maxSessionIdleExpiryMs }: ExpiryLimits): SessionChange {
  const violations: Violation[] = [];
  const broken = (field: string, description: string) => violations.push({ field, description });
  const paths = asked.updateMask?.paths ?? [];
  if (paths.length === 0) broken("update_mask", "must name at least one of title, labels and idle_expiry");
  for (const path of paths) {
    if (!["title", "labels", "idle_expiry"].includes(path)) {
      broken("update_mask", "must name title, labels or idle_expiry: no other field can be changed");
      break;
    }
  }
  if (paths.includes("idle_expiry") && asked.idleExpiry === undefined) broken("idle_expiry", "must not be empty");
  checkIdleExpiry(asked.idleExpiry, "idle_expiry", maxSessionIdleExpiryMs, broken);
  if (violations.length > 0) throw invalidRequest(violations);
  return {
    ...(paths.includes("title") && { title: asked.title }),
    ...(paths.includes("labels") && { labels: asked.labels }),
    ...(paths.includes("idle_expiry") && asked.idleExpiry && { idleExpiryMs: milliseconds(asked.idleExpiry) }),
  };
}

function toFork(asked: ForkSessionRequest, tenant: string): Fork {
  const { until } = asked;
  return {
    tenant,
    sessionId: asked.id,
    newId: asked.newId || randomUUID(),
    until:
      until.case === "lastTurnId"
        ? { kind: "after", turnId: until.value }
        : until.case === "beforeTurnId"
          ? { kind: "before", turnId: until.value }
          : { kind: "all" },
    title: asked.title,
    newCliSessionId: randomUUID(),
  };
}

/** How often a deletion is tried while turns of the session keep coming. */
const maxDeletionTries = 5;

/** Deletes a session, and returns the turn that was interrupted for it, or nothing. */
async function remove(session: SessionRecord, force: boolean, parts: SessionServiceParts): Promise<string> {
  const { store, live, forgetConversation } = parts;
  const { tenant, id } = session;
  let interruptedTurnId = "";
  for (let tried = 1; ; tried += 1) {
    const deletion = await store.deleteSession(tenant, id);
    if (deletion.kind === "deleted") {
      for (const turnId of deletion.turnIds) live.forget(turnId);
      await forgetConversation({ tenant, id });
      return interruptedTurnId;
    }
    if (deletion.kind === "sessionNotFound") throw sessionNotFound(id);
    const running = live.find(deletion.runningTurnId);
    if (!force || running === undefined || tried === maxDeletionTries) throw sessionBusy(id, deletion.runningTurnId);
    interruptedTurnId = deletion.runningTurnId;
    running.stop(new RunnerError("TURN_INTERRUPTED", "the turn's session is deleted", { facts: { sessionId: id } }));
    await running.over;
  }
}
