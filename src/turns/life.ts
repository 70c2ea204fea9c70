/**
 * The life of one turn: admitted, a worker found for it, bound, configured, seeded, its prompt written, run, ended. A worker
 * that has the conversation that the turn goes on with is neither configured nor seeded: it kept it, or was launched with it.
 *
 * Knows no proto, no call and no CLI. What it is told from outside is that its signal aborts; what it tells goes to the
 * observers. Its end is the server's own matter: the worker goes back to the pool and the books are written when the
 * worker is done, whether or not anybody still reads.
 *
 * Its events have one reader, which writes them down for all others (`live-turn.ts`) and reads to the end.
 */
import { bindingKey } from "../binding-key.ts";
import { type Clock, sleep } from "../clock.ts";
import type { Claim, WorkerPool } from "../pool/claim.ts";
import { ProcessStartError } from "../pool/start-error.ts";
import { isRunnerError, RunnerError, type RunnerReason } from "../runner-error.ts";
import { earlierMessageCount, type Turn } from "../turn.ts";
import type { EndCause, TurnEnd } from "../turn-end.ts";
import type { TurnEvent } from "../turn-event.ts";
import type { RunningTurn } from "../worker-process.ts";
import { endCauseOf } from "./end-cause.ts";
import { canMove, hasPrompt, type LifeState } from "./life-state.ts";
import { Observers, type TurnObserver } from "./observer.ts";
import { afterEndedTurn, afterFailedPreparation, type PreparationStep } from "./release.ts";
import { StageClock, type StageTimes } from "./stages.ts";
import { TurnReader } from "./turn-reader.ts";

/** How often a session's process is started to resume it for one turn, and how far apart on average, in milliseconds. */
const maxSessionStarts = 3;
const sessionStartPauseMs = 1_000;

export interface LifeParts {
  readonly clock: Clock;
  /** Spreads what is tried again. Default: Math.random. */
  readonly random?: () => number;
  readonly pool: WorkerPool;
  /** Lets a turn in, perhaps after a wait, which the signal ends. Throws RunnerError for a turn that may not begin. */
  readonly admit: (turn: Turn, signal: AbortSignal) => Admission | Promise<Admission>;
}

/** What a turn is let in with. */
export interface Admission {
  /** Called once when the turn is over. */
  readonly leave: () => void;
  /** The turn with what became known while it waited. Absent: as it was. */
  readonly turn?: Turn | undefined;
}

/** The bounds of a turn, as set by what asked for it. Moments are on the clock's `now()`. */
export interface LifeScope {
  /** Ends the turn when it aborts; the reason is a RunnerError that says why. */
  readonly signal: AbortSignal;
  readonly deadlineMs: number;
  readonly arrivedAtMs: number;
  /** When the first stage began: a moment later than the arrival, or the same. */
  readonly startedMs: number;
  /** Called each time that the turn has a worker: what the prompt will wait for can begin. */
  readonly whenClaimed?: (claim: Claim) => void;
  /** What the prompt waits for, whatever happened meanwhile: that the turn is written down. Absent: nothing. */
  readonly beforePrompt?: () => Promise<void> | undefined;
}

export class TurnLife {
  readonly #parts: LifeParts;
  readonly #scope: LifeScope;
  readonly #observers: Observers;
  readonly #stages: StageClock;
  /** Settles when the reader has had the last event. */
  readonly #read = Promise.withResolvers<void>();
  #turn: Turn;
  #state: LifeState = { kind: "admitted" };
  #queueWaitMs = 0;
  #hasReplied = false;

  constructor(turn: Turn, scope: LifeScope, parts: LifeParts, observers: readonly TurnObserver[]) {
    this.#turn = turn;
    this.#scope = scope;
    this.#parts = parts;
    this.#observers = new Observers(observers);
    this.#stages = new StageClock(parts.clock, scope, this.#observers);
    this.#observers.began(this.#stages.times);
    this.#stages.enter("check");
  }

  get turn(): Turn {
    return this.#turn;
  }

  get state(): LifeState {
    return this.#state;
  }

  /** Whether a worker got the whole prompt: then the turn may have cost money, and has an end. */
  get hasPrompt(): boolean {
    return hasPrompt(this.#state);
  }

  get times(): Readonly<StageTimes> {
    return this.#stages.times;
  }

  /** How long it waited for workers, in milliseconds. */
  get queueWaitMs(): number {
    return this.#queueWaitMs;
  }

  /**
   * Gets the turn a worker that has the prompt. Once. Rejects with why no worker has it: the turn is over then, and
   * booked. A worker that dies before it has the prompt costs the turn nothing, once.
   */
  async begin(): Promise<{ readonly claim: Claim; readonly ended: Promise<TurnEnd> }> {
    let leave: (() => void) | undefined;
    try {
      this.#become({ kind: "waiting" });
      const admission = await this.#admission();
      leave = admission.leave;
      const { claim, running } = await this.#findWorker();
      this.#follow(running);
      void this.#release(claim, running, leave);
      void this.#close(running);
      return { claim, ended: running.ended };
    } catch (error) {
      leave?.();
      this.#refuse(error);
      throw error;
    }
  }

  /** Ends it early; the first cause counts. Before a worker has the prompt only the signal does that. */
  interrupt(cause: EndCause): void {
    if (this.#state.kind === "running") this.#state.running.interrupt(cause);
  }

  /** Reads its events, from the first one to the last. Once, and only when it has begun. */
  read(): TurnReader {
    const { state } = this;
    if (!("running" in state)) throw new Error("bug: a turn is read before it runs");
    return new TurnReader(state.running, this.#saw);
  }

  /** Nobody reads any further: the books are closed without the rest of the events. */
  stopReading(): void {
    this.#read.resolve();
  }

  /** The call that asked for the turn is done with it, also with its status. The first call counts. */
  replied(): void {
    if (this.#hasReplied) return;
    this.#hasReplied = true;
    this.#observers.replied(this.#stages.replied());
  }

  async #admission(): Promise<Admission> {
    const admission = this.#parts.admit(this.turn, this.#scope.signal);
    if (!(admission instanceof Promise)) return admission;
    this.#stages.enter("sessionWait");
    const admitted = await admission;
    if (admitted.turn !== undefined) {
      this.#turn = admitted.turn;
      this.#observers.admitted(admitted.turn);
    }
    return admitted;
  }

  async #findWorker(): Promise<{ readonly claim: Claim; readonly running: RunningTurn }> {
    for (let attempt = 1; ; attempt += 1) {
      this.#stages.enter("queueWait");
      const claim = await this.#claimSoon();
      this.#queueWaitMs += claim.queueWaitMs;
      this.#become({ kind: "preparing", claim });
      this.#observers.claimed(claim, this.#parts.clock.now());
      this.#stages.claimed(claim.queueWaitMs);
      this.#scope.whenClaimed?.(claim);
      try {
        const running = await this.#prepare(claim);
        this.#become({ kind: "running", claim, running });
        this.#stages.written();
        return { claim, running };
      } catch (error) {
        this.#stages.fail(reasonOf(error));
        if (!isRunnerError(error, "WORKER_DIED") || attempt === 2) throw error;
        this.#become({ kind: "waiting" });
        this.#observers.takenOver(claim.worker.id, error);
      }
    }
  }

  /**
   * A worker. A process that resumes a session may fail at what it resumes, so it is started again, a few times, before
   * the session is given up for the moment. What fails without such a process says nothing of the session: the turn ends
   * with it as it is. Any other start is the pool's to repeat.
   */
  async #claimSoon(): Promise<Claim> {
    for (let tried = 1; ; tried += 1) {
      try {
        return await this.#claimWorker();
      } catch (error) {
        if (this.turn.sessionLaunch?.resume === undefined || !(error instanceof ProcessStartError)) throw error;
        if (tried === maxSessionStarts) throw sessionSuspended(error);
        const pauseMs = sessionStartPauseMs * (0.5 + this.#random());
        await sleep(this.#parts.clock, pauseMs, this.#scope.signal);
      }
    }
  }

  #random(): number {
    return (this.#parts.random ?? Math.random)();
  }

  async #claimWorker(): Promise<Claim> {
    const { clock, pool } = this.#parts;
    const { id: turnId, tenant, profile, binding, conversation, sessionLaunch: launch } = this.turn;
    const { signal, deadlineMs } = this.#scope;
    const startedMs = clock.now();
    try {
      return await pool.claim({
        turnId,
        tenant,
        profile,
        bindingKey: bindingKey(binding),
        conversation: conversation?.before,
        // A session's first turn goes on with nothing that could have a name.
        session: launch && { conversation: conversation?.before ?? launch.cliSessionId, launch },
        signal,
        deadlineMs,
      });
    } catch (error) {
      if (!isRunnerError(error, "DEADLINE_EXCEEDED")) throw error;
      const waitedMs = Math.round(clock.now() - startedMs);
      throw new RunnerError(
        "QUEUE_TIMEOUT",
        `the call's deadline passed after ${waitedMs} ms in the queue for a worker`,
        { facts: { waitedMs } },
      );
    }
  }

  /** Binds, sets, seeds and writes. The claim is released when this throws. */
  async #prepare(claim: Claim): Promise<RunningTurn> {
    const { turn } = this;
    const { signal } = this.#scope;
    const { worker } = claim;
    const hasConversation = claim.holds.kind === "conversation";
    let step: PreparationStep = "bind";
    try {
      if (claim.holds.kind === "nothing") {
        this.#stages.enter("bind");
        await worker.bind(turn.binding, signal);
      }
      // A worker that has the conversation has its model and effort as well (`conversations/kept-names.ts`, SessionLaunch).
      if (!hasConversation) {
        step = "set";
        this.#stages.enter("configure");
        await worker.configure(turn.settings, signal);
        if (earlierMessageCount(turn) > 0) {
          this.#stages.enter("seedHistory");
          step = "wait";
          const history = (await turn.earlier?.load(signal)) ?? turn.history;
          step = "set";
          await worker.seed(history, signal);
        }
      }
      step = "wait";
      await this.#scope.beforePrompt?.();
      signal.throwIfAborted();
      step = "set";
      this.#stages.enter("stdinWrite");
      const running = worker.run(turn);
      await running.written;
      return running;
    } catch (error) {
      // A session's first turn has no conversation that a later one could ask for.
      const held = hasConversation ? turn.conversation?.before : undefined;
      claim.release(afterFailedPreparation({ step, held, wasAborted: signal.aborted, error }));
      throw error;
    }
  }

  /** Ends the turn when its signal aborts. */
  #follow(running: RunningTurn): void {
    const { signal } = this.#scope;
    const onAbort = () => running.interrupt(endCauseOf(signal.reason));
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    void running.ended.then(() => signal.removeEventListener("abort", onAbort));
  }

  /** Gives the worker back when it is done with the turn. Never rejects. */
  async #release(claim: Claim, running: RunningTurn, leave: () => void): Promise<void> {
    const end = await running.ended;
    if (end.workerReusable) claim.finishing();
    await running.idle;
    claim.release(afterEndedTurn(end, this.turn));
    leave();
  }

  /** Books the end when the worker is done, and closes the turn when its reader is as well. Never rejects. */
  async #close(running: RunningTurn): Promise<void> {
    const end = await running.ended;
    this.#become({ kind: "ended", running, end });
    this.#observers.finished(end);
    await this.#read.promise;
    this.#stages.finish(end.error?.reason);
    this.#observers.closed({ end, error: end.error, reason: end.error?.reason });
  }

  /** It ended before any worker had its prompt. */
  #refuse(error: unknown): void {
    const reason = reasonOf(error);
    this.#become({ kind: "notStarted", error });
    this.#stages.fail(reason);
    this.#stages.finish();
    this.#observers.closed({ end: undefined, error, reason });
  }

  /** Every event goes by here: most of them are pieces of text, which nobody but the stages wants. */
  readonly #saw = (event: TurnEvent): void => {
    this.#stages.saw(event.kind === "textDelta");
    if (this.#observers.wants(event.kind)) this.#observers.saw(event, this.#parts.clock.now());
    if (event.kind === "ended") {
      this.#stages.finish(event.end.error?.reason);
      this.#read.resolve();
    }
  };

  /** The one door. */
  #become(next: LifeState): void {
    if (!canMove(this.#state, next)) throw new Error(`bug: a turn that is ${this.#state.kind} becomes ${next.kind}`);
    this.#state = next;
  }
}

function sessionSuspended(cause: RunnerError): RunnerError {
  const message = `the session cannot continue for now: its worker failed to start ${maxSessionStarts} times`;
  return new RunnerError("SESSION_SUSPENDED", message, { facts: { startCount: maxSessionStarts }, cause });
}

function reasonOf(error: unknown): RunnerReason {
  return isRunnerError(error) ? error.reason : "INTERNAL";
}
