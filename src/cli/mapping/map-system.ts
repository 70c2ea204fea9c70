/**
 * The CLI's words about itself: `system/*`, rate limits, tool progress. One function per kind.
 */
import type { TaskState, TurnEvent } from "../../turn-event.ts";
import {
  amountAt,
  countAt,
  flagAt,
  isObject,
  type JsonObject,
  numberAt,
  objectAt,
  objectsAt,
  textAt,
  textsAt,
} from "../protocol/json-members.ts";
import { wordOf } from "../upstream/failure-sentence.ts";
import { compactionFailed } from "../upstream/upstream-words.ts";
import { type MappedTurn, withParent } from "./mapped-turn.ts";
import { pushRetracted } from "./model-output.ts";

export function mapInit(turn: MappedTurn, body: JsonObject): TurnEvent {
  const cliVersion = textAt(body, "claude_code_version");
  const model = textAt(body, "model");
  turn.notes.initialised(cliVersion, model);
  return {
    kind: "init",
    cliVersion,
    model,
    upstreamSessionId: textAt(body, "session_id"),
    permissionMode: textAt(body, "permissionMode"),
    tools: textsAt(body, "tools"),
    mcpServers: objectsAt(body, "mcp_servers").map((server) => ({
      name: textAt(server, "name"),
      status: textAt(server, "status"),
    })),
    capabilities: textsAt(body, "capabilities"),
    apiKeySource: textAt(body, "apiKeySource"),
  };
}

export function mapStatus(turn: MappedTurn, body: JsonObject): TurnEvent {
  const rawActivity = textAt(body, "status");
  const compactError = turn.paths.text(textAt(body, "compact_error"));
  if (rawActivity === "requesting" && turn.meter.modelCallCount > 0) turn.meter.callFollows();
  const activity =
    rawActivity === "requesting" || rawActivity === "compacting"
      ? rawActivity
      : rawActivity === ""
        ? "idle"
        : "unknown";
  return {
    kind: "status",
    activity,
    rawActivity,
    permissionMode: textAt(body, "permissionMode"),
    compactResult: textAt(body, "compact_result"),
    compactError: compactError === "" ? "" : turn.told(compactError, compactionFailed),
  };
}

export function mapApiRetry(turn: MappedTurn, body: JsonObject): TurnEvent {
  turn.notes.retried();
  return {
    kind: "apiRetry",
    attempt: countAt(body, "attempt"),
    maxAttempts: countAt(body, "max_retries"),
    delayMs: amountAt(body, "retry_delay_ms"),
    httpStatus: numberAt(body, "error_status"),
    error: wordOf(textAt(body, "error")),
  };
}

export function mapRateLimit(body: JsonObject): TurnEvent {
  const info = objectAt(body, "rate_limit_info");
  const window = textAt(info, "rateLimitType");
  const resetsAt = numberAt(info, "resetsAt");
  return {
    kind: "rateLimit",
    status: textAt(info, "status"),
    resetAtMs: resetsAt === undefined ? undefined : resetsAt * 1000,
    window,
    utilization:
      numberAt(info, "utilization") ?? numberAt(objectAt(objectAt(info, "unifiedWindows"), window), "utilization"),
    usingOverage: flagAt(info, "isUsingOverage"),
  };
}

/** The model was changed, or would have been. Deltas of the old one's answer may be void. */
export function mapModelSwitched(turn: MappedTurn, name: string, body: JsonObject, out: TurnEvent[]): void {
  // A switch because of a refusal stays with the process; one because of overload should not happen as it is launched.
  if (name !== "system/model_refusal_no_fallback") turn.notes.tainted("model_switched");
  const refusalCategory = textAt(body, "api_refusal_category");
  const refusalExplanation = textAt(body, "api_refusal_explanation");
  turn.notes.refusalExplained(refusalCategory, refusalExplanation);
  for (const retraction of turn.messages.retractLines(textsAt(body, "retracted_message_uuids"))) {
    pushRetracted(turn, retraction, "refusal", out);
  }
  if (!turn.wantsAll) return;
  out.push({
    kind: "modelSwitched",
    trigger: textAt(body, "trigger") || (name === "system/model_refusal_no_fallback" ? "refusal" : ""),
    fromModel: textAt(body, "original_model"),
    toModel: textAt(body, "fallback_model"),
    refusalCategory,
    refusalExplanation,
  });
}

export function mapCompacted(turn: MappedTurn, body: JsonObject): TurnEvent {
  turn.notes.tainted("compacted");
  const metadata = objectAt(body, "compact_metadata");
  return {
    kind: "compacted",
    trigger: textAt(metadata, "trigger"),
    tokensBefore: countAt(metadata, "pre_tokens"),
    tokensAfter: countAt(metadata, "post_tokens"),
  };
}

export function mapPermissionDenied(turn: MappedTurn, body: JsonObject): TurnEvent {
  return {
    kind: "permissionDenied",
    toolName: textAt(body, "tool_name"),
    toolUseId: textAt(body, "tool_use_id"),
    message: turn.paths.text(textAt(body, "message")),
    reasonType: textAt(body, "decision_reason_type"),
    reason: turn.paths.text(textAt(body, "decision_reason")),
  };
}

const taskStates: ReadonlyMap<string, TaskState> = new Map([
  ["completed", "completed"],
  ["failed", "failed"],
  ["stopped", "stopped"],
  ["killed", "stopped"],
  ["running", "progress"],
]);

export function mapTask(turn: MappedTurn, name: string, body: JsonObject): TurnEvent {
  const patch = objectAt(body, "patch");
  const usage = objectAt(body, "usage");
  const isNews = name === "system/task_updated" || name === "system/task_notification";
  const told = textAt(patch, "status") || textAt(body, "status");
  return {
    kind: "task",
    taskId: textAt(body, "task_id"),
    toolUseId: textAt(body, "tool_use_id"),
    state: isNews ? (taskStates.get(told) ?? "unknown") : name === "system/task_started" ? "started" : "progress",
    description: turn.paths.text(textAt(body, "description")),
    taskType: textAt(body, "task_type"),
    subagentType: textAt(body, "subagent_type"),
    totalTokens: countAt(usage, "total_tokens"),
    toolUses: countAt(usage, "tool_uses"),
    durationMs: numberAt(usage, "duration_ms"),
    lastToolName: textAt(body, "last_tool_name"),
    summary: turn.paths.text(textAt(body, "summary")),
    isBackgrounded: flagAt(body, "is_backgrounded") || flagAt(patch, "is_backgrounded"),
  };
}

export function mapBackgroundTasks(turn: MappedTurn, body: JsonObject): TurnEvent {
  const taskIds = objectsAt(body, "tasks").map((task) => textAt(task, "task_id"));
  // They would report into the next conversation, also after a reset.
  if (taskIds.length > 0) turn.notes.tainted("background_tasks");
  return { kind: "backgroundTasks", taskIds };
}

export function mapToolProgress(body: JsonObject): TurnEvent {
  // A heartbeat has an id of its own made of the tool use's, which is in the member for the parent.
  const isHeartbeat = flagAt(body, "heartbeat");
  const parent = textAt(body, "parent_tool_use_id");
  const toolUseId = isHeartbeat && parent !== "" ? parent : textAt(body, "tool_use_id");
  const event = {
    kind: "toolProgress",
    toolUseId,
    toolName: textAt(body, "tool_name"),
    elapsedMs: amountAt(body, "elapsed_time_seconds") * 1000,
  } as const;
  return isHeartbeat ? event : withParent(event, parent);
}

export function mapInformational(turn: MappedTurn, body: JsonObject): TurnEvent {
  const outcome = isObject(body.prompt_submit_outcome) ? body.prompt_submit_outcome : {};
  if (flagAt(body, "prevent_continuation") || outcome.kind === "blocked_by_hook") turn.notes.hookBlocked();
  const level = textAt(body, "level");
  return {
    kind: "notice",
    level: level === "warning" || level === "suggestion" ? level : "info",
    noticeKind: "informational",
    text: turn.paths.text(textAt(body, "content")),
  };
}

export function mapHook(body: JsonObject, name: string): TurnEvent {
  return {
    kind: "hook",
    hookName: textAt(body, "hook_name"),
    hookEvent: textAt(body, "hook_event"),
    phase: name.slice("system/hook_".length),
    outcome: textAt(body, "outcome"),
    exitCode: numberAt(body, "exit_code"),
  };
}

export function mapThinkingTokens(body: JsonObject): TurnEvent {
  return { kind: "thinkingProgress", estimatedTokens: countAt(body, "estimated_tokens") };
}
