/**
 * Where the time of one turn goes: the spans, the histograms, the timings of its result and what the view of the pool
 * tells of it, from one measurement each.
 *
 * Keeps ids, counts and names only: no prompt, no answer.
 */
import {
  type Attributes,
  type Context,
  context,
  type Span,
  type SpanContext,
  TraceFlags,
  trace,
} from "@opentelemetry/api";
import type { Clock } from "../clock.ts";
import type { Claim } from "../pool/claim.ts";
import type { JoiningTurn, SpanJoiner } from "../span-joiner.ts";
import { attributeNames, instruments, spanNames, tracer } from "../telemetry/instruments.ts";
import type { Turn } from "../turn.ts";
import type { TurnEnd } from "../turn-end.ts";
import type { TurnEvent } from "../turn-event.ts";
import type { FollowedTurn, RecentTurns } from "./recent-turns.ts";

/** The stages that are measured, in milliseconds once they are over. */
export type StageName = keyof typeof spanNames &
  ("queueWait" | "claim" | "bind" | "seedHistory" | "stdinWrite" | "firstEvent" | "firstText" | "turn");

/** Tool uses of one turn that the spans of its process are put below; those of further ones stand for themselves. */
const maxJoinedTools = 1_024;

export type StageTimes = Partial<Record<StageName | "arrivalToFirstText" | "total", number>>;

/** A stage that has begun. Ending it twice does nothing. */
export interface Stage {
  readonly spanContext: SpanContext;
  end(attributes?: Attributes): void;
  /** Takes it back, as if it had not been. */
  drop(): void;
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
  readonly #context: Context;
  readonly #arrivedAtMs: number;
  /** Turns the clock's `now()` into milliseconds since 1970, so that all spans of a turn share one time base. */
  readonly #wallOffsetMs: number;
  readonly #tools = new Map<string, Span>();
  readonly #followed: FollowedTurn;
  readonly #joiner: Pick<SpanJoiner, "turnEnded"> | undefined;
  /** Where the spans of the process belong that are about a tool use. Only what is to be joined is kept. */
  readonly #toolContexts = new Map<string, SpanContext>();
  #joining: JoiningTurn | undefined;
  #writtenAtWallMs = 0;
  #firstEvent: Stage | undefined;
  #firstText: Stage | undefined;
  #whole: Stage | undefined;

  /** `parent` holds the call's server span. */
  constructor(clock: Clock, turn: Turn, parent: Context, arrivedAtMs: number, { recentTurns, spans }: TurnFollowers) {
    this.#joiner = spans;
    this.#clock = clock;
    this.#turn = turn;
    this.#context = parent;
    this.#arrivedAtMs = arrivedAtMs;
    this.#wallOffsetMs = clock.wallNow() - clock.now();
    this.#followed = recentTurns.begin(turn, {
      arrivedAtMs,
      arrivedAtWallMs: this.#wall(arrivedAtMs),
      traceId: this.#recordedTraceId(),
      times: this.times,
    });
    this.#callSpan()?.setAttributes({
      [attributeNames.turnId]: turn.id,
      [attributeNames.tenant]: turn.tenant,
      [attributeNames.profile]: turn.profile,
      [attributeNames.detail]: turn.detail,
      [attributeNames.genAiOperation]: "chat",
      [attributeNames.genAiProvider]: "anthropic",
      [attributeNames.genAiRequestModel]: turn.settings.model,
    });
  }

  /** Runs something with the call's span as the active one, for log lines. */
  within<T>(run: () => T): T {
    return context.with(this.#context, run);
  }

  /** Begins a stage now or at an earlier moment of the clock. */
  stage(name: StageName, sinceMs = this.#clock.now()): Stage {
    const span = tracer().startSpan(spanNames[name], { startTime: this.#wall(sinceMs) }, this.#context);
    let over = false;
    return {
      spanContext: span.spanContext(),
      end: (attributes) => {
        if (over) return;
        over = true;
        const nowMs = this.#clock.now();
        this.times[name] = nowMs - sinceMs;
        if (attributes !== undefined) span.setAttributes(attributes);
        span.end(this.#wall(nowMs));
        this.#record(name, nowMs - sinceMs);
        this.#followed.stageOver();
      },
      drop: () => {
        over = true;
      },
    };
  }

  claimed(claim: Claim, claimStartedMs: number): void {
    this.#followed.claimed(claim);
    const attributes = {
      [attributeNames.claimSource]: claim.source,
      [attributeNames.workerId]: claim.worker.id,
      [attributeNames.workerTurnCount]: claim.turnCount,
      [attributeNames.workerAgeMs]: Math.round(this.#clock.now() - claim.worker.startedAtMs),
      [attributeNames.queueLength]: claim.queueLengthSeen,
    };
    const nowMs = this.#clock.now();
    const queuedUntilMs = Math.min(nowMs, claimStartedMs + claim.queueWaitMs);
    const wait = tracer().startSpan(
      spanNames.queueWait,
      { startTime: this.#wall(claimStartedMs), attributes: { [attributeNames.queueLength]: claim.queueLengthSeen } },
      this.#context,
    );
    wait.end(this.#wall(queuedUntilMs));
    this.times.queueWait = (this.times.queueWait ?? 0) + (queuedUntilMs - claimStartedMs);
    this.#record("queueWait", queuedUntilMs - claimStartedMs);
    const stage = this.stage("claim", queuedUntilMs);
    stage.end(attributes);
    this.#callSpan()?.setAttributes(attributes);
  }

  /** The prompt line is about to be written. */
  writing(): Stage {
    this.#writtenAtWallMs = this.#clock.wallNow();
    return this.stage("stdinWrite");
  }

  /** The prompt line is with the worker. */
  written(): void {
    const nowMs = this.#clock.now();
    this.#firstEvent = this.stage("firstEvent", nowMs);
    this.#firstText = this.stage("firstText", nowMs);
    this.#whole = this.stage("turn", nowMs);
  }

  /** Looks at an event on its way to the caller. */
  saw(event: TurnEvent): void {
    if (this.#firstEvent !== undefined) {
      this.#firstEvent.end();
      this.#firstEvent = undefined;
    }
    switch (event.kind) {
      case "init":
        this.#callSpan()?.setAttributes({
          [attributeNames.genAiResponseModel]: event.model,
          [attributeNames.genAiConversationId]: event.upstreamSessionId,
        });
        return;
      case "textDelta":
        if (this.#firstText !== undefined) {
          this.#firstText.end();
          this.#firstText = undefined;
          this.times.arrivalToFirstText = this.#clock.now() - this.#arrivedAtMs;
          instruments().timeToFirstToken.record((this.times.firstText ?? 0) / 1000, {
            [attributeNames.genAiRequestModel]: this.#turn.settings.model,
            [attributeNames.genAiProvider]: "anthropic",
            [attributeNames.genAiOperation]: "chat",
          });
        }
        return;
      case "toolUse": {
        const span = tracer().startSpan(
          spanNames.tool,
          { startTime: this.#wall(this.#clock.now()), attributes: { [attributeNames.toolName]: event.toolName } },
          this.#context,
        );
        this.#tools.set(event.toolUseId, span);
        if (this.#joiner !== undefined && this.#toolContexts.size < maxJoinedTools) {
          this.#toolContexts.set(event.toolUseId, span.spanContext());
        }
        return;
      }
      case "toolResult": {
        const span = this.#tools.get(event.toolUseId);
        this.#tools.delete(event.toolUseId);
        span?.setAttribute(attributeNames.toolIsError, event.isError);
        span?.end(this.#wall(this.#clock.now()));
        return;
      }
    }
  }

  /** The worker is done with the turn, its caller perhaps not yet: the spans of its process are on their way. */
  workerDone(workerId: string, end: TurnEnd): void {
    if (this.#joiner === undefined || this.#whole === undefined) return;
    const cut = end.cutModelCall;
    this.#joining = this.#joiner.turnEnded({
      id: this.#turn.id,
      workerId,
      promptNumber: end.promptNumber,
      writtenAtMs: this.#writtenAtWallMs,
      endedAtMs: this.#clock.wallNow(),
      outcome: end.outcome,
      model: this.#turn.settings.model,
      cutModelCall: cut && {
        startedAtMs: this.#wall(cut.startedAtMs),
        answeredAtMs: cut.answeredAtMs === undefined ? undefined : this.#wall(cut.answeredAtMs),
        endedAtMs: this.#wall(cut.endedAtMs),
        model: cut.model,
      },
      parent: this.#whole.spanContext,
    });
  }

  /** The last event has come: what is measured up to it is complete. */
  finish(): void {
    if (this.times.total !== undefined) return;
    this.#whole?.end(); // before the whole, of which it is a part
    this.times.total = this.#clock.now() - this.#arrivedAtMs;
    this.#firstEvent?.drop(); // what had not happened by now did not happen
    this.#firstText?.drop();
  }

  /** The turn is over, or never began: books it. `reason`: why it failed or was refused. */
  ended(outcome: string, end: TurnEnd | undefined, reason = end?.error?.reason): void {
    this.finish();
    for (const span of this.#tools.values()) {
      span.setAttribute(attributeNames.toolIsError, true);
      span.end(this.#wall(this.#clock.now()));
    }
    this.#tools.clear();
    this.#joining?.join(this.#toolContexts);
    const attributes: Attributes = { [attributeNames.outcome]: outcome };
    if (end !== undefined) {
      Object.assign(attributes, {
        [attributeNames.costUsdMicros]: end.costUsdMicros,
        [attributeNames.genAiInputTokens]: end.usage.inputTokens,
        [attributeNames.genAiOutputTokens]: end.usage.outputTokens,
        [attributeNames.genAiCacheReadTokens]: end.usage.cacheReadInputTokens,
        [attributeNames.genAiCacheCreationTokens]: end.usage.cacheCreationInputTokens,
        ...(end.stopReason && { [attributeNames.genAiFinishReasons]: [end.stopReason] }),
        ...(end.error && { [attributeNames.errorReason]: end.error.reason }),
      });
      this.#count(end);
    }
    this.#callSpan()?.setAttributes(attributes);
    instruments().turns.add(1, { [attributeNames.outcome]: outcome, [attributeNames.profile]: this.#turn.profile });
    this.#followed.ended(end, reason);
  }

  #count(end: TurnEnd): void {
    const model = {
      [attributeNames.genAiRequestModel]: this.#turn.settings.model,
      [attributeNames.genAiProvider]: "anthropic",
      [attributeNames.genAiOperation]: "chat",
    };
    instruments().tokenUsage.record(end.usage.inputTokens, { ...model, [attributeNames.genAiTokenType]: "input" });
    instruments().tokenUsage.record(end.usage.outputTokens, { ...model, [attributeNames.genAiTokenType]: "output" });
    instruments().costUsdMicros.add(end.costUsdMicros, {
      [attributeNames.profile]: this.#turn.profile,
      [attributeNames.tenant]: this.#turn.tenant,
    });
  }

  #record(name: StageName, tookMs: number): void {
    instruments().stageDuration.record(tookMs / 1000, {
      [attributeNames.stage]: name,
      [attributeNames.profile]: this.#turn.profile,
    });
  }

  /** The id under which a collector has the trace; empty when none gets it. */
  #recordedTraceId(): string {
    const of = this.#callSpan()?.spanContext();
    return of !== undefined && (of.traceFlags & TraceFlags.SAMPLED) !== 0 ? of.traceId : "";
  }

  #callSpan(): Span | undefined {
    return trace.getSpan(this.#context);
  }

  #wall(nowMs: number): number {
    return nowMs + this.#wallOffsetMs;
  }
}
