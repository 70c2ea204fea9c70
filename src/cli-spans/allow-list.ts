/**
 * The list of what is taken over of Claude Code's spans: which kinds, which of their attributes, under which names, and what
 * a value has to look like. What is not on it is dropped where it is read.
 *
 * Not on it, and never to be: `user.*`, `organization.*`, session ids, texts of errors, `bash_argv0`, prompts and replies.
 * Names of tools and of MCP servers are on it: they are the operator's own configuration, as on `runner.tool`.
 */
import type { Attributes } from "@opentelemetry/api";
import { attributeNames, cliSpanNames } from "../telemetry/instruments.ts";
import type { CliSpan, Scalar } from "./cli-span.ts";

interface Rule {
  /** The CLI's name. */
  readonly from: string;
  readonly to: string;
  readonly fits: (value: Scalar) => boolean;
}

const matching = (form: RegExp) => (value: Scalar) => typeof value === "string" && form.test(value);
const count = (value: Scalar) => Number.isSafeInteger(value) && Number(value) >= 0;
const httpStatus = (value: Scalar) => Number.isInteger(value) && Number(value) >= 100 && Number(value) <= 599;
/** A single word: no room for a sentence, a path or an address. */
const word = matching(/^[A-Za-z][\w.-]{0,63}$/);
const id = matching(/^[\w-]{1,128}$/);
const toolName = matching(/^[\w.-]{1,128}$/);
/** Also those of Bedrock and Vertex. */
const modelName = matching(/^[\w.:/@[\]-]{1,256}$/);

const rules: ReadonlyMap<string, readonly Rule[]> = new Map<string, readonly Rule[]>([
  [cliSpanNames.interaction, []],
  [
    cliSpanNames.modelRequest,
    [
      { from: "gen_ai.request.model", to: attributeNames.genAiRequestModel, fits: modelName },
      { from: "gen_ai.provider.name", to: attributeNames.genAiProvider, fits: word },
      { from: "input_tokens", to: attributeNames.genAiInputTokens, fits: count },
      { from: "output_tokens", to: attributeNames.genAiOutputTokens, fits: count },
      { from: "cache_read_tokens", to: attributeNames.genAiCacheReadTokens, fits: count },
      { from: "cache_creation_tokens", to: attributeNames.genAiCacheCreationTokens, fits: count },
      { from: "stop_reason", to: attributeNames.genAiFinishReasons, fits: word },
      { from: "ttft_ms", to: attributeNames.cliTimeToFirstTokenMs, fits: count },
      { from: "status_code", to: attributeNames.httpStatusCode, fits: httpStatus },
      { from: "error_class", to: attributeNames.errorType, fits: word },
      { from: "request_id", to: attributeNames.cliRequestId, fits: id },
      { from: "query_source_safe", to: attributeNames.cliRequestSource, fits: word },
    ],
  ],
  [
    cliSpanNames.tool,
    [
      { from: "gen_ai.tool.name", to: attributeNames.toolName, fits: toolName },
      { from: "tool_use_id", to: attributeNames.genAiToolCallId, fits: id },
      { from: "anthropic.mcp.server.name", to: attributeNames.cliMcpServer, fits: toolName },
    ],
  ],
  [
    cliSpanNames.toolPermission,
    [
      { from: "decision", to: attributeNames.cliDecision, fits: word },
      { from: "source", to: attributeNames.cliDecisionSource, fits: word },
    ],
  ],
  [
    cliSpanNames.toolExecution,
    [
      { from: "tool_use_id", to: attributeNames.genAiToolCallId, fits: id },
      { from: "error_class", to: attributeNames.errorType, fits: word },
    ],
  ],
  // Not seen as workers are launched now, and not asked for anything but their time.
  [cliSpanNames.subAgent, []],
  [cliSpanNames.hook, []],
  [cliSpanNames.compaction, []],
  [cliSpanNames.mcpCall, []],
  [cliSpanNames.subprocess, []],
]);

/** Of an interaction: the how-manieth user line of its process it is. Says whose it is, and is not passed on. */
export const sequenceKey = "interaction.sequence";

const readKeys: ReadonlySet<string> = new Set([
  sequenceKey,
  ...[...rules.values()].flatMap((of) => of.map(({ from }) => from)),
]);

/** Whether an attribute is worth keeping. */
export function isRead(key: string): boolean {
  return readKeys.has(key);
}

/** Whether a kind of span is taken over. */
export function isKnown(name: string): boolean {
  return rules.has(name);
}

/** The attributes of a span in our words. */
export function ownAttributes({ name, attributes, attempts }: CliSpan): Attributes {
  const own: Attributes = {};
  for (const { from, to, fits } of rules.get(name) ?? []) {
    const value = attributes[from];
    if (value === undefined || !fits(value)) continue;
    own[to] = to === attributeNames.genAiFinishReasons ? [String(value)] : value;
  }
  if (name === cliSpanNames.modelRequest) {
    own[attributeNames.genAiOperation] = "chat";
    if (attempts.length > 0) own[attributeNames.cliAttemptCount] = attempts.length;
  }
  return own;
}

/** The tool use that a span is of. */
export function toolUseIdOf({ attributes }: CliSpan): string | undefined {
  const value = attributes.tool_use_id;
  return typeof value === "string" ? value : undefined;
}
