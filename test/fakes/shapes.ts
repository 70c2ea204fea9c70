/**
 * The messages of the CLI, member by member and in the order of members in which 2.1.332 writes them. Pure; what they are
 * filled with is decided elsewhere. Leaves out the result (`result-shape.ts`).
 */
import { randomUUID } from "node:crypto";
import type { Usage } from "./usage.ts";

/** What most messages say about where they belong. */
export interface Context {
  readonly sessionId: string;
  readonly model: string;
  /** The uuids of the user lines that the turn answers; none for a line without one. */
  readonly userUuids: readonly string[];
}

/** Both members, on the first messages that belong to a user line. */
export function userMarks({ userUuids }: Context): object {
  return userUuids.length === 0 ? {} : { user_message_uuid: userUuids.at(-1), user_message_uuids: userUuids };
}

function userMarkList({ userUuids }: Context): object {
  return userUuids.length === 0 ? {} : { user_message_uuids: userUuids };
}

export function uiInvalidate(sessionId: string): object {
  return { type: "system", subtype: "ui_invalidate", event: "ui.render", uuid: randomUUID(), session_id: sessionId };
}

export function sessionState(sessionId: string, state: "running" | "requires_action" | "idle"): object {
  return { type: "system", subtype: "session_state_changed", state, uuid: randomUUID(), session_id: sessionId };
}

export function controlRequest(requestId: string, request: object): object {
  return { type: "control_request", request_id: requestId, request };
}

export function controlCancel(requestId: string): object {
  return { type: "control_cancel_request", request_id: requestId };
}

export function lifecycle(
  sessionId: string,
  commandUuid: string,
  state: "queued" | "started" | "completed" | "cancelled",
): object {
  return { type: "command_lifecycle", command_uuid: commandUuid, state, uuid: randomUUID(), session_id: sessionId };
}

export const capabilities = [
  "interrupt_receipt_v1",
  "interrupt_cancel_queued_v1",
  "interrupt_send_now_v1",
  "interrupt_requeue_taken_v1",
  "msg_lifecycle_v1",
  "request_marker_lists_v1",
  "sdk_mcp_tools_list_changed",
  "sdk_mcp_manifests",
];

export interface InitFacts {
  readonly cwd: string;
  readonly tools: readonly string[];
  readonly permissionMode: string;
  readonly version: string;
  readonly apiKeySource: string;
}

export function init(context: Context, facts: InitFacts): object {
  return {
    type: "system",
    subtype: "init",
    cwd: facts.cwd,
    session_id: context.sessionId,
    tools: facts.tools,
    mcp_servers: [],
    model: context.model,
    permissionMode: facts.permissionMode,
    slash_commands: ["clear", "compact"],
    terminal_slash_commands: ["doctor", "color"],
    apiKeySource: facts.apiKeySource,
    claude_code_version: facts.version,
    output_style: "default",
    agents: ["claude", "Explore"],
    skills: [],
    plugins: [],
    capabilities,
    analytics_disabled: true,
    product_feedback_disabled: true,
    served_by_anthropic: false,
    uuid: randomUUID(),
    sandbox_enabled: false,
    original_cwd: facts.cwd,
    additional_directories: [],
    fast_mode_state: "off",
    fast_mode_disabled_reason: "sdk_opt_in_required",
    per_turn_effort_active: true,
    ultrathink_available: false,
    ultrathink_typed_raises: false,
    view_mode: "default",
    ...userMarkList(context),
  };
}

export function status(context: Context, value: string | null, members: object = {}): object {
  return {
    type: "system",
    subtype: "status",
    status: value,
    ...members,
    session_id: context.sessionId,
    uuid: randomUUID(),
    ...(value === "requesting" && userMarkList(context)),
  };
}

/** The usage of one call as the API writes it. */
export function apiUsage(usage: Usage, outputTokens = usage.outputTokens): object {
  return {
    input_tokens: usage.inputTokens,
    cache_creation_input_tokens: usage.cacheCreationInputTokens,
    cache_read_input_tokens: usage.cacheReadInputTokens,
    output_tokens: outputTokens,
    cache_creation: { ephemeral_5m_input_tokens: usage.cacheCreationInputTokens, ephemeral_1h_input_tokens: 0 },
    service_tier: "standard",
  };
}

function apiMessage(model: string, messageId: string, usage: Usage, content: readonly object[]): object {
  return {
    id: messageId,
    type: "message",
    role: "assistant",
    model,
    content,
    stop_reason: null,
    stop_sequence: null,
    usage: apiUsage(usage, 1),
  };
}

export function streamEvent(context: Context, event: object, messageId: string, members: object = {}): object {
  return {
    type: "stream_event",
    event,
    session_id: context.sessionId,
    parent_tool_use_id: null,
    uuid: randomUUID(),
    api_message_id: messageId,
    ...members,
  };
}

export function messageStart(context: Context, messageId: string, usage: Usage, isFirst: boolean): object {
  return {
    type: "stream_event",
    event: { type: "message_start", message: apiMessage(context.model, messageId, usage, []) },
    session_id: context.sessionId,
    parent_tool_use_id: null,
    uuid: randomUUID(),
    ttft_ms: 1,
    thinking_display: "updates",
    api_message_id: messageId,
    ...(isFirst && { ...userMarks(context), owed_rows: [] }),
  };
}

/**
 * A text delta as three pieces of a line, for floods: everything before the text's JSON, everything between it and the
 * line's uuid, and what follows.
 */
export function textDeltaParts(context: Context, messageId: string, index: number): readonly [string, string, string] {
  const event = { type: "content_block_delta", index, delta: { type: "text_delta", text: "\u0001" } };
  const line = JSON.stringify({ ...streamEvent(context, event, messageId), uuid: "\u0002" });
  const [before = "", rest = ""] = line.split('"\\u0001"');
  const [between = "", after = ""] = rest.split('"\\u0002"');
  return [before, between, `${after}\n`];
}

export function assistant(
  context: Context,
  messageId: string,
  usage: Usage,
  block: object,
  members: { readonly isFirst: boolean; readonly aborted?: boolean; readonly uuid?: string },
): object {
  return {
    type: "assistant",
    message: { ...apiMessage(context.model, messageId, usage, [block]), context_management: null },
    parent_tool_use_id: null,
    session_id: context.sessionId,
    uuid: members.uuid ?? randomUUID(),
    timestamp: new Date().toISOString(),
    request_id: `req_${messageId.slice(4)}`,
    ...(members.aborted && { aborted: true }),
    ...(members.isFirst && userMarks(context)),
  };
}

export interface ApiError {
  readonly status: number | null;
  readonly error: string;
  readonly type: string | undefined;
  readonly message: string;
}

export function apiErrorAssistant(context: Context, error: ApiError): object {
  return {
    type: "assistant",
    message: {
      diagnostics: null,
      id: randomUUID(),
      container: null,
      model: "<synthetic>",
      role: "assistant",
      stop_details: null,
      stop_reason: "stop_sequence",
      stop_sequence: "",
      type: "message",
      usage: {
        output_tokens_details: null,
        input_tokens: 0,
        output_tokens: 0,
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: 0,
        server_tool_use: { web_search_requests: 0, web_fetch_requests: 0 },
        service_tier: null,
        cache_creation: { ephemeral_1h_input_tokens: 0, ephemeral_5m_input_tokens: 0 },
        inference_geo: null,
        iterations: null,
        speed: null,
        fallback_credit: null,
      },
      content: [{ type: "text", text: error.message }],
      context_management: null,
    },
    parent_tool_use_id: null,
    session_id: context.sessionId,
    uuid: randomUUID(),
    timestamp: new Date().toISOString(),
    error: error.error,
    request_id: "req_fake",
    is_api_error_message: true,
    api_error_status: error.status,
    ...(error.type !== undefined && { api_error_type: error.type }),
    ...userMarks(context),
  };
}

export function apiRetry(context: Context, attempt: number, maxRetries: number, statusCode: number | null): object {
  return {
    type: "system",
    subtype: "api_retry",
    attempt,
    max_retries: maxRetries,
    retry_delay_ms: 500 * 2 ** (attempt - 1),
    error_status: statusCode,
    error: statusCode === null ? "unknown" : statusCode === 401 ? "authentication_failed" : "server_error",
    session_id: context.sessionId,
    uuid: randomUUID(),
  };
}

export function userText(context: Context, text: string, members: object = {}): object {
  return {
    type: "user",
    message: { role: "user", content: [{ type: "text", text }] },
    parent_tool_use_id: null,
    session_id: context.sessionId,
    uuid: randomUUID(),
    timestamp: new Date().toISOString(),
    ...members,
  };
}

export function toolResult(context: Context, toolUseId: string, content: string, isError: boolean): object {
  const decision = { decision: "accept", source: "config", reason_type: "rule" };
  return {
    type: "user",
    message: {
      role: "user",
      content: [{ tool_use_id: toolUseId, type: "tool_result", content, is_error: isError }],
    },
    parent_tool_use_id: null,
    session_id: context.sessionId,
    uuid: randomUUID(),
    timestamp: new Date().toISOString(),
    tool_use_result: isError
      ? `Error: ${content}`
      : { stdout: content, stderr: "", interrupted: false, isImage: false, noOutputExpected: false },
    tool_result_meta: [{ id: toolUseId, permission_decision: decision }],
  };
}

export function controlResponse(
  requestId: string,
  reply:
    | { readonly kind: "success"; readonly response?: object }
    | { readonly kind: "error"; readonly error: string; readonly code?: string },
): object {
  const { kind } = reply;
  const members =
    kind === "success"
      ? reply.response !== undefined && { response: reply.response }
      : { error: reply.error, ...(reply.code !== undefined && { error_code: reply.code }) };
  return { type: "control_response", response: { subtype: kind, request_id: requestId, ...members } };
}

export function modelReplay(context: Context, model: string): object {
  return {
    type: "user",
    message: { role: "user", content: `<local-command-stdout>Set model to \`${model}\`</local-command-stdout>` },
    session_id: context.sessionId,
    parent_tool_use_id: null,
    uuid: randomUUID(),
    timestamp: new Date().toISOString(),
    isReplay: true,
  };
}

export function conversationReset(sessionId: string, userUuid: string | undefined): object {
  const id = randomUUID();
  return {
    type: "conversation_reset",
    new_conversation_id: id,
    uuid: id,
    trigger: "clear",
    ...(userUuid !== undefined && { user_message_uuid: userUuid }),
    timestamp: new Date().toISOString(),
    session_id: sessionId,
  };
}

export function backgroundTasks(sessionId: string, count: number): object {
  const tasks = Array.from({ length: count }, (_, index) => ({
    task_id: `b${index}fake`,
    run_id: `run-${index}`,
    task_type: "local_bash",
    description: "bg",
  }));
  return { type: "system", subtype: "background_tasks_changed", tasks, uuid: randomUUID(), session_id: sessionId };
}

export function compactBoundary(sessionId: string): object {
  return {
    type: "system",
    subtype: "compact_boundary",
    session_id: sessionId,
    uuid: randomUUID(),
    compact_metadata: {
      trigger: "auto",
      pre_tokens: 900_000,
      post_tokens: 300,
      cumulative_dropped_tokens: 899_700,
      duration_ms: 12,
    },
    logical_parent_uuid: randomUUID(),
  };
}
