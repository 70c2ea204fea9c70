/**
 * One line of the CLI to a message of a known kind. What is not known is kept as `unknown`, never an error: versions add
 * types, subtypes and fields.
 *
 * Leaves out what the members mean: `turn-mapper.ts` and its neighbours read them, each tolerantly.
 */
import { isObject, type JsonObject, objectAt, textAt } from "./json-members.ts";
import { makeWellFormed, mayHoldHalves } from "./well-formed.ts";

/** The kinds that this driver knows, by the CLI's `type` or `type/subtype`. */
const kinds = {
  stream_event: "streamEvent",
  assistant: "assistant",
  user: "user",
  result: "result",
  control_response: "controlResponse",
  control_request: "controlRequest",
  control_cancel_request: "controlCancel",
  command_lifecycle: "lifecycle",
  conversation_reset: "conversationReset",
  keep_alive: "internal",
  rate_limit_event: "rateLimit",
  tool_progress: "toolProgress",
  "system/init": "init",
  "system/status": "status",
  "system/api_retry": "apiRetry",
  "system/thinking_tokens": "thinkingTokens",
  "system/permission_denied": "permissionDenied",
  "system/compact_boundary": "compacted",
  "system/task_started": "task",
  "system/task_progress": "task",
  "system/task_updated": "task",
  "system/task_notification": "task",
  "system/background_tasks_changed": "backgroundTasks",
  "system/hook_started": "hook",
  "system/hook_progress": "hook",
  "system/hook_response": "hook",
  "system/informational": "informational",
  "system/model_refusal_fallback": "modelSwitched",
  "system/model_refusal_no_fallback": "modelSwitched",
  "system/model_fallback": "modelSwitched",
  "system/session_state_changed": "sessionState",
  "system/ui_invalidate": "internal",
} as const;

export type CliMessageKind = (typeof kinds)[keyof typeof kinds] | "unknown";

export interface CliMessage {
  readonly kind: CliMessageKind;
  /** The kind in the CLI's words: `result`, `system/init`. */
  readonly name: string;
  readonly body: JsonObject;
}

const kindOf = new Map<string, CliMessageKind>(Object.entries(kinds));
/** Types that are told apart by their subtype. A `result` has one too, but is judged by other members. */
const typesWithSubtype = new Set(["system"]);

/** Pieces of a text: half a surrogate pair at the end of one may have its other half in the next. */
const pieces: ReadonlySet<unknown> = new Set([
  "text_delta",
  "thinking_delta",
  "input_json_delta",
  // Those that stand in the first frame of a block.
  "text",
  "thinking",
]);

function pieceIn(body: JsonObject): JsonObject | undefined {
  const event = objectAt(body, "event");
  const isDelta = event.type === "content_block_delta";
  if (body.type !== "stream_event" || !(isDelta || event.type === "content_block_start")) return undefined;
  const piece = objectAt(event, isDelta ? "delta" : "content_block");
  return pieces.has(piece.type) ? piece : undefined;
}

/** `undefined` when the line is not a JSON object: garbage, which the driver counts. */
export function parseLine(line: string): CliMessage | undefined {
  let body: unknown;
  try {
    body = JSON.parse(line);
  } catch {
    return undefined; // Not JSON; the caller counts it.
  }
  if (!isObject(body)) return undefined;
  if (mayHoldHalves(line)) makeWellFormed(body, pieceIn(body));
  const type = textAt(body, "type");
  const name = typesWithSubtype.has(type) ? `${type}/${textAt(body, "subtype")}` : type;
  return { kind: kindOf.get(name) ?? "unknown", name, body };
}
