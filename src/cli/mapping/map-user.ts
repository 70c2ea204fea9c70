/**
 * `user` lines: what tools answered, and prompts that the CLI itself put into the conversation.
 */
import type { Json } from "../../json-value.ts";
import type { ToolResultContent, TurnEvent } from "../../turn-event.ts";
import { contentText } from "../protocol/content-text.ts";
import type { HostPaths } from "../protocol/host-paths.ts";
import { flagAt, isObject, type JsonObject, objectAt, objectsAt, textAt } from "../protocol/json-members.ts";
import { type MappedTurn, parentOf, withParent } from "./mapped-turn.ts";
import { mapToolOutput } from "./tool-output.ts";

export function mapUser(turn: MappedTurn, body: JsonObject, out: TurnEvent[]): void {
  const message = objectAt(body, "message");
  const parent = parentOf(body);
  const blocks = objectsAt(message, "content");
  const results = blocks.filter(({ type }) => type === "tool_result");
  for (const result of results) {
    const toolUseId = textAt(result, "tool_use_id");
    // A failed structured output is asked for again; any other result was followed by a call that is counted already.
    if (parent === "" && flagAt(result, "is_error") && turn.toolNames.get(toolUseId) === "StructuredOutput") {
      turn.meter.callFollows();
    }
    if (parent !== "") turn.meter.costGrew();
    if (turn.wantsAll) out.push(withParent(toolResult(turn, body, result, toolUseId, results.length === 1), parent));
  }
  if (results.length > 0 && parent === "") toolAnswered(turn);
  if (parent === "" && flagAt(body, "isSynthetic")) turn.held.addOwnWords();
  if (results.length > 0 || !turn.wantsAll) return;
  // An echo of stdin or of a local command, and the mark of an interrupt of ours: nobody's prompt.
  const isPrompt = flagAt(body, "isSynthetic") || parent !== "";
  if (!isPrompt || flagAt(body, "isReplay")) return;
  const text = turn.paths.text(contentText(message.content));
  if (text !== "") out.push(withParent({ kind: "syntheticPrompt", text }, parent));
}

/** What Claude said before it had a tool's answer is no answer to the prompt. */
function toolAnswered(turn: MappedTurn): void {
  turn.answer.toolAnswered();
  const { current } = turn.messages;
  if (current !== undefined) current.isAnswered = true;
}

function toolResult(
  turn: MappedTurn,
  body: JsonObject,
  result: JsonObject,
  toolUseId: string,
  isOnlyOne: boolean,
): Extract<TurnEvent, { kind: "toolResult" }> {
  const meta = objectsAt(body, "tool_result_meta").find(({ id }) => id === toolUseId);
  const decision = meta === undefined ? {} : objectAt(meta, "permission_decision");
  // The tool's own report belongs to the line, not to the result: with several it is not known whose it is.
  const { output, elidedBytes } = mapToolOutput(isOnlyOne ? body.tool_use_result : undefined, turn.paths);
  return {
    kind: "toolResult",
    toolUseId,
    isError: flagAt(result, "is_error"),
    content: contentOf(result.content, turn.paths),
    output,
    permissionDecision: textAt(decision, "decision"),
    permissionSource: textAt(decision, "source"),
    nonExecutionKind: meta === undefined ? "" : textAt(meta, "non_execution_kind"),
    elidedBytes,
  };
}

function contentOf(content: Json | undefined, paths: HostPaths): readonly ToolResultContent[] {
  if (typeof content === "string") return content === "" ? [] : [{ kind: "text", text: paths.text(content) }];
  if (!Array.isArray(content)) return [];
  return content.filter(isObject).map((block) => {
    if (block.type === "text") return { kind: "text", text: paths.text(textAt(block, "text")) };
    const source = objectAt(block, "source");
    if (source.type === "base64") {
      return { kind: "media", mediaType: textAt(source, "media_type"), sizeBytes: decodedSize(textAt(source, "data")) };
    }
    return { kind: "other", value: paths.json(block) };
  });
}

/** The size of what base64 text stands for. */
function decodedSize(base64: string): number {
  const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
  return Math.max(0, Math.floor((base64.length * 3) / 4) - padding);
}
