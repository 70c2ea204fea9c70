/**
 * One turn on a process: from its prompt to its result, and on until the process is idle.
 *
 * Ends the turn early, and bounds it: limits, silence, a slow reader. How far it is says `turn-state.ts`; what the process
 * says of that, `advance.ts`; what the lines mean, `turn-mapper.ts`; how the turn is judged, `judge.ts`. Whether the process
 * is used again is its worker's matter.
 *
 * ```
 *           ┌──▶ asking ◀──┐ the CLI waits for an answer of ours: no silence, no limit on time
 *           ▼              ▼
 *        waiting ───▶ running ──its result──▶ resulted ──end told──▶ settling ──idle──▶ idle
 *           └──first cause──▶ ending ────────────┘                      ▲
 *                               └──its prompt's life is over────────────┘
 * any ──killed──▶ abandoned ──process gone──▶ idle
 * ```
 */
import { RunnerError } from "../../runner-error.ts";
import { Timers } from "../../timers.ts";
import type { Turn } from "../../turn.ts";
import type { EndCause, TurnEnd } from "../../turn-end.ts";
import type { TurnEvent } from "../../turn-event.ts";
import type { RunningTurn } from "../../worker-process.ts";
import { MappedTurn } from "../mapping/mapped-turn.ts";
import { TurnMeter } from "../mapping/meter.ts";
import type { Taint } from "../mapping/turn-notes.ts";
import type { CliMessage } from "../protocol/cli-messages.ts";
import { type JsonObject, listAt } from "../protocol/json-members.ts";
import { advance, type OwnPrompt, oddityOf } from "./advance.ts";
import { AwaitedParty } from "./awaited.ts";
import { Backpressure } from "./backpressure.ts";
import type { Charge } from "./charges.ts";
import { CostWatch } from "./cost-watch.ts";
import { DurationLimit } from "./duration-limit.ts";
import { turnEnd } from "./end-of-turn.ts";
import { ModelCallWatch } from "./model-call-watch.ts";
import { SilenceWatch, silenceNotice } from "./silence-watch.ts";
import { isOfAnotherMessage, isOfAnotherTurn } from "./stale.ts";
import { countRetry } from "./turn-counters.ts";
import type { EarlierLine, TurnHost } from "./turn-host.ts";
import { TurnOutput } from "./turn-output.ts";
import {
  type ClosedState,
  type EarlyEnd,
  earlyEndOf,
  hasStarted,
  isOpen,
  isShown,
  isUnfinished,
  type OpenState,
  progressOf,
  promptNumberOf,
  type TurnState,
  turnMoves,
} from "./turn-state.ts";
import { UnknownLines } from "./unknown-lines.ts";

/** How often an interrupt is repeated until the turn ends: one that came too early was lost in older versions. */
const interruptRepeatMs = 500;
/** How long the CLI may take after a result to say that it is idle; 2 ms as a rule. */
const idleConfirmMs = 1_000;
/** How far the buffer of a reader may grow while a turn is being ended that the reader is still owed, in its own size. */
const owedBufferFactor = 8;

export class TurnRun implements RunningTurn {
  readonly written: Promise<void>;
  readonly ended: Promise<TurnEnd>;
  readonly idle: Promise<void>;
  readonly #turn: Turn;
  readonly #host: TurnHost;
  readonly #prompt: OwnPrompt;
  readonly #mapped: MappedTurn;
  readonly #output: TurnOutput;
  readonly #backpressure: Backpressure;
  readonly #modelCall: ModelCallWatch;
  readonly #awaited = new AwaitedParty();
  readonly #silence: SilenceWatch;
  readonly #cost: CostWatch | undefined;
  readonly #duration: DurationLimit | undefined;
  readonly #timers: Timers;
  readonly #end = Promise.withResolvers<TurnEnd>();
  readonly #isIdle = Promise.withResolvers<void>();
  #state: TurnState = { kind: "waiting", session: "unknown" };

  /** `written` settles when the process has the prompt line; `earlier` are lines that belong to the turn already. */
  constructor(turn: Turn, host: TurnHost, written: Promise<void>, earlier: readonly EarlierLine[]) {
    const { clock, bounds } = host;
    this.#turn = turn;
    this.#host = host;
    this.#prompt = { id: turn.id, number: () => host.takenLineCount() };
    this.#timers = new Timers(clock);
    this.#modelCall = new ModelCallWatch(clock);
    this.ended = this.#end.promise;
    this.idle = this.#isIdle.promise;
    this.#backpressure = new Backpressure({
      bufferSize: bounds.eventBufferSize,
      stopped: () => {
        this.#silence.pause();
        host.pause();
      },
      resumed: () => {
        this.#silence.resume();
        host.resume();
      },
    });
    const unknown = new UnknownLines({ turnId: turn.id, profile: turn.profile }, host.log);
    this.#mapped = new MappedTurn({
      detail: turn.detail,
      paths: host.paths,
      forOperator: turn.forOperator,
      meter: new TurnMeter(turn.limits, bounds.maxEventsPerTurn),
      onUnknown: (name) => unknown.saw(name),
    });
    this.#output = new TurnOutput(this.#mapped, earlier, (count) => this.#backpressure.readerTook(count));
    this.written = written.catch((cause: unknown) => {
      // Not whole: nothing of it is a line yet. It must not become one by the end of the input.
      this.#killProcess("the prompt could not be written");
      throw new RunnerError("WORKER_DIED", "the worker died before it had the prompt", { cause });
    });
    // Whoever does not wait for it hears of the death by `ended`.
    this.written.catch(() => undefined);
    this.#silence = new SilenceWatch({
      clock,
      bounds,
      awaited: () => (this.#state.kind === "waiting" ? "worker" : this.#awaited.party),
      ping: () => host.request({ subtype: "get_usage" }),
      onRepeated: (silentMs) => this.#reportSilence(silentMs),
      onModelSilent: (silentMs) => this.#endEarly("upstreamSilent", silentMs),
      onWorkerSilent: (silentMs) => this.#killProcess(`the worker said nothing for ${silentMs} ms`, silentMs),
    });
    const { maxDurationMs, maxCostUsdMicros } = turn.limits;
    if (maxCostUsdMicros !== undefined) {
      this.#cost = new CostWatch(host, maxCostUsdMicros, () => this.#endEarly("costLimit"));
    }
    if (maxDurationMs !== undefined) {
      this.#duration = new DurationLimit(clock, maxDurationMs, () => this.#endEarly("durationLimit"));
    }
  }

  get events(): AsyncIterable<TurnEvent> {
    return this.#output.events;
  }

  takeReady(): TurnEvent | undefined {
    return this.#output.takeReady();
  }

  /** Why the process cannot be reset after this turn, as far as is known. */
  get taint(): Taint | undefined {
    return this.#mapped.notes.taint;
  }

  /** Whether the prompt is in the conversation of the process. */
  get hasStarted(): boolean {
    return hasStarted(this.#state);
  }

  interrupt(cause: EndCause): void {
    if (!this.#beginEnding(cause, "nothing")) return;
    this.#output.drop();
    this.#interruptProcess();
  }

  /** Takes a line of the process. `charge` comes with a result. */
  receive(message: CliMessage, line: string, charge: Charge | undefined): void {
    const state = this.#state;
    if (state.kind === "idle" || state.kind === "abandoned") return;
    const { kind, body } = message;
    this.#mapped.notes.tainted(oddityOf(state, this.#prompt, message));
    if (kind === "result") {
      const next = advance(state, this.#prompt, message, line, charge);
      if (next !== state) {
        this.#become(next);
        return;
      }
    } else if (this.#isStale(message)) {
      this.#mapped.notes.tainted("stale_events");
      return;
    }
    if (kind !== "controlResponse") this.#silence.heard();
    this.#modelCall.see(message);
    this.#awaited.see(message);
    if (kind === "init" && !this.#output.hasInit && this.#lacksSchema(body)) {
      // At once, and not by an interrupt: the model is asked within milliseconds.
      if (this.#beginEnding("schemaNotTaken", "whatCameBefore"))
        this.#killProcess("it has no tool for the output schema");
      return;
    }
    const { meter } = this.#mapped;
    meter.reported();
    this.#output.take(message, line, isShown(this.#state));
    if (kind === "apiRetry") {
      // At any level of detail: the event is for those callers who want it.
      countRetry(this.#turn.profile, body);
      if (body.error_status === 401) this.#endEarly("upstreamAuth");
    }
    if (meter.reached !== undefined) this.#endEarly(meter.reached);
    if (meter.takeCostDue()) void this.#cost?.ask();
    // Last, so that at full detail the line by which a turn ends is in front of its end.
    const next = advance(this.#state, this.#prompt, message, line, charge);
    if (next !== this.#state) this.#become(next);
  }

  /** The process wrote something; what was read of it is passed on together. */
  flush(): void {
    this.#silence.alive();
    this.#output.pass();
    const state = this.#state;
    const { unreadCount } = this.#output;
    if (!this.#backpressure.isFull(unreadCount) || !isOpen(state)) return;
    if (earlyEndOf(state) === undefined) this.#backpressure.stop();
    // The reader is owed what came before a limit, but not without bound. The answer is bounded already: it has ended.
    else if (unreadCount >= this.#host.bounds.eventBufferSize * owedBufferFactor) this.#output.dropAllButAnswer();
  }

  /** So many questions of the CLI's wait for an answer. */
  questionsOpen(count: number): void {
    const state = this.#state;
    if (state.kind === "asking" && count === 0) this.#become(state.during);
    else if ((state.kind === "waiting" || state.kind === "running") && count > 0) {
      this.#become({ kind: "asking", during: state });
    }
  }

  /** The process is gone. What it said until then was received. */
  processGone(why: string): void {
    if (this.#state.kind === "idle") return;
    this.#become({ kind: "idle", hasStarted: hasStarted(this.#state), death: { why } });
  }

  /** The one door: every change passes through here, and with the first closed state the turn's end is told. */
  #become(to: TurnState): void {
    const from = this.#state;
    if (!turnMoves[from.kind].includes(to.kind)) {
      throw new Error(`bug: a turn cannot go from ${from.kind} to ${to.kind}`);
    }
    this.#state = to;
    if (from.kind === to.kind) return;
    if (from.kind === "asking") this.#watch();
    if (isOpen(from) && !isOpen(to)) this.#tell(from, to);
    this.#entered(to);
  }

  #entered(state: TurnState): void {
    switch (state.kind) {
      case "asking":
        this.#silence.pause();
        this.#duration?.pause();
        break;
      case "ending":
        this.#unwatch();
        break;
      case "resulted": {
        this.#unwatch();
        // Counts that are text, from some gateways, make its sum no number for the rest of its life: no limit could be kept.
        if (state.result.message.body.total_cost_usd === null) this.#mapped.notes.tainted("cost_unknown");
        const { session, lifeIsOver } = state;
        if (this.#turn.detail === "full") this.#awaitIdle();
        else this.#become({ kind: "settling", hasStarted: true, session, lifeIsOver });
        break;
      }
      case "settling":
        this.#awaitIdle();
        break;
      case "idle":
        this.#timers.clear();
        this.#isIdle.resolve();
        break;
      default:
        break;
    }
  }

  #watch(): void {
    this.#silence.resume();
    this.#duration?.resume();
  }

  /** From here on the process has times of its own. */
  #unwatch(): void {
    this.#silence.stop();
    this.#duration?.pause();
  }

  /** The process has said all that it has to say about the turn; what is missing is that it is idle. */
  #awaitIdle(): void {
    this.#timers.clear();
    this.#timers.after(idleConfirmMs, () => {
      this.#mapped.notes.tainted("idle_not_confirmed");
      this.#become({ kind: "idle", hasStarted: this.hasStarted });
    });
  }

  #tell(from: OpenState, to: ClosedState): void {
    this.#timers.clear();
    this.#unwatch();
    if (isShown(from)) this.#output.showRest();
    const death = to.kind === "settling" ? undefined : to.death;
    const result = from.kind === "resulted" ? from.result : undefined;
    const early = earlyEndOf(from);
    const isCut = death !== undefined && result === undefined;
    const end = turnEnd({
      mapped: this.#mapped,
      result: result?.message.body,
      charge: result?.charge,
      cause: early?.cause,
      death: death?.why,
      wantsStructuredOutput: this.#turn.binding.outputSchemaJson !== undefined,
      isInSession: this.#turn.sessionId !== undefined,
      wallNowMs: this.#host.clock.wallNow(),
      isUsable: death === undefined && this.#mapped.notes.taint === undefined && this.#host.isClean(),
      promptNumber: promptNumberOf(from),
      cutModelCall: early?.cutModelCall ?? (isCut ? this.#modelCall.cut() : undefined),
      silentMs: early?.silentMs ?? death?.silentMs,
    });
    this.#output.end(end, result);
    this.#end.resolve(end);
    this.#backpressure.resume();
  }

  #isStale(message: CliMessage): boolean {
    const state = this.#state;
    const isNamed = !isUnfinished(state) || progressOf(state).kind === "running";
    return isNamed ? isOfAnotherMessage(message, this.#mapped.messages) : isOfAnotherTurn(message);
  }

  /** Whether the cause is the first: it is, unless there is another or the result is there. */
  #beginEnding(cause: EndCause, shows: EarlyEnd["shows"], silentMs?: number): boolean {
    const state = this.#state;
    if (!isUnfinished(state) || state.kind === "ending") return false;
    const early = { cause, shows, cutModelCall: this.#modelCall.cut(), silentMs };
    this.#become({ kind: "ending", during: progressOf(state), early });
    return true;
  }

  /** Ends the turn for a reason of its own. Its reader still gets what came before. */
  #endEarly(cause: EndCause, silentMs?: number): void {
    if (this.#beginEnding(cause, "whatCameBefore", silentMs)) this.#interruptProcess();
  }

  #interruptProcess(): void {
    this.#mapped.mute();
    this.#backpressure.resume();
    this.#timers.after(this.#host.bounds.interruptTimeoutMs, () =>
      this.#killProcess("an interrupt did not end the turn"),
    );
    const ask = (): void => {
      this.#host.request({ subtype: "interrupt", cancel_queued: true }).catch(() => {
        // It is repeated, and after that the process is ended.
      });
      this.#timers.after(interruptRepeatMs, ask);
    };
    ask();
  }

  /** Does not wait for the process to be gone: one that does not die would keep the caller. */
  #killProcess(why: string, silentMs?: number): void {
    this.#host.log.warn({ turnId: this.#turn.id, why }, "ending a worker mid-turn");
    this.#host.kill(why);
    const state = this.#state;
    if (state.kind === "abandoned" || state.kind === "idle") return;
    this.#become({ kind: "abandoned", hasStarted: hasStarted(state), death: { why, silentMs } });
  }

  /** The CLI does not say when it asks again because no byte came: what is known of it is how long that takes. */
  #reportSilence(silentMs: number): void {
    this.#host.log.warn({ turnId: this.#turn.id, silentMs }, "the model is silent mid-turn");
    if (!isShown(this.#state) || !this.#output.hasInit || this.#turn.detail === "text") return;
    this.#output.say(silenceNotice(silentMs, this.#host.bounds));
  }

  /** Whether the process dropped the schema that it was bound with, which it does without a word. */
  #lacksSchema(init: JsonObject): boolean {
    return this.#turn.binding.outputSchemaJson !== undefined && !listAt(init, "tools").includes("StructuredOutput");
  }
}
