/**
 * How much may be held: by one worker, and by all of them together.
 *
 * Roots may go beyond what is left to the others: without its root a turn has no spans at all.
 */
import { type CliSpan, isInteraction } from "./cli-span.ts";

export interface SpanLimits {
  readonly maxSpans: number;
  readonly maxBytes: number;
}

/** What is kept free for roots. */
const reservedShare = 1 / 8;

export class SpanAllowance {
  readonly #limits: SpanLimits;
  readonly #whole: SpanAllowance | undefined;
  #spans = 0;
  #bytes = 0;

  /** `whole` is the allowance that this one is a part of. */
  constructor(limits: SpanLimits, whole?: SpanAllowance) {
    this.#limits = limits;
    this.#whole = whole;
  }

  /** Makes room for a span. False: there is none. */
  take(span: CliSpan): boolean {
    if (!this.#hasRoom(span)) return false;
    if (this.#whole?.take(span) === false) return false;
    this.#spans += 1;
    this.#bytes += span.sizeBytes;
    return true;
  }

  /** Gives back the room of a span that was taken. */
  give(span: CliSpan): void {
    this.#spans -= 1;
    this.#bytes -= span.sizeBytes;
    this.#whole?.give(span);
  }

  #hasRoom(span: CliSpan): boolean {
    const share = isInteraction(span) ? 1 : 1 - reservedShare;
    const { maxSpans, maxBytes } = this.#limits;
    return this.#spans < maxSpans * share && this.#bytes + span.sizeBytes <= maxBytes * share;
  }
}
