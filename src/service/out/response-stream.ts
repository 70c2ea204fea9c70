/**
 * The stream of one turn: numbers the events, puts them into their envelope, and at full detail hangs the CLI's lines on
 * them. What an event looks like is `events.ts`.
 *
 * Keeps every event below 1 MiB: at most 256 KiB of text, 208 KiB of structure and 512 KiB of raw line in one.
 */
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { StreamChatResponse } from "../../../gen/claude/runner/v1/runner_pb.ts";
import type { Detail, Turn } from "../../turn.ts";
import type { TurnEvent, TurnEventBody } from "../../turn-event.ts";
import { timestamp } from "../protobuf.ts";
import { toEvents } from "./proto-events.ts";
import type { Event, Response } from "./responses.ts";
import { maxSliceBytes, sliceUtf8 } from "./slices.ts";

const maxRawBytes = 512 * 1024;

/** Numbers the events of one turn and puts them into their envelope. */
export class EventStream {
  readonly #turn: Turn;
  readonly #wallNow: () => number;
  #sequence = 0;
  #createTime = timestamp(0);
  #createTimeMs = 0;

  constructor(turn: Turn, wallNow: () => number) {
    this.#turn = turn;
    this.#wallNow = wallNow;
  }

  /** The sequence of the last event. */
  get lastSequence(): number {
    return this.#sequence;
  }

  /** One event in its envelope. */
  envelop(event: Event, parentToolUseId?: string): Response {
    this.#sequence += 1;
    return {
      sequence: this.#sequence,
      createTime: this.#now(),
      turnId: this.#turn.id,
      parentToolUseId: parentToolUseId ?? "",
      event,
    };
  }

  /** What a caller gets of an event at the detail that it asked for: nothing, one response, or several. */
  responses(event: TurnEvent): Response[] {
    if (event.kind === "textDelta" && event.raw === undefined && event.text.length * 3 <= maxSliceBytes) {
      return [this.#textDelta(event)];
    }
    if (!isWanted(event, this.#turn.detail)) return [];
    const events = toEvents(event);
    const responses = events.map((each) => this.envelop(each, event.parentToolUseId));
    return event.raw === undefined ? responses : this.withRaw(responses, event.raw, event.parentToolUseId);
  }

  /** Puts a line on the first response; what does not fit follows on `unknown` events. */
  withRaw(responses: Response[], raw: string, parentToolUseId?: string): Response[] {
    const [first, ...more] = rawPieces(raw);
    responses[0]!.rawJson = first;
    return [...responses, ...more.map((piece) => this.#carrier(piece, parentToolUseId))];
  }

  /** What of the last event's line has to go in front of it, since nothing may come behind; it carries the rest itself. */
  beforeLast(raw: string): { readonly responses: Response[]; readonly rest: RawPiece } {
    const pieces = rawPieces(raw);
    return { responses: pieces.slice(0, -1).map((piece) => this.#carrier(piece)), rest: pieces.at(-1)! };
  }

  /** Nearly all events are short pieces of text: made as the finished message, which nobody has to build from parts. */
  #textDelta({ text, blockIndex, messageIndex, parentToolUseId = "" }: Extract<TurnEvent, { kind: "textDelta" }>) {
    this.#sequence += 1;
    return {
      $typeName: "claude.runner.v1.StreamChatResponse",
      sequence: this.#sequence,
      createTime: this.#now(),
      turnId: this.#turn.id,
      parentToolUseId,
      event: {
        case: "textDelta",
        value: { $typeName: "claude.runner.v1.TextDelta", text, blockIndex, messageIndex },
      },
    } satisfies StreamChatResponse;
  }

  /** Many events share a millisecond, and so their timestamp. */
  #now(): Timestamp {
    const nowMs = this.#wallNow();
    if (nowMs !== this.#createTimeMs) {
      this.#createTimeMs = nowMs;
      this.#createTime = timestamp(nowMs);
    }
    return this.#createTime;
  }

  #carrier(piece: RawPiece, parentToolUseId?: string): Response {
    const continuesRawJson = piece.offsetBytes > 0n;
    const response = this.envelop({ case: "unknown", value: { kind: "raw_json", continuesRawJson } }, parentToolUseId);
    response.rawJson = piece;
    return response;
  }
}

export interface RawPiece {
  readonly json: string;
  readonly offsetBytes: bigint;
  readonly totalBytes: bigint;
}

/** A line in pieces that fit into an event; at least one. */
function rawPieces(raw: string): RawPiece[] {
  const totalBytes = BigInt(Buffer.byteLength(raw));
  let offsetBytes = 0n;
  return sliceUtf8(raw, maxRawBytes).map((json) => {
    const piece = { json, offsetBytes, totalBytes };
    offsetBytes += BigInt(Buffer.byteLength(json));
    return piece;
  });
}

function isWanted(event: TurnEventBody, detail: Detail): boolean {
  if (detail === "full") return true;
  if (event.kind === "unknown" && event.internal) return false;
  return detail === "standard" || event.kind === "textDelta" || event.kind === "retracted";
}
