/**
 * One log line for each turn: who, under which profile, how it ended, where the time went, what it used and cost.
 *
 * Never a prompt, an answer or a label's meaning: labels are the caller's own words for the log and nothing else.
 */

import type { Claim } from "../pool/claim.ts";
import { isRunnerError } from "../runner-error.ts";
import type { Log } from "../telemetry/log.ts";
import type { Turn } from "../turn.ts";
import type { TurnEnd } from "../turn-end.ts";
import { withoutOwnWords } from "./own-words.ts";
import type { TurnTrace } from "./turn-trace.ts";

export interface TurnLog {
  turn(
    trace: TurnTrace,
    turn: Turn,
    told: { readonly claim: Claim; readonly end: TurnEnd; readonly queueWaitMs: number },
  ): void;
  refusal(trace: TurnTrace, turn: Turn, error: unknown): void;
  takeover(turn: Turn, workerId: string, error: Error): void;
}

export function turnLog(log: Log): TurnLog {
  return {
    turn(trace, turn, { claim, end, queueWaitMs }) {
      trace.within(() =>
        log.info(
          {
            ...who(turn),
            outcome: end.outcome,
            ...(end.error && { reason: end.error.reason }),
            ...(end.error?.operatorText && { upstreamWords: withoutOwnWords(end.error.operatorText, turn) }),
            claimSource: claim.source,
            workerId: claim.worker.id,
            workerTurnCount: claim.turnCount,
            queueWaitMs: round(queueWaitMs),
            stagesMs: Object.fromEntries(Object.entries(trace.times).map(([name, ms]) => [name, round(ms)])),
            modelCallCount: end.modelCallCount,
            usage: end.usage,
            costUsdMicros: end.costUsdMicros,
            costIsEstimate: end.costIsEstimate,
            workerReusable: end.workerReusable,
          },
          "turn ended",
        ),
      );
    },
    refusal(trace, turn, error) {
      const reason = isRunnerError(error) ? error.reason : "INTERNAL";
      const facts = isRunnerError(error) ? error.facts : {};
      trace.within(() =>
        log.info(
          {
            ...who(turn),
            outcome: "refused",
            reason,
            facts,
            stagesMs: { total: round(trace.times.total ?? 0) },
            ...(isRunnerError(error) ? {} : { err: error }),
          },
          "turn refused",
        ),
      );
    },
    takeover(turn, workerId, error) {
      log.warn(
        { ...who(turn), workerId, reason: error.message },
        "worker died before it had the prompt; another takes the turn",
      );
    },
  };
}

function who(turn: Turn) {
  return {
    turnId: turn.id,
    tenant: turn.tenant,
    profile: turn.profile,
    model: turn.settings.model,
    ...(Object.keys(turn.labels).length > 0 && { labels: turn.labels }),
  };
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}
