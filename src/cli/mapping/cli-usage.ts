/**
 * Token counts as the CLI writes them, to Usage. It has two forms: the model API's own on messages, and one of its own,
 * with other names, in the account per model.
 */
import type { ModelUsage, Usage } from "../../usage.ts";
import { amountAt, countAt, type JsonObject, objectAt, textAt, toCount } from "../protocol/json-members.ts";

/** `message.usage`, `event.usage`: one model call, in the model API's words. */
export function messageUsage(usage: JsonObject): Usage {
  return {
    inputTokens: countAt(usage, "input_tokens"),
    outputTokens: countAt(usage, "output_tokens"),
    cacheReadInputTokens: countAt(usage, "cache_read_input_tokens"),
    cacheCreationInputTokens: countAt(usage, "cache_creation_input_tokens"),
    thinkingTokens: countAt(objectAt(usage, "output_tokens_details"), "thinking_tokens"),
    webSearchRequests: countAt(objectAt(usage, "server_tool_use"), "web_search_requests"),
  };
}

/** An entry of `modelUsage`: what one model was used for, with its price. */
export function modelUsage(model: string, entry: JsonObject): ModelUsage {
  return {
    model,
    usage: {
      inputTokens: countAt(entry, "inputTokens"),
      outputTokens: countAt(entry, "outputTokens"),
      cacheReadInputTokens: countAt(entry, "cacheReadInputTokens"),
      cacheCreationInputTokens: countAt(entry, "cacheCreationInputTokens"),
      thinkingTokens: countAt(entry, "thinkingTokens"),
      webSearchRequests: countAt(entry, "webSearchRequests"),
    },
    costUsdMicros: usdMicros(amountAt(entry, "costUSD")),
    costBasis: textAt(entry, "costBasis"),
  };
}

/** Whole millionths of a US dollar, a count like any other. */
export function usdMicros(usd: number): number {
  return toCount(usd * 1_000_000);
}

export function addUsage(a: Usage, b: Usage): Usage {
  return {
    inputTokens: toCount(a.inputTokens + b.inputTokens),
    outputTokens: toCount(a.outputTokens + b.outputTokens),
    cacheReadInputTokens: toCount(a.cacheReadInputTokens + b.cacheReadInputTokens),
    cacheCreationInputTokens: toCount(a.cacheCreationInputTokens + b.cacheCreationInputTokens),
    thinkingTokens: toCount(a.thinkingTokens + b.thinkingTokens),
    webSearchRequests: toCount(a.webSearchRequests + b.webSearchRequests),
  };
}

/** Of two accounts of the same call, the larger count of each kind. */
export function largerUsage(a: Usage, b: Usage): Usage {
  return {
    inputTokens: Math.max(a.inputTokens, b.inputTokens),
    outputTokens: Math.max(a.outputTokens, b.outputTokens),
    cacheReadInputTokens: Math.max(a.cacheReadInputTokens, b.cacheReadInputTokens),
    cacheCreationInputTokens: Math.max(a.cacheCreationInputTokens, b.cacheCreationInputTokens),
    thinkingTokens: Math.max(a.thinkingTokens, b.thinkingTokens),
    webSearchRequests: Math.max(a.webSearchRequests, b.webSearchRequests),
  };
}
