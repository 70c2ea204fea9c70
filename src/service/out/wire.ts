/**
 * A turn's responses as bytes, made once for all who read them.
 *
 * Most responses are short pieces of text: those are written by hand, at a fraction of what the general way costs, and come
 * out byte for byte the same.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { StreamChatResponseSchema } from "../../../gen/claude/runner/v1/runner_pb.ts";
import type { TurnEvent } from "../../turn-event.ts";
import { int32, timestamp } from "../protobuf.ts";
import type { Response } from "./responses.ts";

export type TextDelta = Extract<TurnEvent, { kind: "textDelta" }>;

/** What stands before every event of a turn. */
export interface Head {
  readonly sequence: number;
  /** In milliseconds since 1970. */
  readonly createdAtMs: number;
  readonly turnId: string;
}

/** A field's number and kind as they stand before it in the bytes. */
const varintTag = (number: number) => number << 3;
const bytesTag = (number: number) => (number << 3) | 2;

const tags = {
  sequence: varintTag(1),
  createTime: bytesTag(2),
  turnId: bytesTag(3),
  parentToolUseId: bytesTag(4),
  textDelta: bytesTag(5),
} as const;
const deltaTags = { text: bytesTag(1), blockIndex: varintTag(2), messageIndex: varintTag(3) } as const;

/** Makes the bytes of responses. One for each turn: it keeps what is the same in many events. */
export interface ResponseBytes {
  response(response: Response): Buffer;
  textDelta(head: Head, delta: TextDelta): Buffer;
}

export function responseBytes(turnId: string): ResponseBytes {
  const id = Buffer.from(turnId);
  const idField = Buffer.concat([Buffer.from([tags.turnId]), varint(id.length), id]);
  let createdAtMs = Number.NaN;
  let time: Buffer = Buffer.alloc(0);
  return {
    response: encode,
    textDelta(head, delta) {
      const { sequence, createdAtMs: nowMs } = head;
      const { text, blockIndex, messageIndex, parentToolUseId = "" } = delta;
      if (!isPlain(blockIndex) || !isPlain(messageIndex)) return encode(slowly(head, delta));
      if (nowMs !== createdAtMs) {
        createdAtMs = nowMs;
        time = timeField(nowMs);
      }
      const textBytes = Buffer.byteLength(text);
      const parentBytes = Buffer.byteLength(parentToolUseId);
      const deltaBytes =
        (textBytes === 0 ? 0 : 1 + varintBytes(textBytes) + textBytes) +
        (blockIndex === 0 ? 0 : 1 + varintBytes(blockIndex)) +
        (messageIndex === 0 ? 0 : 1 + varintBytes(messageIndex));
      const to = Buffer.allocUnsafe(
        1 +
          varintBytes(sequence) +
          time.length +
          idField.length +
          (parentBytes === 0 ? 0 : 1 + varintBytes(parentBytes) + parentBytes) +
          1 +
          varintBytes(deltaBytes) +
          deltaBytes,
      );
      let at = putVarint(to, putByte(to, 0, tags.sequence), sequence);
      at += time.copy(to, at);
      at += idField.copy(to, at);
      if (parentBytes > 0) at = putText(to, at, tags.parentToolUseId, parentToolUseId, parentBytes);
      at = putVarint(to, putByte(to, at, tags.textDelta), deltaBytes);
      if (textBytes > 0) at = putText(to, at, deltaTags.text, text, textBytes);
      if (blockIndex !== 0) at = putVarint(to, putByte(to, at, deltaTags.blockIndex), blockIndex);
      if (messageIndex !== 0) putVarint(to, putByte(to, at, deltaTags.messageIndex), messageIndex);
      return to;
    },
  };
}

function encode(response: Response): Buffer {
  const bytes = toBinary(StreamChatResponseSchema, create(StreamChatResponseSchema, response));
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength); // no copy
}

/** Whether a number can be written as it is. */
function isPlain(value: number): boolean {
  return value >= 0 && (value | 0) === value;
}

/** The numbers of a gateway that counts in its own way may be none that a field holds. */
function slowly(
  { sequence, createdAtMs, turnId }: Head,
  { text, blockIndex, messageIndex, parentToolUseId = "" }: TextDelta,
): Response {
  const value = { text, blockIndex: int32(blockIndex), messageIndex: int32(messageIndex) };
  const createTime = timestamp(createdAtMs);
  return { sequence, createTime, turnId, parentToolUseId, event: { case: "textDelta", value } };
}

/** How many bytes a number takes, from 0 to 2^31. */
function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) bytes += 1;
  return bytes;
}

function putByte(to: Buffer, at: number, byte: number): number {
  to[at] = byte;
  return at + 1;
}

function putVarint(to: Buffer, at: number, value: number): number {
  let rest = value;
  let next = at;
  while (rest > 0x7f) {
    to[next++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  to[next++] = rest;
  return next;
}

function putText(to: Buffer, at: number, tagByte: number, text: string, bytes: number): number {
  const from = putVarint(to, putByte(to, at, tagByte), bytes);
  return from + to.write(text, from, bytes, "utf8");
}

function varint(value: number): Buffer {
  const to = Buffer.alloc(varintBytes(value));
  putVarint(to, 0, value);
  return to;
}

/** `create_time`, which many events in a row share. Its seconds are beyond 31 bits some day: written the general way. */
function timeField(ms: number): Buffer {
  const { seconds, nanos } = timestamp(ms);
  const body = new BinaryWriter();
  if (seconds !== 0n) body.tag(1, 0).int64(seconds);
  if (nanos !== 0) body.tag(2, 0).int32(nanos);
  const bytes = body.finish();
  return Buffer.concat([Buffer.from([tags.createTime]), varint(bytes.length), bytes]);
}
