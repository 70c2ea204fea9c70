/**
 * How a turn ended, from what the CLI said, what we asked for and whether the process lived: a pure decision.
 *
 * Judges by `is_error`, then `subtype`, then `terminal_reason`, then the last error that the CLI reported: its `success`
 * does not mean success. Whether a failure is ABORTED because something had been streamed is decided by the service, from
 * the fact `contentStreamed`.
 */

import { redactSecrets } from "../../redact.ts";
import { RunnerError, type RunnerReason } from "../../runner-error.ts";
import type { EndCause, Outcome, UpstreamFailure } from "../../turn-end.ts";
import type { ReportedFailure } from "../mapping/turn-notes.ts";
import { flagAt, isObject, type JsonObject, numberAt, objectAt, textAt, toCount } from "../protocol/json-members.ts";
import { failureSentence, wordOf } from "../upstream/failure-sentence.ts";
import { upstreamReason } from "../upstream/upstream-reason.ts";

/** The most of the model API's words that operators and the log get. */
const maxOperatorChars = 500;

export interface TurnFacts {
  /** The `result` of the turn, if there was one. */
  readonly result: JsonObject | undefined;
  /** What we ended the turn for, if we did. It came first. */
  readonly cause: EndCause | undefined;
  /** Why the process is gone or was given up, if it is. */
  readonly death: string | undefined;
  /** How long nothing had come when it was ended for that, in milliseconds. */
  readonly silentMs?: number | undefined;
  readonly failure: ReportedFailure | undefined;
  readonly blockedByHook: boolean;
  readonly wantsStructuredOutput: boolean;
  /** Whether the turn is a session's: the server has its conversation. Absent: no, its caller has sent all that there is. */
  readonly isInSession?: boolean | undefined;
  readonly contentStreamed: boolean;
  /** Why the last message of the model ended, by its own words; empty when it does not say. */
  readonly lastStopReason: string;
  readonly retryCount: number;
  readonly cliVersion: string;
  readonly model: string;
  /** Milliseconds since 1970: when a usage limit ends is told as a time of day. */
  readonly wallNowMs: number;
}

export interface Verdict {
  readonly outcome: Outcome;
  readonly error: RunnerError | undefined;
  readonly upstreamFailure: UpstreamFailure | undefined;
}

export function judge(facts: TurnFacts): Verdict {
  // First cause wins: also over a result that was on its way when we asked.
  if (facts.cause !== undefined) return ofCause(facts.cause, facts);
  if (facts.result !== undefined) return ofResult(facts.result, facts);
  if (facts.death !== undefined) return fail("workerDied", "WORKER_DIED", deathWords(facts), facts);
  return fail("internalError", "INTERNAL", "the turn ended without a result", facts);
}

const limitReached = (outcome: Outcome): Verdict => ({ outcome, error: undefined, upstreamFailure: undefined });

function ofCause(cause: EndCause, facts: TurnFacts): Verdict {
  switch (cause) {
    case "cancelled":
      return fail("cancelled", "CANCELLED", "the turn was cancelled", facts);
    case "deadlineExceeded":
      return fail("deadlineExceeded", "DEADLINE_EXCEEDED", "the deadline passed mid-turn", facts);
    case "drained":
      return fail("drained", "DRAINED", "the server is shutting down", facts);
    case "clientStalled":
      return fail("clientStalled", "CLIENT_STALLED", "the caller stopped reading", facts);
    case "interrupted":
      return fail("interrupted", "TURN_INTERRUPTED", "the turn was stopped", facts);
    case "upstreamAuth":
      return upstreamAuth(facts);
    case "upstreamSilent":
      return upstreamSilent(facts);
    case "schemaNotTaken":
      return fail(
        "structuredOutputFailed",
        "NOT_SUPPORTED_BY_CLI",
        "the installed Claude Code does not accept this output schema: the turn was ended before the model was asked",
        facts,
      );
    case "modelCallLimit":
    case "costLimit":
    case "outputLimit":
    case "durationLimit":
      return limitReached(cause);
    default:
      return cause satisfies never;
  }
}

function ofResult(result: JsonObject, facts: TurnFacts): Verdict {
  if (!flagAt(result, "is_error")) return ofSuccess(result, facts);
  switch (textAt(result, "subtype")) {
    case "success":
      return ofFailure(result, facts);
    // Never launched with these two; if they come all the same they are what they say.
    case "error_max_turns":
      return limitReached("modelCallLimit");
    case "error_max_budget_usd":
      return limitReached("costLimit");
    case "error_max_structured_output_retries":
      return limitReached("structuredOutputFailed");
    default:
      return fail("internalError", "INTERNAL", "Claude Code ended the turn on its own", facts);
  }
}

function ofSuccess(result: JsonObject, facts: TurnFacts): Verdict {
  const terminalReason = textAt(result, "terminal_reason");
  const stopReason = textAt(result, "stop_reason") || facts.lastStopReason;
  // No model was asked: by a hook's will, or for a command of the CLI's own.
  if (numberAt(result, "num_turns") === 0) return limitReached(facts.blockedByHook ? "blockedByHook" : "completed");
  if (terminalReason.startsWith("aborted")) {
    return fail("internalError", "INTERNAL", "Claude Code broke off the turn on its own", facts);
  }
  const outcome = outcomeOfStop.get(stopReason.toLowerCase()) ?? "incomplete";
  if (!facts.wantsStructuredOutput || (outcome !== "completed" && outcome !== "incomplete"))
    return limitReached(outcome);
  // A model that never used the tool for it ends in a success without one.
  return limitReached(result.structured_output === undefined ? "structuredOutputFailed" : "completed");
}

/**
 * Why the model stopped, as what came of the turn: the model API's words, and those that gateways pass on from other
 * protocols. Whatever is not here is not known to be a completion, and so is none.
 */
const outcomeOfStop: ReadonlyMap<string, Outcome> = new Map([
  ["end_turn", "completed"],
  ["stop_sequence", "completed"],
  ["tool_use", "completed"],
  ["stop", "completed"],
  ["refusal", "refused"],
  ["content_filter", "refused"],
  ["safety", "refused"],
  ["max_tokens", "maxOutputTokens"],
  ["length", "maxOutputTokens"],
  ["model_context_window_exceeded", "contextWindow"],
]);

function ofFailure(result: JsonObject, facts: TurnFacts): Verdict {
  const { failure } = facts;
  const apiError = wordOf(textAt(result, "api_error")) || (failure?.apiError ?? "");
  if (textAt(result, "stop_reason") === "refusal" || failure?.stopReason === "refusal") return limitReached("refused");
  if (apiError === "max_output_tokens") {
    // Only this member tells the two apart.
    const params = isObject(result.api_error_params) ? result.api_error_params : (failure?.apiErrorParams ?? {});
    return limitReached(textAt(params, "cut") === "context_window" ? "contextWindow" : "maxOutputTokens");
  }
  const text = failure?.text || textAt(result, "result");
  const upstreamFailure = upstreamFailureOf(facts);
  const reason = upstreamReason({
    httpStatus: upstreamFailure.httpStatus,
    cliError: upstreamFailure.cliError,
    apiError,
    apiErrorType: upstreamFailure.apiErrorType,
    terminalReason: textAt(result, "terminal_reason"),
    text,
  });
  if (facts.isInSession && reason === "UPSTREAM_CONTEXT_TOO_LONG") return contextFull(facts, upstreamFailure);
  const attemptCount = facts.retryCount + 1;
  const sentence = failureSentence({ reason, ...upstreamFailure, attemptCount, model: facts.model, text });
  return {
    outcome: "upstreamError",
    error: new RunnerError(reason, sentence.text, {
      facts: { ...upstreamFacts(facts, upstreamFailure, apiError), ...sentence.facts },
      operatorText: redactSecrets(text).slice(0, maxOperatorChars),
      ...retryAfter(reason, failure, facts.wallNowMs),
    }),
    upstreamFailure,
  };
}

/** What is too long is the session's conversation, of which this request is the least part. */
function contextFull(facts: TurnFacts, upstreamFailure: UpstreamFailure): Verdict {
  const message =
    "the conversation is too long for the model: begin a new session, or fork this one at an earlier turn";
  return {
    outcome: "upstreamError",
    error: new RunnerError("CONTEXT_FULL", message, { facts: upstreamFacts(facts, upstreamFailure, "") }),
    upstreamFailure,
  };
}

/** The first retry after a 401 was enough: waiting out the others would help nobody. */
function upstreamAuth(facts: TurnFacts): Verdict {
  const told = upstreamFailureOf(facts);
  const upstreamFailure = {
    ...told,
    httpStatus: told.httpStatus ?? 401,
    cliError: told.cliError || "authentication_failed",
  };
  const attemptCount = facts.retryCount + 1;
  const sentence = failureSentence({
    reason: "UPSTREAM_AUTH",
    ...upstreamFailure,
    attemptCount,
    model: facts.model,
    text: "",
  });
  return {
    outcome: "upstreamError",
    error: new RunnerError("UPSTREAM_AUTH", sentence.text, { facts: upstreamFacts(facts, upstreamFailure, "") }),
    upstreamFailure,
  };
}

/** The CLI lives and waits. It is interrupted, and can be used again. */
function upstreamSilent(facts: TurnFacts): Verdict {
  const silentMs = facts.silentMs ?? 0;
  const upstreamFailure = { httpStatus: undefined, cliError: "", apiErrorType: "", requestId: "" };
  const message = `the model API sent nothing for ${silentMs} ms: try again; if answers take that long, the operator can raise upstreamIdleTimeoutMs`;
  return {
    outcome: "upstreamError",
    error: new RunnerError("UPSTREAM_TIMEOUT", message, { facts: { ...commonFacts(facts), silentMs } }),
    upstreamFailure,
  };
}

function deathWords({ silentMs }: TurnFacts): string {
  return silentMs === undefined
    ? "the worker died mid-turn"
    : `the worker was ended mid-turn because it said nothing for ${silentMs} ms`;
}

function upstreamFailureOf({ result, failure }: TurnFacts): UpstreamFailure {
  return {
    httpStatus: (result && numberAt(result, "api_error_status")) ?? failure?.httpStatus,
    cliError: failure?.cliError ?? "",
    apiErrorType: (result && wordOf(textAt(result, "api_error_type"))) || (failure?.apiErrorType ?? ""),
    requestId: failure?.requestId ?? "",
  };
}

function upstreamFacts(facts: TurnFacts, upstream: UpstreamFailure, apiError: string): RunnerError["facts"] {
  return {
    ...commonFacts(facts),
    ...(upstream.httpStatus !== undefined && { httpStatus: upstream.httpStatus }),
    ...(upstream.cliError !== "" && { cliError: upstream.cliError }),
    ...(apiError !== "" && { apiError }),
    ...(upstream.apiErrorType !== "" && { apiErrorType: upstream.apiErrorType }),
    ...(upstream.requestId !== "" && { requestId: upstream.requestId }),
    attemptCount: facts.retryCount + 1,
  };
}

function commonFacts(facts: TurnFacts): RunnerError["facts"] {
  const terminalReason = facts.result === undefined ? "" : textAt(facts.result, "terminal_reason");
  return {
    contentStreamed: facts.contentStreamed,
    ...(facts.cliVersion !== "" && { cliVersion: facts.cliVersion }),
    ...(facts.model !== "" && { model: facts.model }),
    ...(terminalReason !== "" && { terminalReason }),
    ...(facts.silentMs !== undefined && { silentMs: facts.silentMs }),
  };
}

/** A subscription's limit says when it ends. `retry-after` of the model API does not come through the CLI. */
function retryAfter(
  reason: RunnerReason,
  failure: ReportedFailure | undefined,
  wallNowMs: number,
): { retryAfterMs?: number } {
  if (reason !== "UPSTREAM_USAGE_LIMIT" || failure === undefined) return {};
  const resetsAt = numberAt(objectAt(failure.apiErrorParams, "rate_limit_info"), "resetsAt");
  return resetsAt === undefined ? {} : { retryAfterMs: toCount(resetsAt * 1000 - wallNowMs) };
}

function fail(outcome: Outcome, reason: RunnerReason, message: string, facts: TurnFacts): Verdict {
  const cause = facts.death === undefined ? {} : { cause: new Error(facts.death) };
  return {
    outcome,
    error: new RunnerError(reason, message, { facts: commonFacts(facts), ...cause }),
    upstreamFailure: undefined,
  };
}
