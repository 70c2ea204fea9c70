/**
 * A turn of a session: it goes on without its reader, so its stream is let go of while nobody looks, and joined again behind
 * the last event when somebody does, or when the connection broke.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  OnDisconnect,
  type StreamChatRequestSchema,
} from "../clients/typescript/src/gen/claude/runner/v1/runner_pb.ts";
import { rejoined, type TurnCalls } from "../clients/typescript/src/rejoin.ts";
import { defaultRejoinPolicy, type RejoinPolicy } from "../clients/typescript/src/rejoin-policy.ts";
import type { Api } from "./api.ts";
import type { Attention } from "./attention.ts";
import { failureOf, isMissing } from "./failure.ts";
import { type RunningTurn, takeAll } from "./running-turn.ts";
import type { Turn, TurnEnd } from "./turn.ts";
import { endOfStream } from "./turn-end.ts";

/** A request with its `request_id`, or a turn that another page or program has begun. */
export type KeptTurnStart =
  | {
      readonly kind: "send";
      readonly requestId: string;
      readonly request: MessageInitShape<typeof StreamChatRequestSchema>;
      readonly headers: Readonly<Record<string, string>>;
    }
  | { readonly kind: "attach"; readonly turnId: string };

export interface KeptTurnParts {
  readonly api: Api;
  readonly attention: Attention;
  readonly turn: Turn;
  /** Shows what has changed. */
  readonly draw: () => void;
}

/**
 * Somebody looks and waits, and the browser may have several connections that are gone and takes one after the other. The
 * page sets no deadlines, so one that passes is the server's, of a call and not of the turn.
 */
const policy: RejoinPolicy = {
  ...defaultRejoinPolicy,
  maxQuietMs: 180_000,
  firstPauseMs: 250,
  longestPauseMs: 5_000,
  outlivesDeadline: true,
};

/** After a turn was stopped its result has this long to arrive, in milliseconds. */
const lastWordsMs = 5_000;

/** Between two tries to stop a turn whose server cannot be reached, in milliseconds. */
const stopAgainMs = 1_000;

export class KeptTurn implements RunningTurn {
  readonly #start: KeptTurnStart;
  readonly #parts: KeptTurnParts;
  readonly #calls: TurnCalls;
  /** Aborted when nothing more of it is wanted. */
  readonly #over = new AbortController();
  #wasCancelled = false;
  #wasLeft = false;
  #hasEnded = false;
  /** Whether the server is known to have the turn. */
  #isAccepted: boolean;

  constructor(start: KeptTurnStart, parts: KeptTurnParts) {
    this.#start = start;
    this.#parts = parts;
    this.#isAccepted = start.kind === "attach";
    const { runner, turns } = parts.api;
    const which = this.#which;
    this.#calls = {
      ...(start.kind === "send" && {
        send: (signal) => {
          const { request, requestId, headers } = start;
          const kept = { ...request, requestId, onDisconnect: OnDisconnect.CONTINUE };
          return runner.streamChat(kept, { signal, headers });
        },
      }),
      attach: (afterSequence, signal) => turns.attachTurn({ turn: which, afterSequence }, { signal }),
    };
  }

  async end(): Promise<TurnEnd | undefined> {
    try {
      return await this.#read();
    } finally {
      this.#hasEnded = true;
    }
  }

  async #read(): Promise<TurnEnd | undefined> {
    const { attention, turn, draw } = this.#parts;
    for (;;) {
      await attention.untilLooking(this.#over.signal);
      if (this.#wasLeft) return undefined;
      const stretch = new AbortController();
      const forget = attention.onChange((isLooking) => {
        if (!isLooking) void this.#letGo(stretch);
      });
      try {
        const events = rejoined(this.#calls, {
          signal: AbortSignal.any([stretch.signal, this.#over.signal]),
          policy,
          from: { call: this.#isAccepted ? "attach" : "send", afterSequence: turn.lastSequence },
          onBreak: (error) => {
            turn.isCutOff = error !== undefined;
            draw();
          },
        });
        await takeAll(this.#noted(events, stretch), turn, draw);
        return endOfStream(turn, undefined, false);
      } catch (error) {
        if (this.#wasLeft) return undefined;
        if (stretch.signal.aborted && !this.#over.signal.aborted && turn.result === undefined) continue;
        return endOfStream(turn, error, this.#wasCancelled);
      } finally {
        forget();
      }
    }
  }

  /** Stops the turn itself: to end the call would not. */
  cancel(): void {
    if (this.#wasCancelled) return;
    this.#wasCancelled = true;
    void this.#stop();
  }

  leave(): void {
    this.#wasLeft = true;
    this.#over.abort();
  }

  get #which() {
    const start = this.#start;
    return start.kind === "send"
      ? ({ case: "requestId", value: start.requestId } as const)
      : ({ case: "turnId", value: start.turnId } as const);
  }

  async *#noted<T>(events: AsyncIterable<T>, stretch: AbortController): AsyncGenerator<T, void> {
    for await (const event of events) {
      this.#isAccepted = true;
      yield event;
      if (!this.#parts.attention.isLooking) stretch.abort();
    }
  }

  /** Ends the call, once the server is known to have the turn: a call that it has not read yet would begin none. */
  async #letGo(stretch: AbortController): Promise<void> {
    const isKnown = this.#isAccepted || (await this.#turnId().catch(() => undefined)) !== undefined;
    // It begins within the call as well, and while this was asked somebody may have come back.
    if (!isKnown || this.#parts.attention.isLooking) return;
    this.#isAccepted = true;
    stretch.abort();
  }

  /** Tries until the server can be reached, since the turn goes on until then; or until its stream has ended. */
  async #stop(): Promise<void> {
    while (!this.#hasEnded) {
      try {
        const turnId = await this.#turnId();
        if (turnId !== undefined) await this.#parts.api.turns.interruptTurn({ turnId });
        else this.#over.abort();
        setTimeout(() => this.#over.abort(), lastWordsMs);
        return;
      } catch (error) {
        // The server's own word: its stream says how the turn went on.
        if (failureOf(error, { hasBegun: false }).reason !== "") return;
        await new Promise((resolve) => setTimeout(resolve, stopAgainMs));
      }
    }
  }

  /** `undefined`: the server does not know the turn. Throws what the call fails with. */
  async #turnId(): Promise<string | undefined> {
    const { turn, api } = this.#parts;
    if (turn.turnId !== "") return turn.turnId;
    try {
      return (await api.turns.getTurn({ turn: this.#which })).turn?.id;
    } catch (error) {
      if (isMissing(failureOf(error, { hasBegun: false }))) return undefined;
      throw error;
    }
  }
}
