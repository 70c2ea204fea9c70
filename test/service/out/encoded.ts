/**
 * What a turn's encoder writes, read again as messages: as any reader of the turn's log gets it.
 */
import { fromBinary } from "@bufbuild/protobuf";
import { type StreamChatResponse, StreamChatResponseSchema } from "../../../gen/claude/runner/v1/runner_pb.ts";
import { EventEncoder } from "../../../src/service/out/event-encoder.ts";
import type { Event } from "../../../src/service/out/responses.ts";
import type { Detail } from "../../../src/turn.ts";
import type { TurnEvent } from "../../../src/turn-event.ts";

export class Encoded {
  readonly #written: Buffer[] = [];
  readonly #encoder: EventEncoder;

  constructor(detail: Detail = "standard") {
    this.#encoder = new EventEncoder(
      { id: "00000000-0000-4000-8000-000000000001", detail },
      { wallNow: () => 1_700_000_000_123, write: (_flags, bytes) => this.#written.push(bytes) },
    );
  }

  get lastSequence(): number {
    return this.#encoder.lastSequence;
  }

  /** What comes of an event. */
  responses(event: TurnEvent): StreamChatResponse[] {
    this.#encoder.event(event);
    return this.#taken();
  }

  /** What comes of an event that the server makes. */
  own(event: Event): StreamChatResponse[] {
    this.#encoder.own(event);
    return this.#taken();
  }

  #taken(): StreamChatResponse[] {
    return this.#written.splice(0).map((bytes) => fromBinary(StreamChatResponseSchema, bytes));
  }
}
