/**
 * Where the time of one turn goes: the spans, the histograms, the timings of its result and what the view of the pool
 * tells of it, from one measurement each.
 *
 * The stages tile the call: each begins where the one before it ended, so no time is between two of them. What happens
 * within the turn itself (first event, first text, tools) lies below its span.
 *
 * Keeps ids, counts and names only: no prompt, no answer.
 */
import {
  type Attributes,
  type Context,
  context,
  type Span,
  type SpanContext,
  SpanStatusCode,
  TraceFlags,
  trace,
} from "@opentelemetry/api";
import type { Clock } from "../clock.ts";
import type { Claim } from "../pool/claim.ts";
import { isRunnerError, type RunnerReason } from "../runner-error.ts";
import type { JoiningTurn, SpanJoiner } from "../span-joiner.ts";
import { errorTypeOf } from "../telemetry/error-type.ts";
import { attributeNames, instruments, retryEventName, spanNames, tracer } from "../telemetry/instruments.ts";
import type { Turn } from "../turn.ts";
import type { TurnEnd } from "../turn-end.ts";
import type { TurnEvent } from "../turn-event.ts";
import type { FollowedTurn, RecentTurns } from "./recent-turns.ts";
import type { MilestoneName, StageName, StageTimes } from "./stages.ts";
import type { CallSpan } from "./traced.ts";

/** Tool uses of one turn that the spans of its process are put below; those of further ones stand for themselves. */
const maxJoinedTools = 1_024;

interface Measured<N> {
  readonly name: N;
  readonly sinceMs: number;
  readonly span: Span;
}

/** Who is told about turns beside their callers. */
export interface TurnFollowers {
  /** Shows where the time of a turn went, while it runs and for a while afterwards. */
  readonly recentTurns: RecentTurns;
  /** Takes the spans of the workers' own processes into the traces of turns. Absent: they make none. */
  readonly spans?: Pick<SpanJoiner, "turnEnded"> | undefined;
}

export class TurnTrace {
  readonly times: StageTimes = {};
  readonly #clock: Clock;
  readonly #turn: Turn;
  readonly #call: CallSpan;
  readonly #arrivedAtMs: number;
  readonly #letGoOfCall: () => void;
  readonly #followed: FollowedTurn;
  readonly #joiner: Pick<SpanJoiner, "turnEnded"> | undefined;
  readonly #tools = new Map<string, Span>();
  readonly #milestones = new Map<MilestoneName, Measured<MilestoneName>>();
  /** Where the next stage begins. */
  #reachedMs: number;
  #stage: Measured<StageName> | undefined;
  /** Holds the turn's span, once there is one. */
  #turnContext: Context | undefined;
  #callIsOver = false;
  /** Where the spans of the process belong that are about a tool use. Only what is to be joined is kept. */
  readonly #toolContexts = new Map<string, SpanContext>();
  #joining: JoiningTurn | undefined;
  /** When the prompt line was about to be written. */
  #writtenAtWallMs = 0;

  constructor(clock: Clock, turn: Turn, call: CallSpan, arrivedAtMs: number, { recentTurns, spans }: TurnFollowers) {
    this.#clock = clock;
    this.#turn = turn;
    this.#call = call;
    this.#arrivedAtMs = arrivedAtMs;
    this.#reachedMs = call.startedMs;
    this.#letGoOfCall = call.hold();
    this.#joiner = spans;
    this.#followed = recentTurns.begin(turn, {
      arrivedAtMs,
      arrivedAtWallMs: call.wall(arrivedAtMs),
      traceId: recordedTraceId(call.context),
      times: this.times,
    });
    call.set({
      [attributeNames.turnId]: turn.id,
      [attributeNames.tenant]: turn.tenant,
      [attributeNames.profile]: turn.profile,
      [attributeNames.detail]: turn.detail,
      ...this.#genAi(),
    });
    this.enter("check");
  }

  /** Runs something with the call's span as the active one, for log lines. */
  within<T>(run: () => T): T {
    return context.with(this.#call.context, run);
  }

  /** Ends the stage before and begins another. */
  enter(name: StageName, attributes: Attributes = {}): void {
    this.#leave(this.#clock.now());
    if (name === "stdinWrite") this.#writtenAtWallMs = this.#clock.wallNow();
    const startTime = this.#call.wall(this.#reachedMs);
    const span = tracer().startSpan(spanNames[name], { startTime, attributes }, this.#call.context);
    this.#stage = { name, sinceMs: this.#reachedMs, span };
  }

  /** There is a worker: the wait for it is over. */
  claimed(claim: Claim): void {
    const { queueLengthSeen } = claim;
    this.#followed.claimed(claim);
    this.#stage?.span.setAttribute(attributeNames.queueLength, queueLengthSeen);
    this.#leave(Math.min(this.#clock.now(), this.#reachedMs + claim.queueWaitMs));
    const decision = {
      [attributeNames.claimSource]: claim.source,
      [attributeNames.workerId]: claim.worker.id,
      [attributeNames.workerTurnCount]: claim.turnCount,
      [attributeNames.workerAgeMs]: Math.round(this.#clock.now() - claim.worker.startedAtMs),
    };
    this.enter("claim", decision);
    this.#call.set({ ...decision, [attributeNames.queueLength]: queueLengthSeen });
  }

  /** The stage did not come to its end. The turn is refused, or goes on with another worker. */
  failed(error: unknown): void {
    if (this.#stage !== undefined) markFailed(this.#stage.span, isRunnerError(error) ? error.reason : "INTERNAL");
    this.#leave(this.#clock.now());
  }

  /** The prompt line is with the worker. */
  written(): void {
    this.enter("turn");
    const { span, sinceMs } = this.#stage!;
    this.#turnContext = trace.setSpan(this.#call.context, span);
    for (const name of ["firstEvent", "firstText"] as const) {
      this.#milestones.set(name, { name, sinceMs, span: this.#below(spanNames[name], sinceMs) });
    }
  }

  /** Looks at an event on its way to the caller. */
  saw(event: TurnEvent): void {
    this.#reached("firstEvent");
    switch (event.kind) {
      case "init":
        this.#call.set({
          [attributeNames.genAiResponseModel]: event.model,
          [attributeNames.genAiConversationId]: event.upstreamSessionId,
        });
        return;
      case "textDelta":
        if (!this.#reached("firstText")) return;
        this.times.arrivalToFirstText = this.#clock.now() - this.#arrivedAtMs;
        instruments().timeToFirstToken.record((this.times.firstText ?? 0) / 1000, {
          [attributeNames.profile]: this.#turn.profile,
          ...this.#genAi(),
        });
        return;
      case "toolUse": {
        const span = this.#below(spanNames.tool, this.#clock.now(), { [attributeNames.toolName]: event.toolName });
        this.#tools.set(event.toolUseId, span);
        if (this.#joiner !== undefined && this.#toolContexts.size < maxJoinedTools) {
          this.#toolContexts.set(event.toolUseId, span.spanContext());
        }
        return;
      }
      case "toolResult":
        this.#endTool(event.toolUseId, { [attributeNames.toolIsError]: event.isError });
        return;
      case "apiRetry":
        this.#sawRetry(event);
        return;
    }
  }

  /** The worker is done with the turn, its caller perhaps not yet: the spans of its process are on their way. */
  workerDone(workerId: string, end: TurnEnd): void {
    const turnSpan = this.#turnContext && trace.getSpan(this.#turnContext);
    if (this.#joiner === undefined || turnSpan === undefined) return;
    const cut = end.cutModelCall;
    const wall = (atMs: number) => this.#call.wall(atMs);
    this.#joining = this.#joiner.turnEnded({
      id: this.#turn.id,
      workerId,
      promptNumber: end.promptNumber,
      writtenAtMs: this.#writtenAtWallMs,
      endedAtMs: this.#clock.wallNow(),
      outcome: end.outcome,
      model: this.#turn.settings.model,
      cutModelCall: cut && {
        startedAtMs: wall(cut.startedAtMs),
        answeredAtMs: cut.answeredAtMs === undefined ? undefined : wall(cut.answeredAtMs),
        endedAtMs: wall(cut.endedAtMs),
        model: cut.model,
      },
      parent: turnSpan.spanContext(),
    });
  }

  /** The last event has come: what is measured up to it is complete. */
  finish(end?: TurnEnd): void {
    if (this.times.total !== undefined) return;
    const nowMs = this.#clock.now();
    for (const id of [...this.#tools.keys()]) this.#endTool(id, { [attributeNames.toolWasCut]: true }, nowMs);
    this.#milestones.clear(); // what had not happened by now did not happen
    if (end?.error !== undefined && this.#stage !== undefined) markFailed(this.#stage.span, end.error.reason);
    this.#leave(nowMs);
    this.times.total = nowMs - this.#arrivedAtMs;
  }

  /** The call is over for its caller. A turn whose caller has gone goes on until its worker has stopped. */
  callOver(): void {
    if (this.#callIsOver) return;
    this.#callIsOver = true;
    if (this.#stage?.name !== "turn") {
      this.enter("reply");
      this.#leave(this.#clock.now());
      this.#call.overAt(this.#reachedMs);
    } else this.#call.overAt(this.#clock.now());
  }

  /** The turn is over, or never began: books it. `reason`: why it failed or was refused. */
  ended(outcome: string, end: TurnEnd | undefined, reason: RunnerReason | undefined = end?.error?.reason): void {
    this.finish(end);
    this.#call.set({
      [attributeNames.outcome]: outcome,
      ...(reason && { [attributeNames.errorReason]: reason }),
      ...(end && {
        [attributeNames.costUsdMicros]: end.costUsdMicros,
        [attributeNames.genAiInputTokens]: end.usage.inputTokens,
        [attributeNames.genAiOutputTokens]: end.usage.outputTokens,
        [attributeNames.genAiCacheReadTokens]: end.usage.cacheReadInputTokens,
        [attributeNames.genAiCacheCreationTokens]: end.usage.cacheCreationInputTokens,
        ...(end.stopReason && { [attributeNames.genAiFinishReasons]: [end.stopReason] }),
      }),
    });
    this.#letGoOfCall();
    instruments().turns.add(1, {
      [attributeNames.profile]: this.#turn.profile,
      [attributeNames.outcome]: outcome,
      ...(reason && { [attributeNames.errorReason]: reason }),
    });
    if (end !== undefined) this.#count(end);
    this.#joining?.join(this.#toolContexts);
    this.#followed.ended(end, reason);
  }

  #count({ usage, costUsdMicros }: TurnEnd): void {
    const { profile, tenant, settings } = this.#turn;
    const kinds = {
      input: usage.inputTokens,
      output: usage.outputTokens,
      cache_read: usage.cacheReadInputTokens,
      cache_creation: usage.cacheCreationInputTokens,
    };
    for (const [kind, count] of Object.entries(kinds)) {
      instruments().tokenUsage.record(count, {
        [attributeNames.profile]: profile,
        [attributeNames.genAiTokenType]: kind,
        ...this.#genAi(),
      });
    }
    instruments().costUsdMicros.add(costUsdMicros, {
      [attributeNames.profile]: profile,
      [attributeNames.tenant]: tenant,
      [attributeNames.genAiRequestModel]: settings.model,
    });
  }

  /** Ends the stage that is open, if one is. */
  #leave(atMs: number): void {
    const stage = this.#stage;
    if (stage === undefined) return;
    this.#stage = undefined;
    this.#reachedMs = atMs;
    this.#close(stage, atMs);
  }

  /** Whether it was reached just now. */
  #reached(name: MilestoneName): boolean {
    const milestone = this.#milestones.get(name);
    if (milestone === undefined) return false;
    this.#milestones.delete(name);
    this.#close(milestone, this.#clock.now());
    return true;
  }

  #close({ name, sinceMs, span }: Measured<StageName | MilestoneName>, atMs: number): void {
    const tookMs = atMs - sinceMs;
    this.times[name] = (this.times[name] ?? 0) + tookMs;
    span.end(this.#call.wall(atMs));
    this.#followed.stageOver();
    instruments().stageDuration.record(tookMs / 1000, {
      [attributeNames.stage]: name,
      [attributeNames.profile]: this.#turn.profile,
    });
  }

  #sawRetry({ attempt, delayMs, httpStatus, error }: Extract<TurnEvent, { kind: "apiRetry" }>): void {
    const turnSpan = this.#turnContext && trace.getSpan(this.#turnContext);
    const attributes = {
      [attributeNames.retryAttempt]: attempt,
      [attributeNames.retryDelayMs]: delayMs,
      [attributeNames.errorType]: errorTypeOf(httpStatus, error),
    };
    turnSpan?.addEvent(retryEventName, attributes, this.#call.wall(this.#clock.now()));
  }

  #endTool(toolUseId: string, attributes: Attributes, atMs = this.#clock.now()): void {
    const span = this.#tools.get(toolUseId);
    if (span === undefined) return;
    this.#tools.delete(toolUseId);
    span.setAttributes(attributes);
    span.end(this.#call.wall(atMs));
  }

  /** A span below the turn's. */
  #below(name: string, sinceMs: number, attributes: Attributes = {}): Span {
    return tracer().startSpan(name, { startTime: this.#call.wall(sinceMs), attributes }, this.#turnContext);
  }

  /** What the GenAI conventions want on spans and metrics alike. */
  #genAi(): Attributes {
    return {
      [attributeNames.genAiOperation]: "chat",
      [attributeNames.genAiProvider]: "anthropic",
      [attributeNames.genAiRequestModel]: this.#turn.settings.model,
    };
  }
}

/** The id under which a collector has the trace; empty when none gets it. */
function recordedTraceId(call: Context): string {
  const of = trace.getSpan(call)?.spanContext();
  return of !== undefined && (of.traceFlags & TraceFlags.SAMPLED) !== 0 ? of.traceId : "";
}

/** That a caller cancels is no failure of anything. */
function markFailed(span: Span, reason: RunnerReason): void {
  span.setAttribute(attributeNames.errorReason, reason);
  if (reason !== "CANCELLED") span.setStatus({ code: SpanStatusCode.ERROR });
}
