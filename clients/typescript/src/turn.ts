/**
 * A turn as its caller holds it: its events, its text, its result, and the way to end it early.
 *
 * The call is made when the turn is first read, by whichever way. All ways read the same stream, so what one has read
 * another does not see again; `result` and `collectedText` tell of the whole.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { firstOf } from "./abort.ts";
import { ClaudeRunnerError } from "./error.ts";
import type { Started } from "./gen/claude/runner/v1/event_pb.ts";
import type { TurnResult } from "./gen/claude/runner/v1/result_pb.ts";
import type { StreamChatResponse } from "./gen/claude/runner/v1/runner_pb.ts";
import { pieceOf, TextCollector } from "./text.ts";

/** What a turn is made of. */
export interface TurnParts {
  /** Makes the call; aborting the signal ends it. `named` is told of the turn's id, if that is known before its events. */
  readonly open: (signal: AbortSignal, named: (turnId: string) => void) => AsyncIterable<StreamChatResponse>;
  /** Abort to cancel the turn: the caller's own, the client's. */
  readonly signals: readonly (AbortSignal | undefined)[];
  /** Told when the turn has begun. */
  readonly begun?: () => void;
  /** Told once, when nothing more comes. `result`: of a turn that ended under status OK. */
  readonly ended?: (turn: Turn, result: TurnResult | undefined) => void;
}

export class Turn implements AsyncIterable<StreamChatResponse>, AsyncDisposable {
  readonly #parts: TurnParts;
  readonly #abort: AbortController;
  readonly #events: AsyncGenerator<StreamChatResponse, void>;
  readonly #collector = new TextCollector();
  readonly #unlink: () => void;
  #turnId = "";
  #started: Started | undefined;
  #result: TurnResult | undefined;
  #failure: ClaudeRunnerError | undefined;
  #unknownEventCount = 0;
  #hasGap = false;
  #isOver = false;

  constructor(parts: TurnParts) {
    this.#parts = parts;
    const { abort, unlink } = firstOf(parts.signals);
    this.#abort = abort;
    this.#unlink = unlink;
    this.#events = this.#read();
  }

  /**
   * The events in order, `started` first and `result` last. Kinds that this client does not know are skipped. Throws a
   * ClaudeRunnerError when the call fails, behind the `result` of a turn that had begun. Leaving the loop early cancels
   * the turn.
   */
  [Symbol.asyncIterator](): AsyncIterator<StreamChatResponse, void> {
    return {
      next: () => this.#events.next(),
      return: async () => {
        await this.#leave();
        return { done: true, value: undefined };
      },
    };
  }

  /**
   * The answer's text piece by piece, as it comes. A piece that the server retracts later has been given by then:
   * `collectedText` and the result leave it out. What sub-agents say is in the events only. Throws and cancels as
   * iterating the events does.
   */
  async *text(): AsyncGenerator<string, void> {
    for await (const response of this) {
      const piece = pieceOf(response);
      if (piece !== undefined) yield piece;
    }
  }

  /**
   * How the turn ended, once it has; reads what is left of it. Look at its `outcome`: a limit that was reached or a
   * refusal of the model is a result. Throws a ClaudeRunnerError when the call failed or was cancelled.
   */
  async result(): Promise<TurnResult> {
    while (!(await this.#events.next()).done);
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#result === undefined) throw new Error("bug: a turn without an end");
    return this.#result;
  }

  /** The text so far, without what was retracted. */
  get collectedText(): string {
    return this.#collector.text;
  }

  /** The id of the turn, as the server's logs and spans have it. Empty until the server has said it: with its headers. */
  get turnId(): string {
    return this.#turnId;
  }

  /** How the turn began: worker, model, claim decision. `undefined` until it has. */
  get started(): Started | undefined {
    return this.#started;
  }

  /**
   * Whether the server no longer had some of the turn's events, so that `collectedText` may lack a part of the answer. The
   * result has all of it, up to 256 KiB. Only a turn that is rejoined, attached to or repeated can have a gap.
   */
  get hasGap(): boolean {
    return this.#hasGap;
  }

  /** How many events of kinds that this client does not know were skipped. */
  get unknownEventCount(): number {
    return this.#unknownEventCount;
  }

  /**
   * Cancels the turn: the server interrupts it, and its worker is free again. Whoever reads it gets a ClaudeRunnerError
   * with CANCELLED. Nothing happens when it is over.
   */
  cancel(): void {
    if (this.#isOver) return;
    const cancelled = new ConnectError("the turn was cancelled by its caller", Code.Canceled);
    if (!this.#abort.signal.aborted) this.#abort.abort(cancelled);
    this.#failure ??= ClaudeRunnerError.from(this.#cancellation, this.#progress(true));
    this.#over(undefined);
  }

  /** What was cancelled fails with. */
  get #cancellation(): ConnectError {
    return ConnectError.from(this.#abort.signal.reason, Code.Canceled);
  }

  /** Cancels the turn unless it is over. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#leave();
  }

  async #leave(): Promise<void> {
    this.cancel();
    await this.#events.return();
  }

  #over(result: TurnResult | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#unlink();
    this.#parts.ended?.(this, result);
  }

  async *#read(): AsyncGenerator<StreamChatResponse, void> {
    // Given when the status behind it is known: who stops at the result has read the turn to its end.
    let last: StreamChatResponse | undefined;
    let hasBegun = false;
    try {
      if (this.#abort.signal.aborted) throw this.#cancellation;
      const responses = this.#parts.open(this.#abort.signal, (turnId) => {
        this.#turnId = turnId;
      });
      this.#abort.signal.addEventListener("abort", () => void readOut(responses), { once: true });
      for await (const response of responses) {
        hasBegun = true;
        this.#turnId = response.turnId;
        this.#note(response);
        if (response.event.case === "result") last = response;
        else if (response.event.case !== undefined) yield response;
      }
      if (this.#abort.signal.aborted) throw this.#cancellation;
      if (last === undefined) throw new ConnectError("the server ended the turn without a result", Code.Internal);
    } catch (error) {
      this.#failure ??= ClaudeRunnerError.from(error, this.#progress(hasBegun));
    }
    this.#over(this.#failure === undefined ? this.#result : undefined);
    if (last !== undefined) yield last;
    if (this.#failure !== undefined) throw this.#failure;
  }

  #note(response: StreamChatResponse): void {
    const { event } = response;
    if (event.case === undefined) this.#unknownEventCount += 1;
    else if (event.case === "result") this.#result = event.value;
    else if (event.case === "gap") this.#hasGap = true;
    else if (event.case === "started") {
      this.#started = event.value;
      this.#parts.begun?.();
    } else this.#collector.note(response);
  }

  #progress(hasBegun: boolean) {
    return { hasBegun, result: this.#result, turnId: this.#turnId };
  }
}

/**
 * Reads what is left of a call that was cancelled, which is its failure. Connect lets go of the timer for its deadline when
 * somebody has seen that, and until then the timer keeps a program alive.
 */
async function readOut(responses: AsyncIterable<StreamChatResponse>): Promise<void> {
  try {
    for await (const _ of responses);
  } catch {
    // Whoever reads the turn is told.
  }
}
