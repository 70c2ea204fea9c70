/**
 * The first `initialize` of a process: it fixes system prompt and schema for life, and is spent by being sent.
 */
import { RunnerError } from "../../runner-error.ts";
import type { Binding } from "../../turn.ts";
import type { JsonObject } from "../protocol/json-members.ts";

/** The request's body. `profilePrompt` stands where the binding sets none. */
export function initializeRequest(
  binding: Binding,
  profilePrompt: string,
): { readonly subtype: "initialize"; readonly [key: string]: unknown } {
  return {
    subtype: "initialize",
    systemPrompt: [binding.systemPrompt ?? profilePrompt],
    ...(binding.outputSchemaJson !== undefined && { jsonSchema: parseSchema(binding.outputSchemaJson) }),
  };
}

/** The CLI takes a schema that is none without a word, and then gives no structured output: check it before. */
function parseSchema(json: string): JsonObject {
  try {
    return JSON.parse(json) as JsonObject;
  } catch (cause) {
    throw new RunnerError("INTERNAL", "internal error", { cause });
  }
}
