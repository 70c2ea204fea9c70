/**
 * How turns end and how they got their worker, in words. Pure.
 */
import { ClaimSource } from "../clients/typescript/src/gen/claude/runner/v1/event_pb.ts";
import { Outcome, type TurnResult } from "../clients/typescript/src/gen/claude/runner/v1/result_pb.ts";

/** A number that this page does not know is no mistake: the server may be newer. */
const outcomeWords: Readonly<Partial<Record<Outcome, string>>> = {
  [Outcome.COMPLETED]: "completed",
  [Outcome.REFUSED]: "refused by the model",
  [Outcome.MAX_OUTPUT_TOKENS]: "cut off at the model's output limit",
  [Outcome.CONTEXT_WINDOW]: "stopped: the context window is full",
  [Outcome.INCOMPLETE]: "ended, but nothing says that the answer is complete",
  [Outcome.MODEL_CALL_LIMIT]: "stopped: it made as many model calls as it may",
  [Outcome.COST_LIMIT]: "stopped: it cost as much as it may",
  [Outcome.OUTPUT_LIMIT]: "stopped: it wrote as much as it may",
  [Outcome.DURATION_LIMIT]: "stopped: it took as long as it may",
  [Outcome.STRUCTURED_OUTPUT_FAILED]: "no answer that follows the schema",
  [Outcome.BLOCKED_BY_HOOK]: "blocked by a hook",
  [Outcome.CANCELLED]: "cancelled",
  [Outcome.DEADLINE_EXCEEDED]: "deadline exceeded",
  [Outcome.UPSTREAM_ERROR]: "the model API failed",
  [Outcome.WORKER_DIED]: "the worker died",
  [Outcome.DRAINED]: "the server shut down",
  [Outcome.CLIENT_STALLED]: "the caller did not read",
  [Outcome.INTERNAL_ERROR]: "a bug in the server",
  [Outcome.LOST]: "lost: the server died",
  [Outcome.INTERRUPTED]: "stopped",
};

export function outcomeText(outcome: Outcome): string {
  return outcomeWords[outcome] ?? `outcome ${outcome}`;
}

/** What there is to say about a turn that ended under OK without being completed; empty when it was. */
export function shortfallOf(result: TurnResult): string {
  if (result.outcome === Outcome.COMPLETED) return "";
  const words = outcomeText(result.outcome);
  const more = result.refusalExplanation === "" ? "" : ` ${result.refusalExplanation}`;
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.${more}`;
}

const claimWords: Readonly<Partial<Record<ClaimSource, string>>> = {
  [ClaimSource.REUSED]: "reused",
  [ClaimSource.SPARE]: "spare",
  [ClaimSource.COLD_NO_SPARE]: "cold start",
  [ClaimSource.COLD_POOL_OFF]: "cold start, no pool",
};

/** How a turn got its worker; empty while it has none. */
export function claimText(source: ClaimSource): string {
  if (source === ClaimSource.UNSPECIFIED) return "";
  return claimWords[source] ?? `way ${source}`;
}
