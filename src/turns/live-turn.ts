/**
 * A turn that is there: its life, and the log of its events from the first to the last.
 *
 * Its events are read here, on the server's account, numbered and encoded once, and written down; whoever wants them,
 * the caller that asked for the turn as well, reads the log. So a turn has its complete record whether or not anybody
 * reads it, and a reader may come and go. One of them may hold the turn up by not reading.
 *
 * Knows no proto, no call and no store: how events are encoded and where a turn is written down are ports.
 */
import type { Clock } from "../clock.ts";
import type { Claim } from "../pool/claim.ts";
import type { RunnerError } from "../runner-error.ts";
import type { Turn } from "../turn.ts";
import type { TurnEnd } from "../turn-end.ts";
import type { TurnEvent } from "../turn-event.ts";
import type { TurnLife } from "./life.ts";
import type { TurnLog } from "./log/turn-log.ts";
import type { TurnReader } from "./turn-reader.ts";

export type InitEvent = Extract<TurnEvent, { kind: "init" }>;

/** Numbers and encodes a turn's events, and writes each to its log. `Result`: the last event as readers know it. */
export interface TurnEncoder<Result> {
  /** The number of the last event. */
  readonly lastSequence: number;
  /** The first event. `init`: absent when the turn was over before the CLI had said anything. */
  started(init: InitEvent | undefined, claim: Claim, life: TurnLife): void;
  event(event: TurnEvent): void;
  /** Makes the last event, which is written when `write` is called; nothing else may be between. */
  result(
    end: TurnEnd,
    raw: string | undefined,
    life: TurnLife,
  ): { readonly result: Result; readonly event: LastEvent; readonly write: () => void };
  /** What a turn ended with that has no events: it failed before the CLI had said anything. */
  silentResult(end: TurnEnd, life: TurnLife): Result;
}

/** The last event of a turn as its log will have it. */
export interface LastEvent {
  readonly sequence: number;
  readonly flags: number;
  readonly bytes: Uint8Array;
}

/** Where a turn is written down for longer than it is in memory. */
export interface TurnBook<Result> {
  /** Settles when the turn is written down: it gets no prompt before. Rejects when it cannot be. */
  beforePrompt(): Promise<void> | undefined;
  /** Settles when events up to this number may be delivered. `undefined`: they may be now. */
  mayDeliver(sequence: number): Promise<void> | undefined;
  /**
   * Settles when the end is written down, before it is delivered. `event`: absent when nobody gets one, since the turn
   * failed before it had begun for its readers; `lastSequence` counts it. Never rejects.
   */
  ended(end: TurnEnd, result: Result, lastSequence: number, event?: LastEvent): Promise<void>;
  /** The turn ended before any worker had its prompt. Never rejects. */
  notStarted(error: unknown): Promise<void>;
}

/** How a turn ended, for its readers. */
export type LiveEnd<Result> =
  | { readonly kind: "notStarted"; readonly error: unknown }
  | {
      readonly kind: "ended";
      readonly result: Result;
      /** The whole answer. */
      readonly text: string;
      /** What it failed with. Absent: it did not. */
      readonly error?: unknown;
    };

/** What is known of a turn for as long as it can be read: none of its words. */
export type TurnFacts = Pick<
  Turn,
  "id" | "tenant" | "profile" | "sessionId" | "requestId" | "onDisconnect" | "settings" | "detail" | "forOperator"
>;

function factsOf(turn: Turn): TurnFacts {
  const { id, tenant, profile, sessionId, requestId, onDisconnect, settings, detail, forOperator } = turn;
  return { id, tenant, profile, sessionId, requestId, onDisconnect, settings, detail, forOperator };
}

/** One event of a turn leads to so many at most: a line of 32 MiB in pieces, and what it says. */
const maxEventsPerStep = 256;

export interface LiveTurnParts<Result> {
  readonly clock: Clock;
  readonly log: TurnLog<LiveEnd<Result>>;
  readonly encoder: TurnEncoder<Result>;
  readonly book?: TurnBook<Result> | undefined;
  /** Makes the turn's life. Aborting the signal ends it. */
  readonly life: (signal: AbortSignal) => TurnLife;
}

export class LiveTurn<Result> {
  readonly turn: TurnFacts;
  readonly log: TurnLog<LiveEnd<Result>>;
  readonly acceptedAtWallMs: number;
  /** Settles when it is over and its end can be read. Never rejects. */
  readonly over: Promise<void>;
  readonly #clock: Clock;
  /** While it goes on, and until its call is done with it: it has the prompt, the worker and all observers. */
  #life: TurnLife | undefined;
  #hadPrompt = false;
  #isReplied = false;
  readonly #abort = new AbortController();
  #startedAt: { readonly nowMs: number; readonly wallMs: number } | undefined;
  #endedAtWallMs: number | undefined;
  #hasContent = false;
  #heldUpAtMs: number | undefined;

  /** Begins at once. */
  constructor(turn: Turn, parts: LiveTurnParts<Result>) {
    this.turn = factsOf(turn);
    this.#clock = parts.clock;
    this.log = parts.log;
    this.acceptedAtWallMs = parts.clock.wallNow();
    const life = parts.life(this.#abort.signal);
    this.#life = life;
    this.over = this.#run(parts, life);
  }

  get state(): "waiting" | "running" | "ended" {
    if (this.log.end !== undefined) return "ended";
    return this.#startedAt === undefined ? "waiting" : "running";
  }

  get startedAtWallMs(): number | undefined {
    return this.#startedAt?.wallMs;
  }

  get endedAtWallMs(): number | undefined {
    return this.#endedAtWallMs;
  }

  /** Whether text or a tool use is among its events. */
  get hasContent(): boolean {
    return this.#hasContent;
  }

  /** Whether Claude Code got the whole prompt. */
  get hasPrompt(): boolean {
    return this.#life?.hasPrompt ?? this.#hadPrompt;
  }

  /** The call that asked for the turn is done with it, also with its status. */
  replied(): void {
    this.#isReplied = true;
    this.#life?.replied();
    this.#letGo();
  }

  /** How long ago the prompt was written, in milliseconds. 0: it was not. */
  runningMs(): number {
    return this.#startedAt === undefined ? 0 : this.#clock.now() - this.#startedAt.nowMs;
  }

  /** For how long the turn has not gone on because of the reader who may hold it up, in milliseconds. 0: it goes on. */
  heldUpMs(): number {
    return this.#heldUpAtMs === undefined ? 0 : this.#clock.now() - this.#heldUpAtMs;
  }

  /** Ends it early, wherever it is. The first reason counts. */
  stop(reason: RunnerError): void {
    this.#abort.abort(reason);
    this.log.holdNoMore();
  }

  /** Whether somebody has asked for its end. */
  get isStopped(): boolean {
    return this.#abort.signal.aborted;
  }

  async #run(parts: LiveTurnParts<Result>, life: TurnLife): Promise<void> {
    const { clock, book } = parts;
    let end: LiveEnd<Result>;
    try {
      const { claim, ended } = await life.begin();
      this.#startedAt = { nowMs: clock.now(), wallMs: clock.wallNow() };
      const reader = life.read();
      end = await this.#record(reader, claim, parts, life).catch(async (error: unknown) => {
        // A bug, or a store that does not take the turn any more. The worker must not go on unread.
        life.interrupt("interrupted");
        void passOver(reader, life);
        return afterFailure(await ended, error, parts, life);
      });
    } catch (error) {
      await book?.notStarted(error);
      end = { kind: "notStarted", error };
    }
    this.#endedAtWallMs = clock.wallNow();
    this.log.finish(end);
    this.#letGo();
  }

  /** What only a turn that goes on needs is kept no longer: ended turns are many, and their prompts may be large. */
  #letGo(): void {
    if (this.log.end === undefined || !this.#isReplied || this.#life === undefined) return;
    this.#hadPrompt = this.#life.hasPrompt;
    this.#life = undefined;
  }

  /** Reads the turn to its end, and writes down all of it. */
  async #record(
    reader: TurnReader,
    claim: Claim,
    parts: LiveTurnParts<Result>,
    life: TurnLife,
  ): Promise<LiveEnd<Result>> {
    const { encoder, book } = parts;
    let hasStarted = false;
    for (;;) {
      const event = reader.poll() ?? (await reader.next());
      const permission = book?.mayDeliver(encoder.lastSequence + maxEventsPerStep);
      if (permission !== undefined) await permission;
      if (event.kind === "ended") return await finish(event, hasStarted, claim, parts, life);
      if (event.kind === "init" && !hasStarted) {
        hasStarted = true;
        encoder.started(event, claim, life);
        for (const notice of life.turn.notices ?? []) {
          encoder.event({ kind: "notice", level: "warning", ...notice });
        }
      } else {
        if (event.kind === "textDelta" || event.kind === "toolUse") this.#hasContent = true;
        encoder.event(event);
      }
      if (!this.log.isHeldUp) continue;
      this.#heldUpAtMs = this.#clock.now();
      await this.log.released();
      this.#heldUpAtMs = undefined;
    }
  }
}

/** Books the end, and then delivers it: what a reader knows is written down. */
async function finish<Result>(
  { end, raw }: Extract<TurnEvent, { kind: "ended" }>,
  hasStarted: boolean,
  claim: Claim,
  { encoder, book }: LiveTurnParts<Result>,
  life: TurnLife,
): Promise<LiveEnd<Result>> {
  // A turn that failed before it had begun for its readers has a status only. A bound of the caller's own can end it
  // before the CLI has said a word: that is OK, so it begins and ends.
  if (!hasStarted && end.error !== undefined) {
    const result = encoder.silentResult(end, life);
    await book?.ended(end, result, encoder.lastSequence);
    return endOf(end, result);
  }
  if (!hasStarted) encoder.started(undefined, claim, life);
  const { result, event, write } = encoder.result(end, raw, life);
  await book?.ended(end, result, event.sequence, event);
  write();
  return endOf(end, result);
}

/** It could not be recorded to its end: its readers get why, and the books what the worker says of it. */
async function afterFailure<Result>(
  end: TurnEnd,
  error: unknown,
  { encoder, book }: LiveTurnParts<Result>,
  life: TurnLife,
): Promise<LiveEnd<Result>> {
  const result = encoder.silentResult(end, life);
  await book?.ended(end, result, encoder.lastSequence);
  return endOf(end, result, error);
}

function endOf<Result>({ text, error }: TurnEnd, result: Result, instead: unknown = error): LiveEnd<Result> {
  return { kind: "ended", result, text, ...(instead !== undefined && { error: instead }) };
}

/** Takes what is left of the events for nobody, so that the turn ends. */
async function passOver(reader: TurnReader, life: TurnLife): Promise<void> {
  try {
    while ((await reader.next()).kind !== "ended");
  } catch {
    life.stopReading();
  }
}
