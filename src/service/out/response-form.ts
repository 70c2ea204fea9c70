/**
 * The forms in which a turn's responses leave the service: as the bytes that they were encoded to, or as messages for a
 * listener whose protocol may be JSON. And at less detail than they were recorded at.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type StreamChatResponse, StreamChatResponseSchema } from "../../../gen/claude/runner/v1/runner_pb.ts";
import type { Detail } from "../../turn.ts";
import { carriesLine, levelMask, levels } from "../../turns/log/slab.ts";
import { timestamp } from "../protobuf.ts";
import type { Event } from "./responses.ts";

/** What stands before an event that is made for one reader. */
export interface OwnHead {
  readonly sequence: number;
  readonly turnId: string;
  /** In milliseconds since 1970. */
  readonly atWallMs: number;
}

export interface ResponseForm<R> {
  /** `undefined`: this caller is not shown it. */
  event(bytes: Buffer, flags: number): R | undefined;
  /** An event that is not the turn's: a heartbeat, or what stands for events that are gone. */
  own(head: OwnHead, event: Event): R;
}

export function asBytes(detail: Detail): ResponseForm<Buffer> {
  return {
    event(bytes, flags) {
      if (isHidden(flags, detail)) return undefined;
      return hasLineToHide(flags, detail) ? encode(withoutLine(bytes)) : bytes;
    },
    own: (head, event) => encode(envelop(head, event)),
  };
}

export function asMessages(detail: Detail): ResponseForm<StreamChatResponse> {
  return {
    event(bytes, flags) {
      if (isHidden(flags, detail)) return undefined;
      return hasLineToHide(flags, detail) ? withoutLine(bytes) : fromBinary(StreamChatResponseSchema, bytes);
    },
    own: envelop,
  };
}

const isHidden = (flags: number, detail: Detail) => (flags & levelMask) > levels[detail];
const hasLineToHide = (flags: number, detail: Detail) => (flags & carriesLine) !== 0 && detail !== "full";

/** What full detail alone shows is of a size that nobody else expects. */
function withoutLine(bytes: Buffer): StreamChatResponse {
  const response = fromBinary(StreamChatResponseSchema, bytes);
  delete response.rawJson;
  return response;
}

function envelop({ sequence, turnId, atWallMs }: OwnHead, event: Event): StreamChatResponse {
  return create(StreamChatResponseSchema, { sequence, turnId, createTime: timestamp(atWallMs), event });
}

function encode(response: StreamChatResponse): Buffer {
  const bytes = toBinary(StreamChatResponseSchema, response);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength); // no copy
}
