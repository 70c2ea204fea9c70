/**
 * What is seen of a turn's events, counted as the suite wants it told.
 */
import { toJson } from "@bufbuild/protobuf";
import { GapSchema, type StreamChatResponse, StreamChatResponseSchema, TurnResultSchema } from "../src/node.ts";

/** The kinds of events by their names in TypeScript, as the contract spells them. */
const protoNames = new Map(StreamChatResponseSchema.oneofs[0]?.fields.map(({ localName, name }) => [localName, name]));

export class SeenEvents {
  readonly #kinds: Record<string, number> = {};
  readonly #gaps: object[] = [];
  readonly #afterSequence: number;
  #firstKind = "";
  #lastKind = "";
  #lastSequence: number;
  #knownCount = 0;
  /** Heartbeats repeat a number, so they take none. */
  #heartbeatCount = 0;
  #isInOrder = true;
  #result: object | undefined;

  /** `afterSequence`: the event that the first one comes after. */
  constructor(afterSequence = 0) {
    this.#afterSequence = afterSequence;
    this.#lastSequence = afterSequence;
  }

  note({ sequence, event }: StreamChatResponse): void {
    const kind = protoNames.get(event.case ?? "") ?? "";
    this.#kinds[kind] = (this.#kinds[kind] ?? 0) + 1;
    this.#firstKind ||= kind;
    this.#lastKind = kind;
    this.#knownCount += 1;
    const isHeartbeat = event.case === "heartbeat";
    if (isHeartbeat) this.#heartbeatCount += 1;
    // The loop does not see unknown events, and the one before a heartbeat may be one.
    this.#isInOrder &&= isHeartbeat ? sequence >= this.#lastSequence : sequence > this.#lastSequence;
    this.#lastSequence = sequence;
    if (event.case === "gap") this.#gaps.push(toJson(GapSchema, event.value) as object);
    if (event.case === "result") this.#result = toJson(TurnResultSchema, event.value) as object;
  }

  answer(unknownCount: number) {
    const numberCount = this.#knownCount - this.#heartbeatCount;
    const lastNumber = this.#lastSequence - this.#afterSequence;
    return {
      kinds: this.#kinds,
      firstKind: this.#firstKind,
      lastKind: this.#lastKind,
      unknownCount,
      // Unknown events have the numbers that the loop misses. Of a turn that was cancelled some may be behind the last one.
      gapFree:
        this.#isInOrder &&
        this.#gaps.length === 0 &&
        lastNumber <= numberCount + unknownCount &&
        numberCount <= lastNumber,
      ...(this.#gaps.length > 0 && { gaps: this.#gaps }),
      eventCount: this.#knownCount + unknownCount,
      ...(this.#result !== undefined && { result: this.#result }),
    };
  }
}
