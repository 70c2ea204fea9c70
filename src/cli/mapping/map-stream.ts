/**
 * `stream_event` lines: the model's answer as it is written. The hot path.
 *
 * Only the main conversation streams; sub-agents' messages come whole (`map-assistant.ts`).
 */
import type { BlockKind, TurnEvent } from "../../turn-event.ts";
import { countAt, isObject, type JsonObject, numberAt, objectAt, objectsAt, textAt } from "../protocol/json-members.ts";
import { messageUsage } from "./cli-usage.ts";
import { keepUnknown, type MappedTurn, parentOf } from "./mapped-turn.ts";
import type { BlockRecord, MessageRecord } from "./message-records.ts";
import { beginMessage, endBlock, endMessage, pass, pushRetracted } from "./model-output.ts";

export function mapStreamEvent(turn: MappedTurn, body: JsonObject, out: TurnEvent[]): void {
  const event = objectAt(body, "event");
  if (parentOf(body) !== "") {
    // Has not been seen; mixing it into the main conversation would be wrong.
    keepUnknown(turn, "stream_event/sub_agent", out);
    return;
  }
  switch (event.type) {
    case "content_block_delta":
      delta(turn, body, event, out);
      break;
    case "message_start":
      messageStart(turn, body, event, out);
      break;
    case "content_block_start":
      blockStart(turn, body, event, out);
      break;
    case "content_block_stop":
      blockStop(turn, body, event, out);
      break;
    case "message_delta":
      messageDelta(turn, body, event, out);
      break;
    case "message_stop":
      messageStop(turn, body, out);
      break;
    case "ping":
      break; // The service sends heartbeats of its own.
    default:
      keepUnknown(turn, `stream_event/${textAt(event, "type")}`, out);
  }
}

/** The index that the model API gave a block; what is no number counts as one index of its own. */
function rawIndexOf(event: JsonObject): number {
  return numberAt(event, "index") ?? -1;
}

function messageOf(turn: MappedTurn, body: JsonObject, out: TurnEvent[]): MessageRecord {
  return turn.messages.current ?? beginMessage(turn, textAt(body, "api_message_id"), "", true, out);
}

function blockOf(turn: MappedTurn, message: MessageRecord, event: JsonObject, kind: string): BlockRecord {
  const rawIndex = rawIndexOf(event);
  return message.byRawIndex.get(rawIndex) ?? turn.messages.beginBlock(message, rawIndex, kind, "");
}

function delta(turn: MappedTurn, body: JsonObject, event: JsonObject, out: TurnEvent[]): void {
  const message = messageOf(turn, body, out);
  const change = objectAt(event, "delta");
  switch (change.type) {
    case "text_delta":
      pass(turn, message, blockOf(turn, message, event, "text"), "text", textAt(change, "text"), out);
      return;
    case "thinking_delta": {
      pass(turn, message, blockOf(turn, message, event, "thinking"), "thinking", textAt(change, "thinking"), out);
      return;
    }
    case "input_json_delta":
      pass(turn, message, blockOf(turn, message, event, "tool_use"), "input", textAt(change, "partial_json"), out);
      return;
    case "signature_delta":
      pushSignature(turn, message, blockOf(turn, message, event, "thinking"), textAt(change, "signature"), out);
      return;
    case "citations_delta":
      if (turn.wantsAll) {
        const blockIndex = blockOf(turn, message, event, "text").index;
        out.push({
          kind: "citationDelta",
          citation: change.citation ?? null,
          messageIndex: message.index,
          blockIndex,
        });
      }
      return;
    default:
      keepUnknown(turn, `stream_event/content_block_delta/${textAt(change, "type")}`, out);
  }
}

function pushSignature(
  turn: MappedTurn,
  message: MessageRecord,
  block: BlockRecord,
  signature: string,
  out: TurnEvent[],
): void {
  if (!turn.wantsAll || signature === "") return;
  out.push({ kind: "signatureDelta", signature, messageIndex: message.index, blockIndex: block.index });
}

function messageStart(turn: MappedTurn, body: JsonObject, event: JsonObject, out: TurnEvent[]): void {
  const started = objectAt(event, "message");
  const usage = messageUsage(objectAt(started, "usage"));
  turn.meter.callBegan(usage);
  const message = beginMessage(turn, textAt(started, "id"), textAt(started, "model"), true, out);
  if (turn.wantsAll) {
    out.push({
      kind: "messageStart",
      messageIndex: message.index,
      messageId: message.id,
      model: message.model,
      usage,
      timeToFirstTokenMs: numberAt(body, "ttft_ms"),
    });
  }
  // The model API sends none here; a gateway that does has the beginning of the message in it.
  for (const content of objectsAt(started, "content")) {
    const block = startBlock(turn, message, Number.NEGATIVE_INFINITY, content, out);
    stopBlock(turn, message, block, out);
  }
}

function blockStart(turn: MappedTurn, body: JsonObject, event: JsonObject, out: TurnEvent[]): void {
  const message = messageOf(turn, body, out);
  const rawIndex = rawIndexOf(event);
  const before = message.byRawIndex.get(rawIndex);
  if (before !== undefined) endBlock(turn, message, before, out);
  startBlock(turn, message, rawIndex, objectAt(event, "content_block"), out);
}

function startBlock(
  turn: MappedTurn,
  message: MessageRecord,
  rawIndex: number,
  content: JsonObject,
  out: TurnEvent[],
): BlockRecord {
  // What waits of one that had no end goes out in front of it.
  const last = message.blocks.at(-1);
  if (last !== undefined) endBlock(turn, message, last, out);
  const rawKind = textAt(content, "type");
  const toolUseId = rawKind.endsWith("tool_use") ? textAt(content, "id") : "";
  const block = turn.messages.beginBlock(message, rawIndex, rawKind, toolUseId);
  if (turn.wantsAll) {
    out.push({
      kind: "blockStart",
      messageIndex: message.index,
      blockIndex: block.index,
      blockKind: blockKindOf(rawKind),
      rawKind,
      toolUseId,
      toolName: toolUseId === "" ? "" : textAt(content, "name"),
    });
  }
  firstFrame(turn, message, block, content, out);
  return block;
}

/** What the first frame of a block holds already. The model API sends it empty, and the CLI reads nothing of it. */
function firstFrame(
  turn: MappedTurn,
  message: MessageRecord,
  block: BlockRecord,
  content: JsonObject,
  out: TurnEvent[],
): void {
  if (block.kind === "text") {
    const text = textAt(content, "text");
    if (text === "") return;
    turn.notice("first_frame", firstFrameNotice, out);
    pass(turn, message, block, "text", text, out);
  } else if (block.kind === "thinking") {
    const thinking = textAt(content, "thinking");
    if (thinking !== "") pass(turn, message, block, "thinking", thinking, out);
    pushSignature(turn, message, block, textAt(content, "signature"), out);
  } else if (Object.keys(objectAt(content, "input")).length > 0) {
    turn.notice("first_frame_input", firstFrameInputNotice, out);
  }
}

const firstFrameNotice =
  "The model API sent text in the first frame of a block, where Claude Code does not read it. It is part of the answer here, but nothing that Claude can go on from.";

const firstFrameInputNotice =
  "The model API sent a tool's input in the first frame of its block, where Claude Code does not read it. The tool ran without it.";

function blockStop(turn: MappedTurn, body: JsonObject, event: JsonObject, out: TurnEvent[]): void {
  const message = messageOf(turn, body, out);
  const block = message.byRawIndex.get(rawIndexOf(event));
  if (block !== undefined) stopBlock(turn, message, block, out);
}

function stopBlock(turn: MappedTurn, message: MessageRecord, block: BlockRecord, out: TurnEvent[]): void {
  endBlock(turn, message, block, out);
  turn.messages.blockEnded(message, block);
  if (turn.wantsAll) out.push({ kind: "blockStop", messageIndex: message.index, blockIndex: block.index });
}

function messageDelta(turn: MappedTurn, body: JsonObject, event: JsonObject, out: TurnEvent[]): void {
  const message = messageOf(turn, body, out);
  const change = objectAt(event, "delta");
  const stopReason = textAt(change, "stop_reason");
  const usage = messageUsage(objectAt(event, "usage"));
  // Some gateways send the usage in one of its own, behind.
  if (stopReason !== "") message.stopReason = stopReason;
  turn.meter.callUsed(usage);
  if (stopReason === "tool_use" && usesRealTool(turn, message)) turn.meter.callFollows();
  const details = objectAt(change, "stop_details");
  noteRefusal(turn, details);
  if (!turn.wantsAll) return;
  out.push({
    kind: "messageDelta",
    messageIndex: message.index,
    stopReason,
    stopSequence: textAt(change, "stop_sequence"),
    usage,
    refusalCategory: textAt(details, "category"),
    refusalExplanation: textAt(details, "explanation"),
  });
}

/** Whether the message uses a tool whose result the model is asked about: the one for structured output ends the turn. */
function usesRealTool(turn: MappedTurn, message: MessageRecord): boolean {
  const tools = message.blocks.filter(({ kind, isVoid }) => kind === "tool_use" && !isVoid);
  return tools.length === 0 || tools.some(({ toolUseId }) => turn.toolNames.get(toolUseId) !== "StructuredOutput");
}

function messageStop(turn: MappedTurn, body: JsonObject, out: TurnEvent[]): void {
  const message = messageOf(turn, body, out);
  endMessage(turn, message, out);
  if (isObject(body.abandoned_blocks)) {
    const abandoned = body.abandoned_blocks;
    const id = textAt(abandoned, "api_message_id");
    const target = (id === "" ? undefined : turn.messages.find(id)) ?? message;
    const from = countAt(abandoned, "from_block_index");
    const retraction = turn.messages.retractFromRaw(target, from);
    if (retraction !== undefined) {
      if (from === 0) turn.meter.callLost();
      pushRetracted(turn, retraction, "streamBroken", out);
    }
  }
  if (turn.wantsAll) out.push({ kind: "messageStop", messageIndex: message.index });
}

export function noteRefusal(turn: MappedTurn, details: JsonObject): void {
  if (details.type !== "refusal") return;
  turn.notes.refused(textAt(details, "category"), textAt(details, "explanation"));
}

export function blockKindOf(rawKind: string): BlockKind {
  switch (rawKind) {
    case "text":
      return "text";
    case "thinking":
      return "thinking";
    case "redacted_thinking":
      return "redactedThinking";
    case "tool_use":
      return "toolUse";
    case "server_tool_use":
      return "serverToolUse";
    default:
      return rawKind.endsWith("_tool_result") ? "serverToolResult" : "unknown";
  }
}
