/**
 * The stream of one turn: numbers the events, puts them into their envelope, and at full detail hangs the CLI's lines on
 * them. What an event looks like is `events.ts`.
 *
 * Keeps every event below 1 MiB: at most 256 KiB of text, 208 KiB of structure and 512 KiB of raw line in one.
 */
import type { Detail, Turn } from "../../turn.ts";
import type { TurnEvent, TurnEventBody } from "../../turn-event.ts";
import { sliceUtf8 } from "../../utf8.ts";
import { timestamp } from "../protobuf.ts";
import { toEvents } from "./proto-events.ts";
import type { Event, Response } from "./responses.ts";
import { maxSliceBytes } from "./slices.ts";
import type { Wire } from "./wire.ts";

const maxRawBytes = 512 * 1024;

/** Numbers the events of one turn and puts them into their envelope. `R`: the form in which they are handed on. */
export class ResponseStream<R> {
  readonly #turn: Turn;
  readonly #wire: Wire<R>;
  readonly #wallNow: () => number;
  #sequence = 0;

  constructor(turn: Turn, wire: Wire<R>, wallNow: () => number) {
    this.#turn = turn;
    this.#wire = wire;
    this.#wallNow = wallNow;
  }

  /** The sequence of the last event. */
  get lastSequence(): number {
    return this.#sequence;
  }

  /** One event, on its own. */
  one(event: Event): R {
    return this.#wire.response(this.#envelop(event));
  }

  /** An event that is made by the server, with the line of the CLI that it stands for: as many responses as that takes. */
  withLine(event: Event, raw: string): R[] {
    return this.#withRaw([this.#envelop(event)], raw).map(this.#finish);
  }

  /**
   * The last event. Its line goes before it as far as it does not fit, since nothing may come after it; the rest it carries
   * itself. `make` is called when its number is known.
   */
  last(make: (lastSequence: number) => Event, raw: string | undefined): R[] {
    const pieces = raw === undefined ? [] : rawPieces(raw);
    const before = pieces.slice(0, -1).map((piece) => this.#carrier(piece));
    const response = this.#envelop(make(this.#sequence));
    const rest = pieces.at(-1);
    if (rest !== undefined) response.rawJson = rest;
    return [...before, response].map(this.#finish);
  }

  /** What a caller gets of an event at the detail that it asked for: nothing, one response, or several. */
  responses(event: TurnEvent): R[] {
    // Nearly all events are short pieces of text.
    if (event.kind === "textDelta" && event.raw === undefined && event.text.length * 3 <= maxSliceBytes) {
      this.#sequence += 1;
      const head = { sequence: this.#sequence, createdAtMs: this.#wallNow(), turnId: this.#turn.id };
      return [this.#wire.textDelta(head, event)];
    }
    if (!isWanted(event, this.#turn.detail)) return [];
    const events = toEvents(event);
    const responses = events.map((each) => this.#envelop(each, event.parentToolUseId));
    const all = event.raw === undefined ? responses : this.#withRaw(responses, event.raw, event.parentToolUseId);
    return all.map(this.#finish);
  }

  readonly #finish = (response: Response): R => this.#wire.response(response);

  #envelop(event: Event, parentToolUseId?: string): Response {
    this.#sequence += 1;
    return {
      sequence: this.#sequence,
      createTime: timestamp(this.#wallNow()),
      turnId: this.#turn.id,
      parentToolUseId: parentToolUseId ?? "",
      event,
    };
  }

  /** Puts a line on the first response; what does not fit follows on `unknown` events. */
  #withRaw(responses: Response[], raw: string, parentToolUseId?: string): Response[] {
    const [first, ...more] = rawPieces(raw);
    responses[0]!.rawJson = first;
    return [...responses, ...more.map((piece) => this.#carrier(piece, parentToolUseId))];
  }

  #carrier(piece: RawPiece, parentToolUseId?: string): Response {
    const continuesRawJson = piece.offsetBytes > 0n;
    const response = this.#envelop({ case: "unknown", value: { kind: "raw_json", continuesRawJson } }, parentToolUseId);
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
