/**
 * `stream_event` lines: the model's answer as it is written. The hot path.
 *
 * Only the main conversation streams; sub-agents' messages come whole (`map-assistant.ts`).
 */
import type { BlockKind, TurnEvent } from "../turn-event.ts";
import { countAt, isObject, type JsonObject, numberAt, objectAt, textAt } from "./json.ts";
import { keepUnknown, type MappedTurn, parentOf } from "./mapped-turn.ts";
import type { BlockRecord, MessageRecord, Retraction } from "./turn-messages.ts";
import { messageUsage } from "./usage.ts";

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
      if (turn.wantsAll) {
        const messageIndex = messageOf(turn, body).index;
        out.push({ kind: "blockStop", messageIndex, blockIndex: blockIndexOf(event) });
      }
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

/** The index that the model API gave a block, as what an index can be. */
function blockIndexOf(event: JsonObject): number {
  return Math.min(countAt(event, "index"), 2 ** 31 - 1);
}

function messageOf(turn: MappedTurn, body: JsonObject): MessageRecord {
  return turn.messages.current ?? turn.messages.begin(textAt(body, "api_message_id"), "", true);
}

function blockOf(turn: MappedTurn, message: MessageRecord, index: number, kind: string): BlockRecord {
  return message.blocks.get(index) ?? turn.messages.beginBlock(message, index, kind, "");
}

function delta(turn: MappedTurn, body: JsonObject, event: JsonObject, out: TurnEvent[]): void {
  const message = messageOf(turn, body);
  const messageIndex = message.index;
  const blockIndex = blockIndexOf(event);
  const change = objectAt(event, "delta");
  switch (change.type) {
    case "text_delta": {
      const text = textAt(change, "text");
      const bytes = Buffer.byteLength(text);
      turn.meter.wrote(bytes);
      if (turn.isMuted) return;
      const block = blockOf(turn, message, blockIndex, "text");
      block.textBytes += bytes;
      block.text.push(text);
      turn.contentStreamed = true;
      out.push({ kind: "textDelta", text, messageIndex, blockIndex });
      return;
    }
    case "thinking_delta": {
      const thinking = textAt(change, "thinking");
      turn.meter.wrote(Buffer.byteLength(thinking));
      if (turn.wantsAll && !turn.isMuted) out.push({ kind: "thinkingDelta", thinking, messageIndex, blockIndex });
      return;
    }
    case "input_json_delta": {
      const partialJson = textAt(change, "partial_json");
      turn.meter.wrote(Buffer.byteLength(partialJson));
      if (turn.isMuted) return;
      blockOf(turn, message, blockIndex, "tool_use").partialJson.push(partialJson);
      if (turn.wantsAll) out.push({ kind: "toolInputDelta", partialJson, messageIndex, blockIndex });
      return;
    }
    case "signature_delta":
      if (turn.wantsAll) {
        out.push({ kind: "signatureDelta", signature: textAt(change, "signature"), messageIndex, blockIndex });
      }
      return;
    case "citations_delta":
      if (turn.wantsAll) {
        out.push({ kind: "citationDelta", citation: change.citation ?? null, messageIndex, blockIndex });
      }
      return;
    default:
      keepUnknown(turn, `stream_event/content_block_delta/${textAt(change, "type")}`, out);
  }
}

function messageStart(turn: MappedTurn, body: JsonObject, event: JsonObject, out: TurnEvent[]): void {
  const started = objectAt(event, "message");
  const usage = messageUsage(objectAt(started, "usage"));
  turn.meter.callBegan(usage);
  const message = turn.messages.begin(textAt(started, "id"), textAt(started, "model"), true);
  if (message.model !== "") turn.model = message.model;
  if (!turn.wantsAll) return;
  out.push({
    kind: "messageStart",
    messageIndex: message.index,
    messageId: message.id,
    model: message.model,
    usage,
    timeToFirstTokenMs: numberAt(body, "ttft_ms"),
  });
}

function blockStart(turn: MappedTurn, body: JsonObject, event: JsonObject, out: TurnEvent[]): void {
  const message = messageOf(turn, body);
  const content = objectAt(event, "content_block");
  const rawKind = textAt(content, "type");
  const toolUseId = rawKind.endsWith("tool_use") ? textAt(content, "id") : "";
  const blockIndex = blockIndexOf(event);
  turn.messages.beginBlock(message, blockIndex, rawKind, toolUseId);
  if (!turn.wantsAll) return;
  out.push({
    kind: "blockStart",
    messageIndex: message.index,
    blockIndex,
    blockKind: blockKindOf(rawKind),
    rawKind,
    toolUseId,
    toolName: toolUseId === "" ? "" : textAt(content, "name"),
  });
}

function messageDelta(turn: MappedTurn, body: JsonObject, event: JsonObject, out: TurnEvent[]): void {
  const message = messageOf(turn, body);
  const change = objectAt(event, "delta");
  const stopReason = textAt(change, "stop_reason");
  const usage = messageUsage(objectAt(event, "usage"));
  message.stopReason = stopReason;
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
  const tools = [...message.blocks.values()].filter(({ kind, isVoid }) => kind === "tool_use" && !isVoid);
  return tools.length === 0 || tools.some(({ toolUseId }) => turn.toolNames.get(toolUseId) !== "StructuredOutput");
}

function messageStop(turn: MappedTurn, body: JsonObject, out: TurnEvent[]): void {
  const message = messageOf(turn, body);
  if (isObject(body.abandoned_blocks)) {
    const abandoned = body.abandoned_blocks;
    const id = textAt(abandoned, "api_message_id");
    const target = (id === "" ? undefined : turn.messages.find(id)) ?? message;
    const from = Math.min(countAt(abandoned, "from_block_index"), 2 ** 31 - 1);
    const retraction = turn.messages.retract(target, from);
    if (retraction !== undefined) {
      if (from === 0) turn.meter.callLost();
      out.push(retracted(retraction, "streamBroken"));
    }
  }
  if (turn.wantsAll) out.push({ kind: "messageStop", messageIndex: message.index });
}

export function retracted(retraction: Retraction, cause: "streamBroken" | "refusal" | "unknown"): TurnEvent {
  const { message, fromBlockIndex, textBytes } = retraction;
  return { kind: "retracted", messageIndex: message.index, fromBlockIndex, messageId: message.id, textBytes, cause };
}

export function noteRefusal(turn: MappedTurn, details: JsonObject): void {
  if (details.type !== "refusal") return;
  turn.refusalCategory = textAt(details, "category");
  turn.refusalExplanation = textAt(details, "explanation");
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
