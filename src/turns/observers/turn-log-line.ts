/**
 * One log line for each turn: who, under which profile, how it ended, where the time went, what it used and cost.
 *
 * Never a prompt, an answer or a label's meaning: labels are the caller's own words for the log and nothing else.
 */
import { type Context, context } from "@opentelemetry/api";
import { conversationSource } from "../../conversations/conversation-source.ts";
import type { Claim } from "../../pool/claim.ts";
import { isRunnerError } from "../../runner-error.ts";
import { label } from "../../telemetry/label.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Turn } from "../../turn.ts";
import type { TurnEnd } from "../../turn-end.ts";
import type { ClosedTurn, TurnObserver } from "../observer.ts";
import type { StageTimes } from "../stages.ts";
import { withoutOwnWords } from "./own-words.ts";

export class TurnLogLine implements TurnObserver {
  #turn: Turn;
  readonly #log: Log;
  /** The call's span is the active one while a line is written, so that the line names its trace. */
  readonly #context: Context;
  #times: Readonly<StageTimes> = {};
  #claim: Claim | undefined;
  #queueWaitMs = 0;

  constructor(turn: Turn, log: Log, of: { readonly context: Context }) {
    this.#turn = turn;
    this.#log = log;
    this.#context = of.context;
  }

  began(times: Readonly<StageTimes>): void {
    this.#times = times;
  }

  admitted(turn: Turn): void {
    this.#turn = turn;
  }

  claimed(claim: Claim): void {
    this.#claim = claim;
    this.#queueWaitMs += claim.queueWaitMs;
  }

  takenOver(workerId: string, error: Error): void {
    this.#log.warn(
      { ...who(this.#turn), workerId, reason: label("WORKER_DIED"), why: error.message },
      "the worker died before it had the prompt; another one takes the turn",
    );
  }

  closed({ end, error }: ClosedTurn): void {
    context.with(this.#context, () => (end === undefined ? this.#notStarted(error) : this.#ended(end)));
  }

  #ended(end: TurnEnd): void {
    const turn = this.#turn;
    this.#log.info(
      {
        ...who(turn),
        outcome: label(end.outcome),
        ...(end.error && { reason: label(end.error.reason) }),
        ...(end.error?.operatorText && { upstreamWords: withoutOwnWords(end.error.operatorText, turn) }),
        claimSource: this.#claim && label(this.#claim.source),
        conversationSource: this.#claim && label(conversationSource(turn, this.#claim)),
        workerId: this.#claim?.worker.id,
        workerTurnCount: this.#claim?.turnCount,
        queueWaitMs: round(this.#queueWaitMs),
        stagesMs: Object.fromEntries(Object.entries(this.#times).map(([name, ms]) => [name, round(ms)])),
        modelCallCount: end.modelCallCount,
        usage: end.usage,
        costUsdMicros: end.costUsdMicros,
        costIsEstimate: end.costIsEstimate,
        workerReusable: end.workerReusable,
      },
      "turn ended",
    );
  }

  #notStarted(error: unknown): void {
    this.#log.info(
      {
        ...who(this.#turn),
        outcome: "not_started",
        reason: label(isRunnerError(error) ? error.reason : "INTERNAL"),
        facts: isRunnerError(error) ? error.facts : {},
        stagesMs: { total: round(this.#times.total ?? 0) },
        ...(isRunnerError(error) ? {} : { err: error }),
      },
      "turn refused",
    );
  }
}

function who(turn: Turn) {
  return {
    turnId: turn.id,
    ...(turn.sessionId !== undefined && { sessionId: turn.sessionId }),
    tenant: turn.tenant,
    profile: turn.profile,
    model: turn.settings.model,
    ...(Object.keys(turn.labels).length > 0 && { labels: turn.labels }),
  };
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}
