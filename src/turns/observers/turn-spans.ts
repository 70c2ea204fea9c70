/**
 * The spans of one turn, below the span of its call: one for each stage, and below the turn's own the first event, the
 * first text and each tool use.
 *
 * Keeps ids, counts and names only: no prompt, no answer.
 */
import { type Attributes, type Context, type Span, type SpanContext, SpanStatusCode, trace } from "@opentelemetry/api";
import { conversationSource } from "../../conversations/conversation-source.ts";
import type { Claim } from "../../pool/claim.ts";
import type { RunnerReason } from "../../runner-error.ts";
import { errorTypeOf } from "../../telemetry/error-type.ts";
import { genAiAttributes } from "../../telemetry/gen-ai.ts";
import { attributeNames, retryEventName, spanNames, tracer } from "../../telemetry/instruments.ts";
import { label } from "../../telemetry/label.ts";
import { earlierMessageCount, type Turn } from "../../turn.ts";
import type { TurnEvent } from "../../turn-event.ts";
import type { ClosedTurn, TurnObserver } from "../observer.ts";
import type { Measured, MilestoneName, StageName } from "../stages.ts";

/** Tool uses of one turn whose contexts are kept; the spans that a process makes of further ones stand for themselves. */
const maxToolContexts = 1_024;

/** The span that a turn's lie below: that of the call which asked for it. */
export interface ParentSpan {
  readonly context: Context;
  /** A moment of the clock as a span takes it: milliseconds since 1970. */
  wall(nowMs: number): number;
  set(attributes: Attributes): void;
  /** Keeps it open until what this returns is called. */
  hold(): () => void;
  /** Fixes the moment of its end, which its owner brings about. */
  overAt(nowMs: number): void;
}

const wanted: ReadonlySet<TurnEvent["kind"]> = new Set(["init", "toolUse", "toolResult", "apiRetry"]);

export class TurnSpans implements TurnObserver {
  readonly wants = wanted;
  #turn: Turn;
  readonly #parent: ParentSpan;
  readonly #keepsToolContexts: boolean;
  readonly #letGoOfParent: () => void;
  readonly #tools = new Map<string, Span>();
  readonly #toolContexts = new Map<string, SpanContext>();
  readonly #milestones = new Map<MilestoneName, Span>();
  /** The stage that is open. */
  #stage: Span | undefined;
  /** How the turn got its worker, for the span of the claim. */
  #claim: Attributes = {};
  /** Holds the turn's span, once there is one. */
  #turnContext: Context | undefined;

  /** `keepsToolContexts`: whether somebody will ask for `toolContexts`. */
  constructor(turn: Turn, parent: ParentSpan, { keepsToolContexts = false } = {}) {
    this.#turn = turn;
    this.#parent = parent;
    this.#keepsToolContexts = keepsToolContexts;
    this.#letGoOfParent = parent.hold();
  }

  /** Where the turn's own span is, once the prompt is written. */
  get turnContext(): SpanContext | undefined {
    return this.#turnContext && trace.getSpanContext(this.#turnContext);
  }

  /** Where the spans of tool uses are, by the id of the use. */
  get toolContexts(): ReadonlyMap<string, SpanContext> {
    return this.#toolContexts;
  }

  began(): void {
    const { id, tenant, profile, detail, settings } = this.#turn;
    this.#parent.set({
      [attributeNames.turnId]: id,
      [attributeNames.tenant]: tenant,
      [attributeNames.profile]: profile,
      [attributeNames.detail]: detail,
      ...genAiAttributes(settings.model),
    });
  }

  admitted(turn: Turn): void {
    this.#turn = turn;
  }

  stageEntered(name: StageName, sinceMs: number): void {
    const startTime = this.#parent.wall(sinceMs);
    const attributes = this.#attributesOf(name);
    const span = tracer().startSpan(spanNames[name], { startTime, attributes }, this.#parent.context);
    this.#stage = span;
    if (name !== "turn") return;
    this.#turnContext = trace.setSpan(this.#parent.context, span);
    for (const each of ["firstEvent", "firstText"] as const) {
      this.#milestones.set(each, this.#below(spanNames[each], sinceMs));
    }
  }

  stageLeft({ name, atMs }: Measured<StageName>, failure: RunnerReason | undefined): void {
    const span = this.#stage;
    if (span === undefined) return;
    this.#stage = undefined;
    if (name === "turn") {
      for (const id of [...this.#tools.keys()]) this.#endTool(id, { [attributeNames.toolWasCut]: true }, atMs);
      this.#milestones.clear(); // what had not happened by now did not happen
    }
    if (failure !== undefined) markFailed(span, failure);
    span.end(this.#parent.wall(atMs));
  }

  milestoneReached({ name, atMs }: Measured<MilestoneName>): void {
    this.#milestones.get(name)?.end(this.#parent.wall(atMs));
    this.#milestones.delete(name);
  }

  claimed(claim: Claim, atMs: number): void {
    const queueLength = { [attributeNames.queueLength]: claim.queueLengthSeen };
    this.#claim = {
      [attributeNames.claimSource]: label(claim.source),
      [attributeNames.conversationSource]: label(conversationSource(this.#turn, claim)),
      [attributeNames.workerId]: claim.worker.id,
      [attributeNames.workerTurnCount]: claim.turnCount,
      [attributeNames.workerAgeMs]: Math.round(atMs - claim.worker.startedAtMs),
    };
    this.#stage?.setAttributes(queueLength);
    this.#parent.set({ ...this.#claim, ...queueLength });
  }

  saw(event: TurnEvent, atMs: number): void {
    switch (event.kind) {
      case "init":
        this.#parent.set({
          [attributeNames.genAiResponseModel]: event.model,
          [attributeNames.genAiConversationId]: event.upstreamSessionId,
        });
        return;
      case "toolUse": {
        const span = this.#below(spanNames.tool, atMs, { [attributeNames.toolName]: event.toolName });
        this.#tools.set(event.toolUseId, span);
        if (this.#keepsToolContexts && this.#toolContexts.size < maxToolContexts) {
          this.#toolContexts.set(event.toolUseId, span.spanContext());
        }
        return;
      }
      case "toolResult":
        this.#endTool(event.toolUseId, { [attributeNames.toolIsError]: event.isError }, atMs);
        return;
      case "apiRetry":
        this.#stage?.addEvent(
          retryEventName,
          {
            [attributeNames.retryAttempt]: event.attempt,
            [attributeNames.retryDelayMs]: event.delayMs,
            [attributeNames.errorType]: errorTypeOf(event.httpStatus, event.error),
          },
          this.#parent.wall(atMs),
        );
        return;
    }
  }

  replied(atMs: number): void {
    this.#parent.overAt(atMs);
  }

  closed({ end, reason }: ClosedTurn): void {
    this.#parent.set({
      [attributeNames.outcome]: end === undefined ? "not_started" : label(end.outcome),
      ...(reason && { [attributeNames.errorReason]: label(reason) }),
      ...(end && {
        [attributeNames.costUsdMicros]: end.costUsdMicros,
        [attributeNames.genAiInputTokens]: end.usage.inputTokens,
        [attributeNames.genAiOutputTokens]: end.usage.outputTokens,
        [attributeNames.genAiCacheReadTokens]: end.usage.cacheReadInputTokens,
        [attributeNames.genAiCacheCreationTokens]: end.usage.cacheCreationInputTokens,
        ...(end.stopReason && { [attributeNames.genAiFinishReasons]: [end.stopReason] }),
      }),
    });
    this.#letGoOfParent();
  }

  #attributesOf(stage: StageName): Attributes {
    if (stage === "claim") return this.#claim;
    if (stage === "seedHistory") return { [attributeNames.seededMessageCount]: earlierMessageCount(this.#turn) };
    return {};
  }

  #endTool(toolUseId: string, attributes: Attributes, atMs: number): void {
    const span = this.#tools.get(toolUseId);
    if (span === undefined) return;
    this.#tools.delete(toolUseId);
    span.setAttributes(attributes);
    span.end(this.#parent.wall(atMs));
  }

  /** A span below the turn's. */
  #below(name: string, sinceMs: number, attributes: Attributes = {}): Span {
    return tracer().startSpan(name, { startTime: this.#parent.wall(sinceMs), attributes }, this.#turnContext);
  }
}

/** That a caller cancels is no failure of anything. */
function markFailed(span: Span, reason: RunnerReason): void {
  span.setAttribute(attributeNames.errorReason, label(reason));
  if (reason !== "CANCELLED") span.setStatus({ code: SpanStatusCode.ERROR });
}
