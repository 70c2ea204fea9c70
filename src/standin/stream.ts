/**
 * An answer of the model as bytes: the events of a stream, or one JSON document.
 *
 * What is between the first and the last events is the same for every request that gets the answer. It is made once
 * and kept with it, so that serving a long answer costs one write. Knows no sockets and no time.
 */
import { randomUUID } from "node:crypto";
import type { Json } from "../json-value.ts";
import type { Block, MessageAnswer, TextBlock } from "./scenario.ts";

/** What one answer adds to what its scenario says. */
export interface AnswerFacts {
  readonly messageId: string;
  readonly model: string;
  /** The size of the request, for the estimate of its tokens. */
  readonly requestBytes: number;
}

/** An event between the first and the last one. A pause goes before a delta, a break after one or after a blockStop. */
export interface Frame {
  readonly kind: "blockStart" | "delta" | "blockStop";
  readonly text: string;
}

export function newId(prefix: string): string {
  return `${prefix}_${randomUUID().replaceAll("-", "").slice(0, 24)}`;
}

/** One server-sent event of the Messages API. */
export function sse(type: string, members: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...members })}\n\n`;
}

export const pingEvent = sse("ping", {});

/** The first event. */
export function firstEvent(answer: MessageAnswer, facts: AnswerFacts): string {
  return sse("message_start", { message: { ...envelope(answer, facts, 1), content: [], stop_reason: null } });
}

/** The last two events. */
export function lastEvents(answer: MessageAnswer, facts: AnswerFacts): string {
  const delta = {
    stop_reason: answer.stopReason,
    stop_sequence: answer.stopSequence ?? null,
    ...(answer.stopDetails && { stop_details: answer.stopDetails }),
  };
  return (
    sse("message_delta", { delta, usage: usageOf(answer, facts, finalOutputTokens(answer)) }) + sse("message_stop", {})
  );
}

const framesKept = new WeakMap<MessageAnswer, readonly Frame[]>();
const bytesKept = new WeakMap<MessageAnswer, Buffer>();

/** Everything between the first and the last events, event by event. */
export function framesOf(answer: MessageAnswer): readonly Frame[] {
  const kept = framesKept.get(answer);
  if (kept !== undefined) return kept;
  const frames = [...eachFrame(answer)];
  if (isSameForAll(answer)) framesKept.set(answer, frames);
  return frames;
}

/** Everything between the first and the last events, in one piece. */
export function bytesOf(answer: MessageAnswer): Buffer {
  const kept = bytesKept.get(answer);
  if (kept !== undefined) return kept;
  const texts: string[] = [];
  for (const frame of eachFrame(answer)) texts.push(frame.text);
  const bytes = Buffer.from(texts.join(""));
  if (isSameForAll(answer)) bytesKept.set(answer, bytes);
  return bytes;
}

/** The whole answer as one JSON document, for a request that does not stream. */
export function wholeMessage(answer: MessageAnswer, facts: AnswerFacts): string {
  return JSON.stringify({
    ...envelope(answer, facts, finalOutputTokens(answer)),
    content: answer.blocks.map(wholeBlock),
    stop_reason: answer.stopReason,
    stop_sequence: answer.stopSequence ?? null,
    ...(answer.stopDetails && { stop_details: answer.stopDetails }),
  });
}

/** The text of a block, whether written out or a load. */
export function textOf(block: TextBlock): string {
  return block.load === undefined ? block.text : loadPieces(block.load).join("");
}

/** Cuts a text where a model would: after every second or third word. Nothing is lost. */
export function cutIntoWords(text: string): readonly string[] {
  return text.match(/(?:\s*\S+){1,3}\s*?(?=\s|$)|\s+$/gu) ?? (text === "" ? [] : [text]);
}

function* eachFrame(answer: MessageAnswer): Generator<Frame> {
  for (const [index, block] of answer.blocks.entries()) {
    yield { kind: "blockStart", text: sse("content_block_start", { index, content_block: emptyBlock(block) }) };
    for (const delta of deltasOf(block)) {
      yield { kind: "delta", text: sse("content_block_delta", { index, delta }) };
    }
    yield { kind: "blockStop", text: sse("content_block_stop", { index }) };
  }
}

/** A new tool use needs a new id, so such an answer is made anew each time. */
function isSameForAll(answer: MessageAnswer): boolean {
  return answer.blocks.every((block) => block.type !== "tool_use" || block.id !== undefined);
}

function emptyBlock(block: Block): object {
  switch (block.type) {
    case "text":
      return { type: "text", text: "" };
    case "thinking":
      return { type: "thinking", thinking: "", signature: "" };
    case "redacted_thinking":
      return { type: "redacted_thinking", data: block.data };
    case "tool_use":
      return { type: "tool_use", id: block.id ?? newId("toolu"), name: block.name, input: {} };
    case "other":
      return block.contentBlock;
    default:
      return block satisfies never;
  }
}

function* deltasOf(block: Block): Generator<object> {
  switch (block.type) {
    case "text":
      for (const text of block.load === undefined ? cut(block.text, block.deltas) : loadPieces(block.load)) {
        yield { type: "text_delta", text };
      }
      for (const citation of block.citations ?? []) yield { type: "citations_delta", citation };
      return;
    case "thinking":
      for (const thinking of cut(block.thinking, block.deltas)) {
        const estimate = block.estimatedTokensPerDelta;
        yield { type: "thinking_delta", thinking, ...(estimate !== undefined && { estimated_tokens: estimate }) };
      }
      yield { type: "signature_delta", signature: block.signature };
      return;
    case "redacted_thinking":
      return;
    case "tool_use":
      for (const partial of cut(inputJsonOf(block), block.deltas ?? 24)) {
        yield { type: "input_json_delta", partial_json: partial };
      }
      return;
    case "other":
      yield* block.deltas;
      return;
    default:
      block satisfies never;
  }
}

function wholeBlock(block: Block): object {
  switch (block.type) {
    case "text":
      return { type: "text", text: textOf(block), ...(block.citations && { citations: block.citations }) };
    case "thinking":
      return { type: "thinking", thinking: block.thinking, signature: block.signature };
    case "redacted_thinking":
      return { type: "redacted_thinking", data: block.data };
    case "tool_use":
      return { type: "tool_use", id: block.id ?? newId("toolu"), name: block.name, input: block.input };
    case "other":
      return block.contentBlock;
    default:
      return block satisfies never;
  }
}

function inputJsonOf(block: Block & { type: "tool_use" }): string {
  return block.inputJson ?? JSON.stringify(block.input);
}

function cut(text: string, pieces: number | readonly string[] | undefined): readonly string[] {
  if (pieces === undefined) return cutIntoWords(text);
  if (typeof pieces !== "number") return pieces;
  const characters = Array.from(text);
  const cuts: string[] = [];
  for (let at = 0; at < characters.length; at += pieces) cuts.push(characters.slice(at, at + pieces).join(""));
  return cuts;
}

/** Pieces that can be told apart, so that one which is lost or doubled shows. */
function loadPieces(load: NonNullable<TextBlock["load"]>): readonly string[] {
  return Array.from({ length: load.deltaCount }, (_, index) =>
    `${index} `.padEnd(load.deltaChars, "lorem ipsum dolor sit amet ").slice(-Math.max(load.deltaChars, 1)),
  );
}

function envelope(answer: MessageAnswer, facts: AnswerFacts, outputTokens: number): object {
  return {
    id: facts.messageId,
    type: "message",
    role: "assistant",
    model: facts.model,
    content: [] as readonly Json[],
    stop_reason: null,
    stop_sequence: null,
    usage: usageOf(answer, facts, outputTokens),
  };
}

function usageOf(answer: MessageAnswer, facts: AnswerFacts, outputTokens: number): object {
  const written = answer.usage.cacheCreationInputTokens ?? 0;
  return {
    input_tokens: answer.usage.inputTokens ?? estimateTokens(facts.requestBytes),
    cache_creation_input_tokens: written,
    cache_read_input_tokens: answer.usage.cacheReadInputTokens ?? 0,
    output_tokens: outputTokens,
    cache_creation: { ephemeral_5m_input_tokens: written, ephemeral_1h_input_tokens: 0 },
    service_tier: "standard",
  };
}

function finalOutputTokens(answer: MessageAnswer): number {
  return answer.usage.outputTokens ?? answer.blocks.reduce((sum, block) => sum + outputTokensOf(block), 1);
}

function outputTokensOf(block: Block): number {
  switch (block.type) {
    case "text":
      return estimateTokens(
        block.load === undefined ? block.text.length : block.load.deltaCount * block.load.deltaChars,
      );
    case "thinking":
      return estimateTokens(block.thinking.length);
    case "tool_use":
      return estimateTokens(inputJsonOf(block).length);
    default:
      return 0;
  }
}

/** About four characters to a token, as in English. */
export function estimateTokens(characters: number): number {
  return Math.ceil(characters / 4);
}
