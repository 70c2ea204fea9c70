/**
 * Holds the spans of the workers' processes until it is known whose they are, for a moment behind the end of each turn.
 *
 * A turn is settled once, when it has been waited for: the order in which its spans came makes no difference, nor does one
 * that came twice. What the rules are is `attribute.ts`, what a trace looks like then `place.ts`.
 */
import { type SpanContext, TraceFlags } from "@opentelemetry/api";
import type { Clock } from "../clock.ts";
import type { JoiningTurn, SpannedTurn } from "../span-joiner.ts";
import { sequenceKey } from "./allow-list.ts";
import { type HeldTrace, settle } from "./attribute.ts";
import { type CliSpan, isInteraction } from "./cli-span.ts";
import type { DropReason } from "./drop-reason.ts";
import { type PlacedSpan, place } from "./place.ts";
import { SpanAllowance } from "./span-allowance.ts";

/** How long behind the end of a turn its spans are waited for, in milliseconds. They take 10 as a rule. */
export const holdMs = 250;
/** How long when not even the root is there by then: on a machine without CPU to spare one in some hundred is that late. */
export const patienceMs = 1_000;

const workerLimits = { maxSpans: 4_096, maxBytes: 4 * 1024 * 1024 };
const limits = { maxSpans: 32_768, maxBytes: 32 * 1024 * 1024 };

export interface JoinOptions {
  readonly clock: Clock;
  /** Takes what is ready: parents before their children. */
  readonly emit: (spans: readonly PlacedSpan[]) => void;
  readonly joined: (count: number) => void;
  readonly dropped: (count: number, why: DropReason) => void;
  /** A traced turn whose spans did not come. */
  readonly missed: () => void;
}

interface GrowingTrace extends HeldTrace {
  root: CliSpan | undefined;
  readonly spans: Map<string, CliSpan>;
}

interface HeldWorker {
  readonly allowance: SpanAllowance;
  readonly traces: Map<string, GrowingTrace>;
  settledNumber: number;
}

export class SpanJoin {
  readonly #options: JoinOptions;
  readonly #allowance = new SpanAllowance(limits);
  readonly #workers = new Map<string, HeldWorker>();
  readonly #waiting = new Set<WaitingTurn>();

  constructor(options: JoinOptions) {
    this.#options = options;
  }

  openWorker(workerId: string): void {
    this.#workers.set(workerId, {
      allowance: new SpanAllowance(workerLimits, this.#allowance),
      traces: new Map(),
      settledNumber: 0,
    });
  }

  /** Nothing comes of this worker any more. Turns of it that are still waited for keep what they have. */
  closeWorker(workerId: string): void {
    const worker = this.#workers.get(workerId);
    if (worker === undefined) return;
    this.#workers.delete(workerId);
    this.#settleUpTo(undefined, workerId);
    for (const [traceId, { root }] of worker.traces) this.#drop(worker, traceId, root ? "not_a_turn" : "no_root");
  }

  /** Takes what a worker's process sent. */
  receive(workerId: string, spans: readonly CliSpan[]): void {
    const worker = this.#workers.get(workerId);
    if (worker === undefined) {
      this.#options.dropped(spans.length, "late");
      return;
    }
    for (const span of spans) this.#hold(worker, span);
  }

  turnEnded(turn: SpannedTurn): JoiningTurn {
    const worker = this.#workers.get(turn.workerId);
    const waiting = new WaitingTurn(turn, this.#options.clock, {
      isComplete: () => worker === undefined || hasRootOf(worker, turn),
      due: () => this.#settleUpTo(waiting, turn.workerId),
      settle: () => worker && this.#settle(worker, turn),
      over: (trace, tools) => {
        this.#waiting.delete(waiting);
        this.#finish(turn, trace, tools);
        for (const span of trace?.spans.values() ?? []) worker?.allowance.give(span);
      },
    });
    this.#waiting.add(waiting);
    return waiting;
  }

  /** Settles what is waited for now. */
  stop(): void {
    for (const waiting of [...this.#waiting]) {
      waiting.settle();
      waiting.join(new Map());
    }
    for (const workerId of [...this.#workers.keys()]) this.closeWorker(workerId);
  }

  /**
   * Settles the turns of a worker in their order up to one, or all. A process sends in order: when something of a later
   * turn is there, nothing of an earlier one is to come.
   */
  #settleUpTo(last: WaitingTurn | undefined, workerId: string): void {
    for (const waiting of [...this.#waiting]) {
      if (waiting.turn.workerId === workerId) waiting.settle();
      if (waiting === last) return;
    }
  }

  #hold(worker: HeldWorker, span: CliSpan): void {
    const trace = worker.traces.get(span.traceId);
    if (trace?.spans.has(span.spanId)) return; // Sent twice.
    if (!worker.allowance.take(span)) {
      this.#options.dropped(1, "full");
      return;
    }
    const held = trace ?? { root: undefined, spans: new Map(), arrivedAtMs: this.#options.clock.wallNow() };
    if (trace === undefined) worker.traces.set(span.traceId, held);
    held.spans.set(span.spanId, span);
    if (isInteraction(span)) held.root ??= span;
  }

  /** Takes the turn's trace out of what is held, and drops what can be nobody's any more. */
  #settle(worker: HeldWorker, turn: SpannedTurn): HeldTrace | undefined {
    const { mine, dropped } = settle(worker.traces, turn, worker.settledNumber);
    if (turn.promptNumber !== undefined) worker.settledNumber = turn.promptNumber;
    for (const [traceId, why] of dropped) this.#drop(worker, traceId, why);
    if (mine === undefined) return undefined;
    const trace = worker.traces.get(mine);
    worker.traces.delete(mine);
    return trace;
  }

  #drop(worker: HeldWorker, traceId: string, why: DropReason): void {
    const trace = worker.traces.get(traceId);
    if (trace === undefined) return;
    worker.traces.delete(traceId);
    for (const span of trace.spans.values()) worker.allowance.give(span);
    this.#options.dropped(trace.spans.size, why);
  }

  #finish(turn: SpannedTurn, trace: HeldTrace | undefined, tools: ReadonlyMap<string, SpanContext>): void {
    const { emit, joined, dropped, missed } = this.#options;
    if ((turn.parent.traceFlags & TraceFlags.SAMPLED) === 0) {
      if (trace !== undefined) dropped(trace.spans.size, "not_sampled");
      return;
    }
    // A prompt that was not taken has no spans.
    if (trace === undefined && turn.promptNumber !== undefined) missed();
    const { spans, joinedCount, unknownCount } = place(trace, turn, tools);
    emit(spans);
    if (joinedCount > 0) joined(joinedCount);
    if (unknownCount > 0) dropped(unknownCount, "unknown_name");
  }
}

function hasRootOf({ traces }: HeldWorker, { promptNumber }: SpannedTurn): boolean {
  if (promptNumber === undefined) return true; // There is none to come.
  return [...traces.values()].some(({ root }) => root?.attributes[sequenceKey] === promptNumber);
}

interface WaitingSteps {
  /** Whether there is nothing to be patient for. */
  isComplete(): boolean;
  /** The time is up for this turn, and so for those before it. */
  due(): void;
  /** The time is up: what of the worker's spans is the turn's? */
  settle(): HeldTrace | undefined;
  /** Both are known, what came of the worker and what the caller's side has to say. */
  over(trace: HeldTrace | undefined, tools: ReadonlyMap<string, SpanContext>): void;
}

/** A turn that has ended on its worker. It is over when it has been waited for and its caller has read it to the end. */
class WaitingTurn implements JoiningTurn {
  readonly turn: SpannedTurn;
  readonly #steps: WaitingSteps;
  #cancelTimer: () => void;
  #settled: { readonly trace: HeldTrace | undefined } | undefined;
  #tools: ReadonlyMap<string, SpanContext> | undefined;
  #isOver = false;

  constructor(turn: SpannedTurn, clock: Clock, steps: WaitingSteps) {
    this.turn = turn;
    this.#steps = steps;
    this.#cancelTimer = clock.after(holdMs, () => {
      if (steps.isComplete()) return steps.due();
      this.#cancelTimer = clock.after(patienceMs - holdMs, () => steps.due());
    });
  }

  join(tools: ReadonlyMap<string, SpanContext>): void {
    this.#tools ??= tools;
    this.#advance();
  }

  /** Ends the wait. Twice is fine. */
  settle(): void {
    if (this.#settled !== undefined) return;
    this.#cancelTimer();
    this.#settled = { trace: this.#steps.settle() };
    this.#advance();
  }

  #advance(): void {
    if (this.#isOver || this.#settled === undefined || this.#tools === undefined) return;
    this.#isOver = true;
    this.#steps.over(this.#settled.trace, this.#tools);
  }
}
