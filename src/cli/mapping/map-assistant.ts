/**
 * `assistant` lines: whole blocks of the model, whole messages that were not streamed, and what the CLI says itself.
 *
 * A message that came without a stream, because the CLI fell back to a request that does not, is passed on as if it had
 * been streamed: so the text of a turn always is its deltas.
 */
import { type Json, jsonText } from "../../json-value.ts";
import type { TurnEvent } from "../../turn-event.ts";
import { isSynthetic } from "../protocol/host-paths.ts";
import {
  flagAt,
  isObject,
  type JsonObject,
  numberAt,
  objectAt,
  objectsAt,
  textAt,
  textsAt,
} from "../protocol/json-members.ts";
import { idOf, reportSentence, wordOf } from "../upstream/failure-sentence.ts";
import { reportsFailure } from "../upstream/upstream-words.ts";
import { messageUsage } from "./cli-usage.ts";
import { blockKindOf, noteRefusal } from "./map-stream.ts";
import { type MappedTurn, parentOf, withParent } from "./mapped-turn.ts";
import type { BlockRecord, MessageRecord } from "./message-records.ts";
import { beginMessage, endBlock, endMessage, pass, pushRetracted } from "./model-output.ts";
import type { ReportedFailure } from "./turn-notes.ts";

export function mapAssistant(turn: MappedTurn, body: JsonObject, out: TurnEvent[]): void {
  for (const retraction of turn.messages.retractLines(textsAt(body, "supersedes"))) {
    pushRetracted(turn, retraction, "refusal", out);
  }
  if (isSynthetic(body)) synthetic(turn, body, out);
  else if (parentOf(body) !== "") ofSubAgent(turn, body, out);
  else ofMainConversation(turn, body, out);
}

/** The CLI speaks itself, mostly to report an error. */
function synthetic(turn: MappedTurn, body: JsonObject, out: TurnEvent[]): void {
  const message = objectAt(body, "message");
  const parent = parentOf(body);
  let texts: readonly string[] = objectsAt(message, "content").map((block) => turn.paths.text(textAt(block, "text")));
  const details = objectAt(message, "stop_details");
  if (parent === "") {
    noteRefusal(turn, details);
    turn.held.addOwnWords();
  }
  const error = wordOf(textAt(body, "error"));
  if (reportsFailure(body)) {
    const failure = reportedFailure(turn, body, texts.join("\n"));
    if (parent === "") turn.notes.failed(failure);
    texts = [turn.told(failure.text, failure.sentence)];
  }
  if (!turn.wantsAll) return;
  const messageIndex = turn.messages.takeIndex();
  const messageId = textAt(message, "id");
  for (const text of texts) {
    const block = { kind: "text", text } as const;
    const model = textAt(message, "model");
    out.push(
      withParent(
        { kind: "assistantBlock", messageIndex, messageId, model, block, synthetic: true, aborted: false, error },
        parent,
      ),
    );
  }
}

function reportedFailure(turn: MappedTurn, body: JsonObject, text: string): ReportedFailure {
  const message = objectAt(body, "message");
  const details = objectAt(message, "stop_details");
  const failure = {
    text,
    cliError: wordOf(textAt(body, "error")),
    httpStatus: numberAt(body, "api_error_status"),
    apiError: wordOf(textAt(body, "api_error")),
    apiErrorType: wordOf(textAt(body, "api_error_type")),
    apiErrorParams: objectAt(body, "api_error_params"),
    requestId: idOf(textAt(body, "request_id")),
    stopReason: textAt(message, "stop_reason"),
    refusalCategory: textAt(details, "category"),
    refusalExplanation: textAt(details, "explanation"),
  };
  return { ...failure, sentence: reportSentence(failure, turn.notes.retryCount + 1, turn.notes.model) };
}

function ofSubAgent(turn: MappedTurn, body: JsonObject, out: TurnEvent[]): void {
  const line = objectAt(body, "message");
  const message = turn.messages.ofSubAgent(parentOf(body), textAt(line, "id"), textAt(line, "model"));
  for (const content of objectsAt(line, "content")) {
    turn.meter.reported();
    if (turn.meter.hasTooManyEvents) break;
    turn.meter.wrote(writtenBytes(content));
    pushWhole(turn, body, message, content, undefined, out);
  }
  turn.meter.costGrew();
}

function ofMainConversation(turn: MappedTurn, body: JsonObject, out: TurnEvent[]): void {
  const line = objectAt(body, "message");
  const known = turn.messages.find(textAt(line, "id"));
  const message = known === undefined || known.isOver ? beginWithoutStream(turn, line, out) : known;
  const lineUuid = textAt(body, "uuid");
  for (const content of objectsAt(line, "content")) {
    turn.meter.reported();
    if (turn.meter.hasTooManyEvents) break;
    const kind = textAt(content, "type");
    const toolUseId = kind.endsWith("tool_use") ? textAt(content, "id") : "";
    if (toolUseId !== "") turn.toolNames.set(toolUseId, textAt(content, "name"));
    const comesWhole = !message.isStreamed;
    const block = comesWhole
      ? streamWhole(turn, message, content, kind, toolUseId, out)
      : turn.messages.completes(message, kind, toolUseId, lineUuid);
    if (block !== undefined) endBlock(turn, message, block, out);
    if (block !== undefined && comesWhole) turn.messages.note(lineUuid, message, block.index);
    // A streamed block has a line of its own, and which block that was may turn out to be another.
    turn.held.add(message.index, content, () => (comesWhole ? block?.isVoid === true : turn.messages.isVoid(lineUuid)));
    pushWhole(turn, body, message, content, block, out);
    if (comesWhole && block !== undefined && turn.wantsAll) {
      out.push({ kind: "blockStop", messageIndex: message.index, blockIndex: block.index });
    }
  }
  if (!message.isStreamed) endWithoutStream(turn, line, message);
}

function beginWithoutStream(turn: MappedTurn, line: JsonObject, out: TurnEvent[]): MessageRecord {
  const usage = messageUsage(objectAt(line, "usage"));
  turn.meter.callBegan(usage);
  const message = beginMessage(turn, textAt(line, "id"), textAt(line, "model"), false, out);
  if (turn.wantsAll) {
    out.push({
      kind: "messageStart",
      messageIndex: message.index,
      messageId: message.id,
      model: message.model,
      usage,
      timeToFirstTokenMs: undefined,
    });
  }
  return message;
}

/** What the stream would have said about a block that came whole. */
function streamWhole(
  turn: MappedTurn,
  message: MessageRecord,
  content: JsonObject,
  rawKind: string,
  toolUseId: string,
  out: TurnEvent[],
): BlockRecord {
  const block = turn.messages.beginBlock(message, message.blocks.length, rawKind, toolUseId);
  const at = { messageIndex: message.index, blockIndex: block.index };
  if (turn.wantsAll) {
    const toolName = toolUseId === "" ? "" : textAt(content, "name");
    out.push({ kind: "blockStart", ...at, blockKind: blockKindOf(rawKind), rawKind, toolUseId, toolName });
  }
  if (rawKind === "text") pass(turn, message, block, "text", textAt(content, "text"), out);
  else if (rawKind === "thinking") pass(turn, message, block, "thinking", textAt(content, "thinking"), out);
  else turn.meter.wrote(writtenBytes(content));
  block.isWhole = true;
  return block;
}

/** Each line of a message says how it ended; more of them may follow. */
function endWithoutStream(turn: MappedTurn, line: JsonObject, message: MessageRecord): void {
  const stopReason = textAt(line, "stop_reason");
  if (stopReason === "" || message.unsaidEnd !== undefined) return;
  message.stopReason = stopReason;
  message.unsaidEnd = line;
  if (stopReason === "tool_use") turn.meter.callFollows();
  noteRefusal(turn, objectAt(line, "stop_details"));
}

/** A message without a stream is over when something else comes. */
export function endMessageWithoutStream(turn: MappedTurn, out: TurnEvent[]): void {
  const message = turn.messages.current;
  if (message === undefined || message.isStreamed || message.isOver) return;
  endMessage(turn, message, out);
  const line = message.unsaidEnd;
  if (line === undefined || !turn.wantsAll) return;
  const { index: messageIndex, stopReason } = message;
  const details = objectAt(line, "stop_details");
  out.push({
    kind: "messageDelta",
    messageIndex,
    stopReason,
    stopSequence: textAt(line, "stop_sequence"),
    usage: messageUsage(objectAt(line, "usage")),
    refusalCategory: textAt(details, "category"),
    refusalExplanation: textAt(details, "explanation"),
  });
  out.push({ kind: "messageStop", messageIndex });
}

/** The block itself, as `toolUse` or `assistantBlock`. */
function pushWhole(
  turn: MappedTurn,
  body: JsonObject,
  message: MessageRecord,
  content: JsonObject,
  streamed: BlockRecord | undefined,
  out: TurnEvent[],
): void {
  if (turn.isMuted) return;
  const parent = parentOf(body);
  const messageIndex = message.index;
  if (content.type === "tool_use") {
    const toolUseId = textAt(content, "id");
    const toolName = textAt(content, "name");
    turn.toolNames.set(toolUseId, toolName);
    turn.notes.passedOn();
    const told = content.input ?? {};
    const unparsable = isObject(told) && "__unparsedToolInput" in told;
    const exact = streamed?.partialJson.join("") ?? "";
    if (streamed !== undefined) streamed.partialJson = [];
    if (toolName === "StructuredOutput" && parent === "") turn.notes.structuredInput(exact);
    if (!turn.wantsAll) return;
    const inputJson = exact !== "" ? exact : unparsable ? unparsedText(told) : jsonText(told);
    // What the model wrote: the CLI's own account of the input has its defaults filled in.
    const input = unparsable ? {} : exact === "" ? told : (parsed(exact) ?? told);
    out.push(withParent({ kind: "toolUse", toolUseId, toolName, input, inputJson, messageIndex, unparsable }, parent));
    return;
  }
  if (!turn.wantsAll) return;
  out.push(
    withParent(
      {
        kind: "assistantBlock",
        messageIndex,
        messageId: message.id,
        model: message.model,
        block: wholeBlock(content),
        synthetic: false,
        aborted: flagAt(body, "aborted"),
        error: textAt(body, "error"),
      },
      parent,
    ),
  );
}

function parsed(json: string): Json | undefined {
  try {
    return JSON.parse(json) as Json;
  } catch {
    return undefined; // Cut off by an interrupt, for instance.
  }
}

function unparsedText(input: JsonObject): string {
  return textAt(objectAt(input, "__unparsedToolInput"), "raw");
}

function wholeBlock(content: JsonObject): Extract<TurnEvent, { kind: "assistantBlock" }>["block"] {
  switch (content.type) {
    case "text":
      return { kind: "text", text: textAt(content, "text") };
    case "thinking":
      return {
        kind: "thinking",
        thinking: textAt(content, "thinking"),
        signature: textAt(content, "signature"),
        redactedData: "",
      };
    case "redacted_thinking":
      return { kind: "thinking", thinking: "", signature: "", redactedData: textAt(content, "data") };
    default:
      return { kind: "other", value: content as Json };
  }
}

/** What a whole block counts as output of the model. */
function writtenBytes(content: JsonObject): number {
  switch (content.type) {
    case "text":
      return Buffer.byteLength(textAt(content, "text"));
    case "thinking":
      return Buffer.byteLength(textAt(content, "thinking"));
    case "tool_use":
      return Buffer.byteLength(jsonText(content.input ?? {}));
    default:
      return 0;
  }
}
