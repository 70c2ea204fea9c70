/**
 * Which lines of the CLI hold words of the model API about a failure, and what is told in their place.
 *
 * Whoever runs the server gets them, without what looks like a credential. All others get a sentence of ours: what comes
 * from behind the boundary names keys, addresses and files there. Text of the model is not looked at.
 */
import { type Json, jsonText } from "../../json-value.ts";
import { redactSecrets } from "../../redact.ts";
import type { CliMessage } from "../protocol/cli-messages.ts";
import { isSynthetic } from "../protocol/host-paths.ts";
import { flagAt, isObject, type JsonObject, objectAt, objectsAt, textAt } from "../protocol/json-members.ts";
import { memberRanges } from "../protocol/member-ranges.ts";
import { idOf, wordOf } from "./failure-sentence.ts";

/** Whether an `assistant` line reports a failure. Older versions mark it by its text only. */
export function reportsFailure(body: JsonObject): boolean {
  if (!isSynthetic(body)) return false;
  if (textAt(body, "error") !== "" || flagAt(body, "is_api_error_message")) return true;
  return objectsAt(objectAt(body, "message"), "content").some((block) => textAt(block, "text").startsWith("API Error"));
}

/** A line as it is told: to an operator with the words, to others with `sentence` in their place. It stays JSON. */
export function toldLine(message: CliMessage, line: string, forOperator: boolean, sentence: string): string {
  if (!holdsWords(message)) return line;
  if (forOperator) return redactSecrets(line);
  const { kind, body } = message;
  switch (kind) {
    case "assistant":
      return jsonText(failureReport(body, sentence));
    case "result":
      return withMembers(line, body, { result: sentence, errors: [], api_error_params: null, ...words(body) });
    case "status":
      return withMembers(line, body, { compact_error: compactionFailed });
    default:
      return jsonText(withoutTexts(body));
  }
}

/** What is told of a conversation that could not be summarized. */
export const compactionFailed = "Claude Code could not summarize the conversation";

function holdsWords({ kind, name, body }: CliMessage): boolean {
  switch (kind) {
    case "assistant":
      return reportsFailure(body);
    case "result":
      return flagAt(body, "is_error");
    case "status":
      return textAt(body, "compact_error") !== "";
    case "streamEvent":
      return objectAt(body, "event").type === "error";
    case "apiRetry":
      return true;
    default:
      // Kinds that are not known yet, such as one that a later version calls `system/api_error`.
      return kind === "unknown" && /error|retry|fail/i.test(name);
  }
}

/** The members whose values come from the model API, as far as they are what they should be. */
function words(body: JsonObject): JsonObject {
  return {
    error: wordOf(textAt(body, "error")),
    api_error: wordOf(textAt(body, "api_error")),
    api_error_type: wordOf(textAt(body, "api_error_type")),
    request_id: idOf(textAt(body, "request_id")),
  };
}

const keptOfReport = ["type", "parent_tool_use_id", "session_id", "uuid", "is_api_error_message", "api_error_status"];

function failureReport(body: JsonObject, sentence: string): JsonObject {
  const kept = Object.fromEntries(keptOfReport.flatMap((key) => (key in body ? [[key, body[key] as Json]] : [])));
  const known = Object.fromEntries(Object.entries(words(body)).filter(([key]) => key in body));
  const { id, model, role, stop_reason, type, usage } = objectAt(body, "message");
  const content = [{ type: "text", text: sentence }];
  const told = { id, model, role, stop_reason, type, usage, content } as unknown as JsonObject;
  return { ...kept, ...known, message: told };
}

/** The line with other values for those of these members that it has; everything else stays as it was written. */
function withMembers(line: string, body: JsonObject, values: JsonObject): string {
  let from = 0;
  let changed = "";
  for (const { key, start, end } of memberRanges(
    line,
    Object.keys(values).filter((key) => key in body),
  )) {
    changed += line.slice(from, start) + jsonText(values[key] as Json);
    from = end;
  }
  return changed + line.slice(from);
}

/** Nobody reports a failure deeper than this. */
const maxDepth = 30;

/** A value without the texts in it that are more than one word or one id, and without what is too deep in it. */
function withoutTexts(value: Json, depth = 0): Json {
  if (depth > maxDepth) return null;
  if (typeof value === "string") return idOf(value) === "" && !/^[a-z_/]{1,80}$/.test(value) ? "" : value;
  if (Array.isArray(value)) return value.map((item) => withoutTexts(item, depth + 1));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutTexts(item, depth + 1)]));
}
