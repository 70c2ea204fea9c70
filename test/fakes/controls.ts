/**
 * The fake's answers to control requests. What a request changes in the session goes through the interface; what is
 * said is a value, so that a script can say something else.
 */
import { type Conversation, refuseRewind } from "./conversation.ts";
import type { Ledger } from "./ledger.ts";
import * as shapes from "./shapes.ts";
import { costUsd, usageByModel } from "./usage.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

export type Reply =
  | { readonly kind: "success"; readonly response?: object; readonly after?: object }
  | { readonly kind: "error"; readonly error: string; readonly code?: string };

/** The model of an account that says nothing else. */
const accountModel = "claude-opus-5-5";

/** What can be set on a running process. */
export interface Settings {
  /** What the process was launched with. */
  readonly launched: { readonly model: string; readonly effort: string; readonly version: string };
  model: string | undefined;
  effort: string | undefined;
  permissionMode: string;
  /** Whether `initialize` brought a schema: there is a tool for it then. */
  hasSchema: boolean;
}

export function modelOf({ model, launched }: Settings): string {
  return model ?? launched.model;
}

export interface ControlledSession {
  readonly settings: Settings;
  readonly conversation: Conversation;
  readonly ledger: Ledger;
  readonly isWorking: boolean;
  readonly ageMs: number;
  readonly context: shapes.Context;
  /** Says something before the reply. */
  say(message: object): void;
  /** Takes the user lines that wait out of the queue; returns their uuids. */
  cancelQueued(only?: string): readonly string[];
  readonly queuedUuids: readonly string[];
  interruptTurn(): void;
  end(): void;
}

export function answerControl(request: JsonObject, session: ControlledSession): Reply {
  switch (request.subtype) {
    case "initialize":
      session.settings.hasSchema ||= isObject(request.jsonSchema);
      return success(initializeReply(session));
    case "get_settings":
      return success(settingsReply(session.settings));
    case "get_usage":
      return success(usageReply(session));
    case "get_session_cost":
      return success({ text: "Estimated cost:        as the fake says" });
    case "apply_flag_settings":
      applyFlagSettings(isObject(request.settings) ? request.settings : {}, session);
      return success();
    case "set_model":
      setModel(String(request.model), session);
      return success({ model: request.model });
    case "set_permission_mode":
      session.settings.permissionMode = String(request.mode);
      return {
        ...success({ mode: request.mode }),
        after: shapes.status(session.context, null, { permissionMode: request.mode }),
      };
    case "set_max_thinking_tokens":
      return success();
    case "interrupt":
      return interrupt(request.cancel_queued === true, session);
    case "cancel_async_message":
      return cancelOne(String(request.message_uuid), session);
    case "rewind_conversation":
      return rewind(request, session);
    case "end_session":
      session.end();
      return success();
    default: {
      const error = `Unsupported control request subtype: ${String(request.subtype)}`;
      return { kind: "error", error, code: "unsupported_request" };
    }
  }
}

function success(response?: object): Reply & { kind: "success" } {
  return { kind: "success", ...(response !== undefined && { response }) };
}

function initializeReply({ settings, isWorking }: ControlledSession): object {
  return {
    commands: [{ name: "clear", description: "Clear the conversation", argumentHint: "", builtin: true }],
    agents: [],
    output_style: "default",
    available_output_styles: ["default"],
    models: [{ value: "default", resolvedModel: accountModel, displayName: "Default (recommended)" }],
    account: { tokenSource: "none", apiKeySource: "ANTHROPIC_API_KEY", apiProvider: "firstParty" },
    pid: process.pid,
    claude_code_version: settings.launched.version,
    current_permission_mode: settings.permissionMode,
    fast_mode_state: "off",
    session_state: isWorking ? "running" : "idle",
    capabilities: ["ui_surface_v1"],
  };
}

function settingsReply(settings: Settings): object {
  const flags = {
    ...(settings.model !== undefined && { model: settings.model }),
    ...(settings.effort !== undefined && { effortLevel: settings.effort }),
  };
  return {
    effective: flags,
    sources: Object.keys(flags).length === 0 ? [] : [{ source: "flagSettings", settings: flags }],
    served_settings_state: "ineligible",
    applied: {
      model: modelOf(settings),
      effort: settings.effort ?? settings.launched.effort,
      advisor: null,
      ultracode: false,
    },
  };
}

function usageReply({ ledger, ageMs }: ControlledSession): object {
  const all = [...ledger.session];
  return {
    session: {
      total_cost_usd: all.reduce((sum, [, usage]) => sum + costUsd(usage), 0),
      total_api_duration_ms: 0,
      total_duration_ms: ageMs,
      total_lines_added: 0,
      total_lines_removed: 0,
      model_usage: usageByModel(ledger.session),
    },
    subscription_type: null,
    rate_limits_available: false,
    rate_limits: null,
    behaviors: null,
  };
}

function applyFlagSettings(flags: JsonObject, session: ControlledSession): void {
  if (flags.model === null) session.settings.model = accountModel;
  else if (flags.model !== undefined) setModel(String(flags.model), session);
  if (flags.effortLevel === null) session.settings.effort = undefined;
  else if (flags.effortLevel !== undefined) session.settings.effort = String(flags.effortLevel);
}

/** In a conversation the CLI says so as a replayed user line, and tells the model too. */
function setModel(model: string, session: ControlledSession): void {
  const isNew = model !== modelOf(session.settings);
  session.settings.model = model;
  if (!isNew || session.conversation.isEmpty) return;
  session.conversation.addCommandResidue("model", model, `Set model to \`${model}\``);
  session.say(shapes.modelReplay(session.context, model));
}

function interrupt(cancelsQueued: boolean, session: ControlledSession): Reply {
  // The reply comes first: the turn says its end in a later task.
  session.interruptTurn();
  if (!cancelsQueued) return success({ still_queued: session.queuedUuids });
  return success({ still_queued: [], cancelled: session.cancelQueued() });
}

function cancelOne(uuid: string, session: ControlledSession): Reply {
  if (session.cancelQueued(uuid).length === 0) return success({ cancelled: false });
  return success({ cancelled: true, message_uuid: uuid });
}

function rewind(request: JsonObject, session: ControlledSession): Reply {
  const { target_message_uuid: target, last_seen_user_message_uuid: lastSeen } = request;
  if (typeof target !== "string") {
    return { kind: "error", error: "rewind_conversation: target_message_uuid must be a string" };
  }
  if (session.isWorking) return success(refuseRewind("turn_running"));
  return success(session.conversation.rewind(target, typeof lastSeen === "string" ? lastSeen : undefined));
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
