/**
 * One turn in the store, from its acceptance to its end: what `turns/live-turn.ts` writes it down in.
 *
 * A turn that can be found again has its end in the store before anybody is told it; of any other the end is written while
 * its caller is told. What the store does not take at the end is the store's to try again: the turn itself is not kept by it.
 */
import type { Clock } from "../clock.ts";
import { isRunnerError } from "../runner-error.ts";
import type {
  ContentPart,
  EndingInSession,
  EventRun,
  RecordedError,
  Store,
  TranscriptState,
  TurnEnding,
  TurnLease,
} from "../store/store.ts";
import type { Log } from "../telemetry/log.ts";
import type { TurnEnd } from "../turn-end.ts";
import type { LastEvent, TurnBook } from "../turns/live-turn.ts";
import { noUsage } from "../usage.ts";

/** Numbers are given out ahead of the events, so many at a time; and asked for again before they are used up. */
export const sequenceStep = 1_024;

/** Events of a turn that goes on without its caller are written down this often, in milliseconds, or when there are many. */
const flushMs = 50;
const flushBytes = 64 * 1024;

/** What the end of a turn in a session says of it. */
export interface SessionEnding {
  readonly isInConversation: boolean;
  readonly answer: readonly ContentPart[];
  readonly contextTokens: number;
  readonly contextWindowTokens: number;
  readonly profileDigest: string;
  /** Set: the session cannot go on for the moment. */
  readonly suspension?: EndingInSession["suspension"];
  readonly transcript?: TranscriptState | undefined;
}

export interface StoreBookParts<Result> {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly turnId: string;
  /** Under what the turn is written for; known when it was accepted. */
  readonly lease: () => Promise<TurnLease>;
  /** Whether its end is in the store before anybody is told it. */
  readonly isAwaited: boolean;
  /** Whether its events are kept in the store. */
  readonly keepsEvents: boolean;
  /** Whether its result can be asked for again. */
  readonly keepsResult: boolean;
  readonly isPowerSafe: boolean;
  /** The result as bytes. */
  readonly encode: (result: Result) => Uint8Array;
  /** For a turn of a session. */
  readonly inSession?: ((end: TurnEnd | undefined) => Promise<SessionEnding>) | undefined;
}

export class StoreBook<Result> implements TurnBook<Result> {
  readonly #parts: StoreBookParts<Result>;
  #highestSequence = sequenceStep;
  #raising: Promise<void> | undefined;
  /** Events that are not written down yet. */
  #frames: Buffer[] = [];
  #frameBytes = 0;
  #firstSequence = 0;
  #lastSequence = 0;
  #cancelFlush: (() => void) | undefined;
  /** The last event is stored with the end. */
  #hasEnded = false;

  constructor(parts: StoreBookParts<Result>) {
    this.#parts = parts;
  }

  async beforePrompt(): Promise<void> {
    const lease = await this.#parts.lease();
    // That it runs is for those who look: what matters, that it is there, is written.
    this.#parts.store.startTurn(lease).catch((error: unknown) => this.#failed("that a turn runs", error));
  }

  mayDeliver(sequence: number): Promise<void> | undefined {
    if (sequence > this.#highestSequence - sequenceStep / 2) this.#raise(sequence);
    return sequence > this.#highestSequence ? this.#raising : undefined;
  }

  /** An event was written to the turn's log. */
  event(sequence: number, flags: number, bytes: Uint8Array): void {
    if (!this.#parts.keepsEvents || this.#hasEnded) return;
    const frame = framed(sequence, flags, bytes);
    if (this.#frames.length === 0) this.#firstSequence = sequence;
    this.#lastSequence = sequence;
    this.#frames.push(frame);
    this.#frameBytes += frame.length;
    if (this.#frameBytes >= flushBytes) this.#flush();
    else this.#cancelFlush ??= this.#parts.clock.after(flushMs, () => this.#flush());
  }

  async ended(end: TurnEnd, result: Result, lastSequence: number, event?: LastEvent): Promise<void> {
    const { keepsEvents, keepsResult, encode, inSession } = this.#parts;
    const session = await inSession?.(end);
    const written = this.#end({
      durability: this.#parts.isPowerSafe ? "powerSafe" : "processSafe",
      outcome: end.outcome,
      error: end.error && toRecordedError(end.error),
      usage: end.usage,
      costUsdMicros: end.costUsdMicros,
      costIsEstimate: end.costIsEstimate,
      lastSequence,
      lastEvent: keepsEvents && event !== undefined ? runOf(event) : undefined,
      result: keepsResult ? encode(result) : undefined,
      session: session && { ...session, suspension: session.suspension },
    });
    if (this.#parts.isAwaited) await written;
  }

  async notStarted(error: unknown): Promise<void> {
    const session = await this.#parts.inSession?.(undefined);
    const written = this.#end({
      durability: "processSafe",
      outcome: undefined,
      error: toRecordedError(error),
      usage: noUsage,
      costUsdMicros: 0,
      costIsEstimate: false,
      lastSequence: 0,
      session: session && { ...session, suspension: suspensionOf(error) },
    });
    if (this.#parts.isAwaited) await written;
  }

  /** Never rejects. */
  async #end(ending: TurnEnding): Promise<void> {
    this.#flush();
    this.#hasEnded = true;
    let lease: TurnLease;
    try {
      lease = await this.#parts.lease();
    } catch {
      return; // it was never accepted
    }
    await this.#parts.store.endTurn(lease, ending).catch((error: unknown) => this.#failed("the end of a turn", error));
  }

  #raise(sequence: number): void {
    if (this.#raising !== undefined) return;
    const wanted = Math.max(sequence, this.#highestSequence) + sequenceStep;
    this.#raising = this.#parts
      .lease()
      .then((lease) => this.#parts.store.raiseHighestSequence(lease, wanted))
      // A turn that runs goes on without its store. What it delivers is then not known after a crash.
      .catch((error: unknown) => this.#failed("how far a turn has come", error))
      .then(() => {
        this.#highestSequence = wanted;
        this.#raising = undefined;
      });
  }

  #flush(): void {
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    if (this.#frames.length === 0) return;
    const run = {
      firstSequence: this.#firstSequence,
      lastSequence: this.#lastSequence,
      packed: Buffer.concat(this.#frames),
    };
    this.#frames = [];
    this.#frameBytes = 0;
    const { store, lease } = this.#parts;
    // What is asked of the store later, such as the end, it does later: nothing waits here.
    lease()
      .then((of) => store.appendEvents(of, run))
      .catch((error: unknown) => this.#failed("events of a turn", error));
  }

  #failed(what: string, error: unknown): void {
    this.#parts.log.error({ turnId: this.#parts.turnId, err: error }, `${what} could not be written down`);
  }
}

function framed(sequence: number, flags: number, bytes: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(9 + bytes.length);
  frame.writeUInt32LE(sequence, 0);
  frame[4] = flags;
  frame.writeUInt32LE(bytes.length, 5);
  frame.set(bytes, 9);
  return frame;
}

function runOf({ sequence, flags, bytes }: LastEvent): EventRun {
  return { firstSequence: sequence, lastSequence: sequence, packed: framed(sequence, flags, bytes) };
}

function toRecordedError(error: unknown): RecordedError {
  if (isRunnerError(error)) return { reason: error.reason, message: error.message, facts: error.facts };
  return { reason: "INTERNAL", message: "internal error", facts: {} };
}

/** A session is suspended by what is the matter with its conversation alone, not by a full queue. */
function suspensionOf(error: unknown): EndingInSession["suspension"] {
  if (!isRunnerError(error, "SESSION_SUSPENDED")) return undefined;
  return { reason: error.reason, message: error.message };
}
