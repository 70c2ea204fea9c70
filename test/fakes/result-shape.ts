/** The `result` of a turn, member by member and in the order of members in which 2.1.332 writes them. */
import { randomUUID } from "node:crypto";
import { type ApiError, type Context, userMarks } from "./shapes.ts";
import { costUsd, type Usage, usageByModel } from "./usage.ts";

export interface ResultFacts {
  readonly index: number;
  readonly durationMs: number;
  readonly turnCount: number;
  /** The model's messages that were begun, those that were taken back as well. */
  readonly begunMessageIds: readonly string[];
  readonly usage: Usage;
  /** Of the whole session, by model. */
  readonly sessionUsage: ReadonlyMap<string, Usage>;
  /** Since the result before, by model. */
  readonly usageSinceLast: ReadonlyMap<string, Usage>;
  readonly queuedTurnCount: number;
  readonly end:
    | {
        readonly kind: "completed";
        readonly text: string;
        readonly stopReason: string;
        readonly structuredOutput?: unknown;
      }
    | { readonly kind: "apiError"; readonly error: ApiError }
    | { readonly kind: "interrupted" }
    /** Nothing was asked: seeded history, or a command of the CLI's own. */
    | { readonly kind: "local"; readonly command: string | undefined };
}

export function result(context: Context, facts: ResultFacts): object {
  const { end, usage } = facts;
  const all = [...facts.sessionUsage];
  return {
    ...(end.kind === "local" && { is_error: false }),
    duration_api_ms: end.kind === "completed" ? facts.durationMs : 0,
    ...(end.kind === "local" && { num_turns: 0 }),
    stop_reason: stopReasonOf(end),
    session_id: context.sessionId,
    total_cost_usd: all.reduce((sum, [, used]) => sum + costUsd(used), 0),
    usage: {
      input_tokens: usage.inputTokens,
      cache_creation_input_tokens: usage.cacheCreationInputTokens,
      cache_read_input_tokens: usage.cacheReadInputTokens,
      output_tokens: usage.outputTokens,
      output_tokens_details: { thinking_tokens: 0 },
      server_tool_use: { web_search_requests: 0, web_fetch_requests: 0 },
      service_tier: "standard",
      cache_creation: { ephemeral_1h_input_tokens: 0, ephemeral_5m_input_tokens: usage.cacheCreationInputTokens },
      inference_geo: "",
      iterations: [],
      speed: "standard",
      fallback_credit: null,
    },
    modelUsage: usageByModel(facts.sessionUsage),
    permission_denials: [],
    ...(end.kind !== "local" && { terminal_reason: terminalReasons[end.kind] }),
    fast_mode_state: "off",
    fast_mode_disabled_reason: "sdk_opt_in_required",
    subagent_stats: {
      spawned: 0,
      requested: { background: 0, foreground: 0, unset: 0 },
      started_in_background: 0,
      max_depth: 0,
      spawned_by_subagents: 0,
      completed: 0,
      failed: 0,
      killed: { parent: 0, user: 0, system: 0 },
      refused: { depth_limit: 0, concurrency_limit: 0, budget: 0 },
      by_type: {},
    },
    safety_stops: 0,
    ...(end.kind !== "local" && { is_error: end.kind !== "completed", num_turns: facts.turnCount }),
    subtype: end.kind === "interrupted" ? "error_during_execution" : "success",
    ...endMembers(end),
    type: "result",
    duration_ms: facts.durationMs,
    uuid: randomUUID(),
    ...(end.kind !== "local" && { begun_message_ids: facts.begunMessageIds }),
    ...userMarks(context),
    queued_turn_count: facts.queuedTurnCount,
    result_index: facts.index,
    model_usage_since_last_result: usageByModel(facts.usageSinceLast),
  };
}

const terminalReasons = {
  completed: "completed",
  apiError: "api_error",
  interrupted: "aborted_streaming",
} as const;

function stopReasonOf(end: ResultFacts["end"]): string | null {
  if (end.kind === "completed") return end.stopReason;
  return end.kind === "apiError" ? "stop_sequence" : null;
}

function endMembers(end: ResultFacts["end"]): object {
  switch (end.kind) {
    case "completed":
      return {
        api_error_status: null,
        result: end.text,
        ...(end.structuredOutput !== undefined && { structured_output: end.structuredOutput }),
        ttft_ms: 2,
        ttft_stream_ms: 2,
        time_to_request_ms: 1,
        first_content_frame_ms: 2,
        request_sent_wall_ms: Date.now(),
      };
    case "apiError":
      return {
        api_error_status: end.error.status,
        ...(end.error.type !== undefined && { api_error_type: end.error.type }),
        result: end.error.message,
      };
    case "interrupted":
      return { errors: ["[ede_diagnostic] result_type=user last_content_type=n/a stop_reason=null"] };
    case "local":
      return { result: "", ...(end.command !== undefined && { local_command: end.command }) };
    default:
      return end satisfies never;
  }
}
