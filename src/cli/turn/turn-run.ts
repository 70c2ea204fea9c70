/**
 * One turn on a process: from the prompt line to its result, and on until the process is idle.
 *
 * Decides when the turn has begun and when it is over, ends it early, and bounds it: limits, silence, a slow reader. What
 * the lines mean is `turn-mapper.ts`, how the turn is judged `judge.ts`, and whether the process is used again is its
 * worker's matter.
 *
 * ```
 * waiting ──lifecycle of our prompt──▶ running ──its result──▶ resulted ──lifecycle ends, idle──▶ idle
 *    └── cancelled before it started ──────────────────────────────────────────────────────────▶ idle
 * any ──process gone, or given up──▶ idle
 * ```
 */
import type { Clock } from "../../clock.ts";
import { RunnerError } from "../../runner-error.ts";
import { errorTypeOf } from "../../telemetry/error-type.ts";
import { attributeNames, instruments } from "../../telemetry/instruments.ts";
import type { Log } from "../../telemetry/log.ts";
import { Timers } from "../../timers.ts";
import type { Turn } from "../../turn.ts";
import type { CutModelCall, EndCause, TurnEnd } from "../../turn-end.ts";
import type { TurnEvent } from "../../turn-event.ts";
import type { RunningTurn } from "../../worker-process.ts";
import { MappedTurn, type Taint } from "../mapping/mapped-turn.ts";
import { TurnMeter } from "../mapping/meter.ts";
import { mapEnd, mapMessage } from "../mapping/turn-mapper.ts";
import type { Line } from "../process/line-pieces.ts";
import type { CliMessage, CliMessageKind } from "../protocol/cli-messages.ts";
import type { RequestOptions } from "../protocol/control.ts";
import type { HostPaths } from "../protocol/host-paths.ts";
import { type JsonObject, listAt, numberAt, objectAt, textAt } from "../protocol/json-members.ts";
import { promptLine } from "../protocol/user-line.ts";
import { AwaitedParty } from "./awaited.ts";
import type { Charge } from "./charges.ts";
import { CostWatch } from "./cost-watch.ts";
import { isResultOf, turnEnd } from "./end-of-turn.ts";
import { EventPipe } from "./event-pipe.ts";
import { ModelCallWatch } from "./model-call-watch.ts";
import { type SilenceBounds, SilenceWatch } from "./silence-watch.ts";

/** How often an interrupt is repeated until the turn ends: one that came too early was lost in older versions. */
const interruptRepeatMs = 500;
/** How long the CLI may take after a result to say that it is idle; 2 ms as a rule. */
const idleConfirmMs = 1_000;
/** How far the buffer of a reader may grow while a turn is being ended that the reader is still owed, in its own size. */
const owedBufferFactor = 8;

export interface TurnBounds extends SilenceBounds {
  readonly eventBufferSize: number;
  readonly maxEventsPerTurn: number;
  readonly interruptTimeoutMs: number;
}

/** What a turn needs of its worker. */
export interface TurnHost {
  readonly clock: Clock;
  readonly log: Log;
  readonly paths: HostPaths;
  readonly bounds: TurnBounds;
  /** The cost of all turns before, in millionths of a US dollar. */
  readonly chargedUsdMicros: number;
  /** User lines that the process has taken so far, this turn's included once it has started. */
  takenLineCount(): number;
  write(line: Line): Promise<void>;
  request(
    request: { readonly subtype: string; readonly [key: string]: unknown },
    options?: RequestOptions,
  ): Promise<JsonObject>;
  pause(): void;
  resume(): void;
  /** Ends the process at once. */
  kill(why: string): void;
  /** Whether nothing has happened on the process that keeps it from being used again. */
  isClean(): boolean;
}

/** A line that was read for this turn before it was run: of its seeded history. */
export interface EarlierLine {
  readonly message: CliMessage;
  readonly line: string;
}

/** Lines that belong to a turn and to nothing else. Before ours was acknowledged they are another's. */
const turnKinds: ReadonlySet<CliMessageKind> = new Set([
  "streamEvent",
  "assistant",
  "user",
  "init",
  "status",
  "apiRetry",
]);

/** Events of a stream that come after its `message_start`. */
const partsOfMessages: ReadonlySet<unknown> = new Set([
  "content_block_start",
  "content_block_delta",
  "content_block_stop",
  "message_delta",
  "message_stop",
]);

const isOfAnswer = ({ kind }: TurnEvent) => kind === "textDelta" || kind === "retracted";

type Phase = "waiting" | "running" | "resulted" | "idle";

export class TurnRun implements RunningTurn {
  readonly written: Promise<void>;
  readonly ended: Promise<TurnEnd>;
  readonly idle: Promise<void>;
  readonly #turn: Turn;
  readonly #host: TurnHost;
  readonly #mapped: MappedTurn;
  readonly #pipe: EventPipe;
  readonly #isFull: boolean;
  readonly #end = Promise.withResolvers<TurnEnd>();
  readonly #isIdle = Promise.withResolvers<void>();

  #phase: Phase = "waiting";
  /** Whether the CLI took the prompt into the conversation. */
  #hasStarted = false;
  #promptNumber: number | undefined;
  readonly #modelCall: ModelCallWatch;
  #cutModelCall: CutModelCall | undefined;
  #hasInit = false;
  #beforeInit: TurnEvent[] = [];
  #batch: TurnEvent[] = [];
  #cause: EndCause | undefined;
  #isDropping = false;
  #result: JsonObject | undefined;
  #resultLine: string | undefined;
  #charge: Charge | undefined;
  #isOver = false;
  #lifecycleIsOver = false;
  #sessionState: "running" | "idle" | undefined;
  readonly #awaited = new AwaitedParty();
  readonly #silence: SilenceWatch;
  /** How long it was silent when it was ended for that, in milliseconds. */
  #silentMs: number | undefined;
  #pausedAtMs: number | undefined;
  readonly #cost: CostWatch | undefined;
  readonly #timers: Timers;

  constructor(turn: Turn, host: TurnHost, earlier: readonly EarlierLine[]) {
    this.#turn = turn;
    this.#host = host;
    this.#isFull = turn.detail === "full";
    this.#timers = new Timers(host.clock);
    this.#modelCall = new ModelCallWatch(host.clock);
    this.ended = this.#end.promise;
    this.idle = this.#isIdle.promise;
    this.#pipe = new EventPipe(() => this.#afterRead());
    this.#mapped = new MappedTurn({
      detail: turn.detail,
      paths: host.paths,
      forOperator: turn.forOperator,
      meter: new TurnMeter(turn.limits, host.bounds.maxEventsPerTurn),
      onUnknown: (name) => this.#countUnknown(name),
    });
    if (this.#isFull) for (const { message, line } of earlier) this.#beforeInit.push(this.#carrier(message, line));
    this.written = this.#write();
    // Whoever does not wait for it hears of the death by `ended`.
    this.written.catch(() => undefined);
    this.#silence = new SilenceWatch({
      clock: host.clock,
      bounds: host.bounds,
      awaited: () => (this.#phase === "waiting" ? "worker" : this.#awaited.party),
      ping: () => host.request({ subtype: "get_usage" }),
      onRepeated: (silentMs) => this.#reportSilence(silentMs),
      onModelSilent: (silentMs) => {
        this.#silentMs = silentMs;
        this.#endEarly("upstreamSilent");
      },
      onWorkerSilent: (silentMs) => {
        this.#silentMs = silentMs;
        this.#giveUp(`the worker said nothing for ${silentMs} ms`);
      },
    });
    const { maxDurationMs, maxCostUsdMicros } = turn.limits;
    if (maxCostUsdMicros !== undefined) {
      this.#cost = new CostWatch(host, maxCostUsdMicros, () => this.#endEarly("costLimit"));
    }
    if (maxDurationMs !== undefined) this.#timers.after(maxDurationMs, () => this.#endEarly("durationLimit"));
  }

  get events(): AsyncIterable<TurnEvent> {
    return this.#pipe;
  }

  takeReady(): TurnEvent | undefined {
    return this.#pipe.takeReady();
  }

  /** Why the process cannot be reset after this turn, as far as is known. */
  get taint(): Taint | undefined {
    return this.#mapped.taint;
  }

  /** Whether the prompt is in the conversation of the process. */
  get hasStarted(): boolean {
    return this.#hasStarted;
  }

  blockedMs(): number {
    return this.#pausedAtMs === undefined ? 0 : this.#host.clock.now() - this.#pausedAtMs;
  }

  interrupt(cause: EndCause): void {
    if (!this.#setCause(cause)) return;
    this.#isDropping = true;
    this.#mapped.mute();
    this.#beforeInit = [];
    this.#batch = [];
    this.#pipe.drop();
    this.#interruptProcess();
  }

  /** Takes a line of the process. `charge` comes with a result. */
  receive(message: CliMessage, line: string, charge: Charge | undefined): void {
    if (this.#phase === "idle") return;
    const { kind, body } = message;
    if (kind === "lifecycle" && body.command_uuid === this.#turn.id) this.#noteLifecycle(textAt(body, "state"));
    else if (kind === "sessionState") this.#sessionState = body.state === "idle" ? "idle" : "running";

    if (kind === "result") {
      const isOurs = this.#phase !== "waiting" && isResultOf(body, this.#turn.id);
      if (isOurs && this.#phase === "running") {
        this.#takeResult(body, line, charge);
        return;
      }
      this.#mapped.taint ??= isOurs ? "second_result" : "foreign_turn";
    } else if (this.#isStale(kind, body)) {
      // Of an older turn, after a cancel: never to be taken for this one's.
      this.#mapped.taint ??= "stale_events";
      return;
    }
    if (kind !== "controlResponse") this.#silence.heard();
    this.#modelCall.see(message);
    this.#awaited.see(message);
    if (kind === "init" && !this.#hasInit && this.#lacksSchema(body)) {
      // At once, and not by an interrupt: the model is asked within milliseconds.
      if (this.#setCause("schemaNotTaken")) this.#giveUp("it has no tool for the output schema");
      return;
    }
    const { meter } = this.#mapped;
    meter.reported();
    this.#map(message, line);
    if (kind === "apiRetry") this.#noteRetry(body);
    if (meter.reached !== undefined) this.#endEarly(meter.reached);
    if (meter.takeCostDue()) void this.#cost?.ask();
    this.#advance();
  }

  /** Whether a line is of a turn before: it comes before ours was acknowledged, or to a message that did not begin in ours. */
  #isStale(kind: CliMessageKind, body: JsonObject): boolean {
    if (this.#phase === "waiting") return turnKinds.has(kind);
    if (kind !== "streamEvent") return false;
    const { current } = this.#mapped.messages;
    const messageId = textAt(body, "api_message_id");
    if (messageId === current?.id) return false;
    const { type } = objectAt(body, "event");
    if (messageId === "") return current === undefined && partsOfMessages.has(type);
    return type !== "message_start" && this.#mapped.messages.find(messageId) === undefined;
  }

  /** The process wrote something; what was read of it is passed on together. */
  flush(): void {
    this.#silence.alive();
    if (this.#batch.length > 0) {
      const batch = this.#batch;
      this.#batch = [];
      this.#pipe.push(batch);
    }
    const { eventBufferSize } = this.#host.bounds;
    const unread = this.#pipe.unreadCount;
    if (unread < eventBufferSize || this.#isOver) return;
    if (this.#cause === undefined) this.#pause();
    // The reader is owed what came before a limit, but not without bound. The answer is bounded already: it has ended.
    else if (unread >= eventBufferSize * owedBufferFactor) this.#pipe.drop(isOfAnswer);
  }

  /** The process is gone. What it said until then was received. */
  processGone(why: string): void {
    this.#noteCut();
    this.#finish(why);
    this.#becomeIdle();
  }

  async #write(): Promise<void> {
    try {
      await this.#host.write(promptLine(this.#turn.id, this.#turn.content));
    } catch (cause) {
      // Not whole: nothing of it is a line yet. It must not become one by the end of the input.
      this.#giveUp("the prompt could not be written");
      throw new RunnerError("WORKER_DIED", "the worker died before it had the prompt", { cause });
    }
  }

  #noteLifecycle(state: string): void {
    if (this.#phase === "waiting") this.#phase = "running";
    if (state === "started") {
      this.#hasStarted = true;
      this.#promptNumber = this.#host.takenLineCount();
    } else if (state === "completed" || state === "cancelled") this.#lifecycleIsOver = true;
  }

  #takeResult(body: JsonObject, line: string, charge: Charge | undefined): void {
    this.#hasStarted = true;
    this.#result = body;
    this.#charge = charge;
    this.#phase = "resulted";
    this.#timers.clear();
    this.#silence.stop();
    // Counts that are text, from some gateways, make its sum no number for the rest of its life: no limit could be kept.
    if (body.total_cost_usd === null) this.#mapped.taint ??= "cost_unknown";
    if (this.#isFull) this.#resultLine = this.#mapped.rawLine({ kind: "result", name: "result", body }, line);
    else this.#finish(undefined);
    this.#awaitIdle();
  }

  /** The process has said all that it has to say about the turn; what is missing is that it is idle. */
  #awaitIdle(): void {
    this.#timers.after(idleConfirmMs, () => {
      this.#mapped.taint ??= "idle_not_confirmed";
      this.#finish(undefined);
      this.#becomeIdle();
    });
  }

  #map(message: CliMessage, line: string): void {
    if (this.#isDropping || (this.#isOver && !this.#isFull)) {
      mapMessage(this.#mapped, message, []); // For what is counted and noted.
      return;
    }
    if (this.#mapped.meter.hasTooManyEvents) {
      const events: TurnEvent[] = [];
      mapMessage(this.#mapped, message, events);
      // What is taken back has to be told; of the rest there was too much.
      this.#batch.push(...events.filter(({ kind }) => kind === "retracted"));
      return;
    }
    const isInit = message.kind === "init" && !this.#hasInit;
    const target = this.#hasInit || isInit ? this.#batch : this.#beforeInit;
    const from = target.length;
    // A further `init` in the turn says nothing new.
    if (message.kind !== "init" || isInit) mapMessage(this.#mapped, message, target);
    if (this.#isFull) {
      if (target.length > from) target[from] = { ...target[from]!, raw: this.#mapped.rawLine(message, line) };
      else target.push(this.#carrier(message, line));
    }
    if (isInit) {
      this.#hasInit = true;
      for (const event of this.#beforeInit) this.#batch.push(event);
      this.#beforeInit = [];
    }
  }

  /** A line that is kept for its own sake, at full detail. */
  #carrier(message: CliMessage, line: string): TurnEvent {
    return { kind: "unknown", name: message.name, internal: true, raw: this.#mapped.rawLine(message, line) };
  }

  /** Goes on to the end once the process has said so. */
  #advance(): void {
    if (!this.#lifecycleIsOver) return;
    if (this.#phase === "running") {
      // Cancelled before it started, or ended without a word.
      if (this.#hasStarted) this.#mapped.taint ??= "unexpected_end";
      this.#finish(undefined);
      this.#phase = "resulted";
      this.#awaitIdle();
    }
    // Versions and settings without session states end here.
    if (this.#sessionState === "running") return;
    this.#finish(undefined);
    this.#becomeIdle();
  }

  #finish(death: string | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timers.clear();
    if (!this.#isDropping) mapEnd(this.#mapped, this.#batch);
    this.#silence.stop();
    const end = turnEnd({
      mapped: this.#mapped,
      result: this.#result,
      charge: this.#charge,
      cause: this.#cause,
      death,
      wantsStructuredOutput: this.#turn.binding.outputSchemaJson !== undefined,
      wallNowMs: this.#host.clock.wallNow(),
      isUsable: death === undefined && this.#mapped.taint === undefined && this.#host.isClean(),
      promptNumber: this.#promptNumber,
      cutModelCall: this.#cutModelCall,
      silentMs: this.#silentMs,
    });
    this.#pipe.push(this.#batch);
    this.#batch = [];
    this.#beforeInit = []; // Without `init` there was no turn for its reader.
    this.#pipe.end({ kind: "ended", end, ...(this.#resultLine !== undefined && { raw: this.#resultLine }) });
    this.#end.resolve(end);
    this.#resumeReading();
  }

  #becomeIdle(): void {
    if (this.#phase === "idle") return;
    this.#phase = "idle";
    this.#timers.clear();
    this.#isIdle.resolve();
  }

  /** Whether the cause is the first: it is, unless there is another or the result is there. */
  #setCause(cause: EndCause): boolean {
    if (this.#cause !== undefined || this.#result !== undefined || this.#isOver) return false;
    this.#cause = cause;
    this.#noteCut();
    return true;
  }

  #noteCut(): void {
    if (this.#result === undefined) this.#cutModelCall ??= this.#modelCall.cut();
  }

  /** Ends the turn for a reason of its own. Its reader still gets what came before. */
  #endEarly(cause: EndCause): void {
    if (!this.#setCause(cause)) return;
    this.#mapped.mute();
    this.#interruptProcess();
  }

  #interruptProcess(): void {
    this.#resumeReading();
    this.#silence.stop();
    this.#timers.after(this.#host.bounds.interruptTimeoutMs, () => this.#giveUp("an interrupt did not end the turn"));
    const ask = (): void => {
      this.#host.request({ subtype: "interrupt", cancel_queued: true }).catch(() => {
        // It is repeated, and after that the process is ended.
      });
      this.#timers.after(interruptRepeatMs, ask);
    };
    ask();
  }

  /** Does not wait for the process to be gone: one that does not die would keep the caller. */
  #giveUp(why: string): void {
    this.#noteCut();
    this.#host.log.warn({ turnId: this.#turn.id, why }, "ending a worker in mid-turn");
    this.#host.kill(why);
    this.#finish(why);
  }

  /** The CLI does not say when it asks again because no byte came: what is known of it is how long that takes. */
  #reportSilence(silentMs: number): void {
    const seconds = (ms: number) => Math.floor(ms / 1_000);
    const text =
      `The model API has sent nothing for ${seconds(silentMs)} s. After ${seconds(this.#host.bounds.upstreamIdleTimeoutMs)} s ` +
      "without a byte Claude Code sends the request again; each attempt may be charged.";
    this.#host.log.warn({ turnId: this.#turn.id, silentMs }, "the model is silent in mid-turn");
    if (this.#isDropping || !this.#hasInit || this.#turn.detail === "text") return;
    this.#pipe.push([{ kind: "notice", level: "warning", noticeKind: "upstream_silent", text }]);
  }

  #pause(): void {
    if (this.#pausedAtMs !== undefined) return;
    this.#pausedAtMs = this.#host.clock.now();
    this.#silence.pause();
    this.#host.pause();
  }

  #resumeReading(): void {
    if (this.#pausedAtMs === undefined) return;
    this.#pausedAtMs = undefined;
    this.#silence.resume();
    this.#host.resume();
  }

  #afterRead(): void {
    if (this.#pausedAtMs !== undefined && this.#pipe.unreadCount <= this.#host.bounds.eventBufferSize / 2) {
      this.#resumeReading();
    }
  }

  /** Whether the process dropped the schema that it was bound with, which it does without a word. */
  #lacksSchema(init: JsonObject): boolean {
    return this.#turn.binding.outputSchemaJson !== undefined && !listAt(init, "tools").includes("StructuredOutput");
  }

  /** Counted at any level of detail: the event is for those callers who want it. */
  #noteRetry(body: JsonObject): void {
    instruments().upstreamRetries.add(1, {
      [attributeNames.profile]: this.#turn.profile,
      [attributeNames.errorType]: errorTypeOf(numberAt(body, "error_status"), textAt(body, "error")),
    });
    if (body.error_status === 401) this.#endEarly("upstreamAuth");
  }

  #countUnknown(name: string): void {
    // The CLI's own word; bounded, since it becomes an attribute.
    instruments().unknownEvents.add(1, {
      [attributeNames.profile]: this.#turn.profile,
      [attributeNames.eventName]: name.slice(0, 80),
    });
  }
}
