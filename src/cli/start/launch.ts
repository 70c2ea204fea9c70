/**
 * How a worker is launched: a profile, a credential and what it has for itself to arguments and environment. Pure.
 *
 * Of a request nothing comes here but, for a process that serves one session, the choice among the profile's models and
 * efforts: what a turn may choose is otherwise set on the running process. The system prompt is not here either: it is bound
 * by the first `initialize`, which may be longer than an argument and is not seen by `ps`.
 */
import type { ProfileSettings } from "../../config/profile-settings.ts";
import { RunnerError } from "../../runner-error.ts";
import type { SessionLaunch } from "../../session-launch.ts";
import { checkNames } from "./opened-resources.ts";

export interface Launch {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface LaunchOptions {
  readonly profile: ProfileSettings;
  /** Variables of the credential. */
  readonly credential: Readonly<Record<string, string>>;
  /** Variables of what the worker has for itself: folders, a path for its spans. */
  readonly resources: Readonly<Record<string, string>>;
  /** The session that the process serves. Absent: none, and Claude Code writes nothing down. */
  readonly session?: SessionLaunch | undefined;
}

/** Never sent: the first `initialize` replaces it. It keeps the CLI from making a prompt of its own. */
const unboundSystemPrompt = "You are a helpful assistant.";
/** The built-in tools that exist under --bare. */
const bareTools = new Set(["Bash", "Edit", "Read"]);

/** Throws INTERNAL for a profile that should have been refused, and when something of the worker sets what is set here. */
export function launch({ profile, credential, resources, session }: LaunchOptions): Launch {
  checkTools(profile);
  if (session !== undefined) checkSession(session, profile);
  const { tools } = profile;
  const isBare = tools.every((tool) => bareTools.has(tool));
  const allowed = profile.allowedTools.length > 0 ? profile.allowedTools : tools;
  const env = {
    ...environment(profile),
    ...(isBare ? {} : withoutBare),
    ...credential,
  };
  checkNames("resources", resources, env);
  return {
    args: [
      "--print",
      "--input-format=stream-json",
      "--output-format=stream-json",
      "--verbose",
      "--include-partial-messages",
      ...(isBare ? ["--bare"] : []),
      `--system-prompt=${unboundSystemPrompt}`,
      `--tools=${tools.join(",")}`,
      "--strict-mcp-config",
      "--setting-sources=",
      ...sessionArguments(session),
      `--permission-mode=${profile.permissionMode}`,
      ...allowed.map((rule) => `--allowedTools=${rule}`),
      `--model=${session?.model ?? profile.model}`,
      `--effort=${session?.effort ?? profile.effort}`,
    ],
    env: { ...env, ...resources },
  };
}

/**
 * A session goes on by its id, which finds the transcript by its file's name. By the file's path the session would be the one
 * that its lines name: for a fork that is the session that it comes from, and Claude Code would write into another file.
 */
function sessionArguments(session: SessionLaunch | undefined): readonly string[] {
  if (session === undefined) return ["--no-session-persistence"];
  return [`--${session.resume === undefined ? "session-id" : "resume"}=${session.cliSessionId}`];
}

function environment(profile: ProfileSettings): Record<string, string> {
  return {
    PATH: "/usr/local/bin:/usr/bin:/bin",
    LANG: "C.UTF-8",
    ...quiet,
    // What a user's text could otherwise pull into a request, also when it is not marked as composed.
    CLAUDE_CODE_DISABLE_ATTACHMENTS: "1",
    CLAUDE_CODE_DISABLE_FILE_MENTIONS: "1",
    // Would report into the next conversation, whoever's it is.
    CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: "1",
    // A refusal is one call, and the model stays what it was.
    CLAUDE_CODE_DISABLE_REFUSAL_RETRY: "1",
    CLAUDE_CODE_DISABLE_REFUSAL_FALLBACK: "1",
    CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS: "1",
    // Without tools a conversation is its words, and a summary would be others.
    ...((profile.tools.length === 0 || profile.onContextFull === "refuse") && { DISABLE_AUTO_COMPACT: "1" }),
    CLAUDE_CODE_MAX_RETRIES: String(profile.upstreamMaxRetries),
    API_TIMEOUT_MS: String(profile.upstreamTimeoutMs),
    CLAUDE_BYTE_STREAM_IDLE_TIMEOUT_MS: String(profile.upstreamIdleTimeoutMs),
  };
}

/** Nothing goes anywhere but to the model API. */
export const quiet: Readonly<Record<string, string>> = {
  DISABLE_AUTOUPDATER: "1",
  DISABLE_TELEMETRY: "1",
  DISABLE_ERROR_REPORTING: "1",
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
};

/** What --bare leaves out by itself and other launches have to be told. */
const withoutBare: Readonly<Record<string, string>> = {
  CLAUDE_CODE_DISABLE_CLAUDE_MDS: "1",
  CLAUDE_CODE_DISABLE_AUTO_MEMORY: "1",
  CLAUDE_CODE_DISABLE_GIT_INSTRUCTIONS: "1",
};

/** The folder in which a worker of a profile works; `undefined` for a private one. */
export function workspaceOf(profile: ProfileSettings): string | undefined {
  return profile.tools.length > 0 ? profile.workspace?.path : undefined;
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const efforts: ReadonlySet<string> = new Set(["low", "medium", "high", "xhigh", "max"]);

/** Requests are checked when they come; this is the last door before argv. */
function checkSession({ cliSessionId, model, effort }: SessionLaunch, profile: ProfileSettings): void {
  const isKnown = model === profile.model || profile.allowedModels.includes(model);
  if (isKnown && efforts.has(effort) && uuid.test(cliSessionId)) return;
  throw new RunnerError("INTERNAL", "internal error", {
    cause: new Error("bug: a session is launched with what its profile does not have"),
  });
}

/** Tools run with the rights of the server. The settings are checked at start; this is the last door. */
function checkTools({ tools, workspace, isolation }: ProfileSettings): void {
  if (tools.length === 0) return;
  if (workspace === undefined || isolation !== "none") {
    throw new RunnerError("INTERNAL", "internal error", {
      cause: new Error("a profile with tools needs a workspace and an existing isolation"),
    });
  }
}
