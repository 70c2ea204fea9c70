/**
 * Numbers and encodes the events of one turn, once: in their envelope, at the detail that the turn is recorded at, and at
 * full detail with the CLI's lines. What an event looks like is `proto-events.ts`.
 *
 * Keeps every event below 1 MiB: at most 256 KiB of text, 208 KiB of structure and 512 KiB of raw line in one.
 */
import type { Detail } from "../../turn.ts";
import type { TurnEvent, TurnEventBody } from "../../turn-event.ts";
import type { LastEvent } from "../../turns/live-turn.ts";
import { carriesLine, levels } from "../../turns/log/slab.ts";
import { sliceUtf8 } from "../../utf8.ts";
import { timestamp } from "../protobuf.ts";
import { toEvents } from "./proto-events.ts";
import type { Event, Response } from "./responses.ts";
import { maxSliceBytes } from "./slices.ts";
import { type ResponseBytes, responseBytes } from "./wire.ts";

const maxRawBytes = 512 * 1024;

/** Takes each event with its flags (`turns/log/slab.ts`), in order. */
export type WriteEvent = (flags: number, bytes: Buffer) => void;

export class EventEncoder {
  readonly #turn: { readonly id: string; readonly detail: Detail };
  readonly #bytes: ResponseBytes;
  readonly #wallNow: () => number;
  readonly #write: WriteEvent;
  #sequence = 0;

  /** `detail`: the fullest that anybody will be shown. */
  constructor(
    turn: { readonly id: string; readonly detail: Detail },
    { wallNow, write }: { readonly wallNow: () => number; readonly write: WriteEvent },
  ) {
    this.#turn = turn;
    this.#bytes = responseBytes(turn.id);
    this.#wallNow = wallNow;
    this.#write = write;
  }

  /** The number of the last event. */
  get lastSequence(): number {
    return this.#sequence;
  }

  /** An event that is made by the server, and shown to everybody, with the line of the CLI that it stands for. */
  own(event: Event, raw?: string): void {
    const response = this.#envelop(event);
    if (raw === undefined) this.#put(response, levels.text);
    else this.#putWithRaw([response], raw, levels.text);
  }

  /**
   * The last event. Its line goes before it as far as it does not fit, since nothing may come after it; the rest it carries
   * itself. Those before it are written at once; `make` is given the number of the last of them. The last event itself is
   * encoded, and written when `write` is called.
   */
  last(
    make: (lastSequence: number) => Event,
    raw: string | undefined,
  ): { readonly event: LastEvent; readonly write: () => void } {
    const pieces = raw === undefined ? [] : rawPieces(raw);
    for (const piece of pieces.slice(0, -1)) this.#putCarrier(piece);
    const response = this.#envelop(make(this.#sequence));
    const rest = pieces.at(-1);
    if (rest !== undefined) response.rawJson = rest;
    const { flags, bytes } = this.#encode(response, levels.text);
    return { event: { sequence: this.#sequence, flags, bytes }, write: () => this.#write(flags, bytes) };
  }

  /** Whatever readers at the turn's detail get of an event: nothing, one response, or several. */
  event(event: TurnEvent): void {
    // Nearly all events are short pieces of text.
    if (event.kind === "textDelta" && event.raw === undefined && event.text.length * 3 <= maxSliceBytes) {
      this.#sequence += 1;
      const head = { sequence: this.#sequence, createdAtMs: this.#wallNow(), turnId: this.#turn.id };
      this.#write(levels.text, this.#bytes.textDelta(head, event));
      return;
    }
    const level = levelOf(event);
    if (level > levels[this.#turn.detail]) return;
    const responses = toEvents(event).map((each) => this.#envelop(each, event.parentToolUseId));
    if (event.raw !== undefined) this.#putWithRaw(responses, event.raw, level, event.parentToolUseId);
    else for (const response of responses) this.#put(response, level);
  }

  #put(response: Response, level: number): void {
    const { flags, bytes } = this.#encode(response, level);
    this.#write(flags, bytes);
  }

  #encode(response: Response, level: number): { readonly flags: number; readonly bytes: Buffer } {
    const flags = response.rawJson === undefined ? level : level | carriesLine;
    return { flags, bytes: this.#bytes.response(response) };
  }

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
  #putWithRaw(responses: Response[], raw: string, level: number, parentToolUseId?: string): void {
    const [first, ...more] = rawPieces(raw);
    responses[0]!.rawJson = first;
    for (const response of responses) this.#put(response, level);
    for (const piece of more) this.#putCarrier(piece, parentToolUseId);
  }

  #putCarrier(piece: RawPiece, parentToolUseId?: string): void {
    const continuesRawJson = piece.offsetBytes > 0n;
    const response = this.#envelop({ case: "unknown", value: { kind: "raw_json", continuesRawJson } }, parentToolUseId);
    response.rawJson = piece;
    this.#put(response, levels.full);
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

/** The first detail at which an event is shown. */
function levelOf(event: TurnEventBody): number {
  if (event.kind === "textDelta" || event.kind === "retracted") return levels.text;
  return event.kind === "unknown" && event.internal ? levels.full : levels.standard;
}
