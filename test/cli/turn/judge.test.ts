import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../../src/cli/protocol/json-members.ts";
import { judge, type TurnFacts } from "../../../src/cli/turn/judge.ts";
import type { EndCause } from "../../../src/turn-end.ts";
import { turnsOf } from "../captures.ts";

/** The end of each turn of a capture: the reason of its error, else its outcome. */
const endsOf = (name: string) => turnsOf(name).map(({ end }) => end.error?.reason ?? end.outcome);

const facts: TurnFacts = {
  result: undefined,
  cause: undefined,
  death: undefined,
  failure: undefined,
  blockedByHook: false,
  wantsStructuredOutput: false,
  contentStreamed: false,
  lastStopReason: "",
  retryCount: 0,
  cliVersion: "2.1.332",
  model: "m",
  wallNowMs: 0,
};
const success = { is_error: false, subtype: "success", terminal_reason: "completed", stop_reason: "end_turn" };

describe("the verdict on a turn of the real CLI", () => {
  it.each([
    ["text-happy", ["completed"]],
    ["error-no-credential", ["UPSTREAM_AUTH"]],
    ["error-prompt-too-long", ["UPSTREAM_CONTEXT_TOO_LONG"]],
    ["error-500-ten-retries", ["UPSTREAM_5XX"]],
    ["error-timeout-no-headers", ["UPSTREAM_TIMEOUT"]],
    ["stream-abandoned-then-error", ["UPSTREAM_UNREACHABLE"]],
    ["stream-abandoned-three-times", ["completed"]],
    ["retry-then-success", ["completed", "completed"]],
    ["refusal-single-call", ["refused"]],
    ["refusal-model-switch", ["refused", "completed", "completed", "completed"]],
    ["max-tokens-and-context-window", ["maxOutputTokens", "contextWindow"]],
    ["max-turns", ["modelCallLimit", "completed"]],
    ["budget-exhausted", ["completed", "completed", "completed", "costLimit", "costLimit", "completed", "completed"]],
    ["structured-output", ["completed"]],
    ["structured-output-failed-and-missing", ["structuredOutputFailed", "structuredOutputFailed"]],
    ["hook-blocked-prompt", ["blockedByHook"]],
    ["rate-limit-oauth", ["completed", "completed", "UPSTREAM_USAGE_LIMIT"]],
    ["interrupt-during-retry-wait", ["INTERNAL", "completed"]],
    [
      "errors-http-4xx",
      [
        "UPSTREAM_INVALID_REQUEST",
        "UPSTREAM_AUTH",
        "UPSTREAM_BILLING",
        "UPSTREAM_AUTH",
        "UPSTREAM_MODEL_NOT_FOUND",
        "UPSTREAM_TIMEOUT",
        "UPSTREAM_CONFLICT",
        "UPSTREAM_REQUEST_TOO_LARGE",
        "UPSTREAM_INVALID_REQUEST",
        "UPSTREAM_RATE_LIMITED",
        "UPSTREAM_RATE_LIMITED",
        "UPSTREAM_CONTEXT_TOO_LONG",
        "UPSTREAM_BILLING",
        "completed",
      ],
    ],
    [
      "errors-http-5xx-and-network",
      [
        "UPSTREAM_5XX",
        "UPSTREAM_5XX",
        "UPSTREAM_5XX",
        "UPSTREAM_OVERLOADED",
        "UPSTREAM_UNREACHABLE",
        "UPSTREAM_MALFORMED",
        "UPSTREAM_MALFORMED",
        "completed",
      ],
    ],
  ])("is right for %s", (name, ends) => {
    expect(endsOf(name)).toEqual(ends);
  });

  it("carries what the model API said about a failure", () => {
    const [, unauthorized] = turnsOf("errors-http-4xx");
    expect(unauthorized!.end.upstreamFailure).toMatchObject({
      httpStatus: 401,
      cliError: "authentication_failed",
      apiErrorType: "authentication_error",
    });
    expect(unauthorized!.end.error!.facts).toMatchObject({ httpStatus: 401, attemptCount: 2, contentStreamed: false });
  });

  it("says when a subscription's limit ends", () => {
    const resetsAtMs = 1795219720_000;
    const error = turnsOf("rate-limit-oauth")[2]!.end.error!;
    expect(error.retryAfterMs).toBe(resetsAtMs);
  });

  it("keeps the text of an error out of the answer", () => {
    for (const { end } of turnsOf("errors-http-4xx")) expect(end.text).not.toMatch(/error/i);
    expect(turnsOf("refusal-single-call")[0]!.end.text).toBe("I ca");
  });
});

describe("the verdict", () => {
  it.each<[EndCause, string, string | undefined]>([
    ["cancelled", "cancelled", "CANCELLED"],
    ["deadlineExceeded", "deadlineExceeded", "DEADLINE_EXCEEDED"],
    ["drained", "drained", "DRAINED"],
    ["clientStalled", "clientStalled", "CLIENT_STALLED"],
    ["upstreamAuth", "upstreamError", "UPSTREAM_AUTH"],
    ["upstreamSilent", "upstreamError", "UPSTREAM_TIMEOUT"],
    ["schemaNotTaken", "structuredOutputFailed", "NOT_SUPPORTED_BY_CLI"],
    ["modelCallLimit", "modelCallLimit", undefined],
    ["costLimit", "costLimit", undefined],
    ["outputLimit", "outputLimit", undefined],
    ["durationLimit", "durationLimit", undefined],
  ])("is the first cause, %s, also when a result and a death followed", (cause, outcome, reason) => {
    const verdict = judge({ ...facts, cause, result: success, death: "gone" });
    expect([verdict.outcome, verdict.error?.reason]).toEqual([outcome, reason]);
  });

  it("names a silence by its length: the model's while the worker lived, else the worker's", () => {
    const silent = judge({ ...facts, cause: "upstreamSilent", silentMs: 310_000, death: undefined });
    expect(silent.error).toMatchObject({ reason: "UPSTREAM_TIMEOUT", facts: { silentMs: 310_000 } });
    expect(silent.error!.message).toContain("310000 ms");
    const dead = judge({ ...facts, silentMs: 120_000, death: "the worker said nothing" });
    expect(dead.error).toMatchObject({ reason: "WORKER_DIED", facts: { silentMs: 120_000 } });
    expect(dead.error!.message).toContain("said nothing for 120000 ms");
  });

  it("counts a result that was there before the process died", () => {
    expect(judge({ ...facts, result: success, death: "gone" }).outcome).toBe("completed");
  });

  it("is a dead worker when the process went without a result", () => {
    const { outcome, error } = judge({ ...facts, death: "exit code 0", contentStreamed: true });
    expect([outcome, error!.reason, error!.facts.contentStreamed]).toEqual(["workerDied", "WORKER_DIED", true]);
    expect(error!.message).not.toContain("exit code");
  });

  it("is no success when the CLI broke the turn off", () => {
    const result = { ...success, terminal_reason: "aborted_streaming" };
    expect(judge({ ...facts, result }).outcome).toBe("internalError");
  });

  it.each<[unknown, string]>([
    ["end_turn", "completed"],
    ["stop_sequence", "completed"],
    ["STOP", "completed"],
    ["refusal", "refused"],
    ["content_filter", "refused"],
    ["max_tokens", "maxOutputTokens"],
    ["length", "maxOutputTokens"],
    ["model_context_window_exceeded", "contextWindow"],
    ["pause_turn", "incomplete"],
    ["brand_new", "incomplete"],
    ["constructor", "incomplete"],
    ["", "incomplete"],
    [null, "incomplete"],
    [undefined, "incomplete"],
    [7, "incomplete"],
    [["end_turn"], "incomplete"],
  ])("calls only what says so a completion: the stop reason %j is %s", (stopReason, outcome) => {
    const result = { ...success, stop_reason: stopReason } as unknown as JsonObject;
    expect(judge({ ...facts, result }).outcome).toBe(outcome);
  });

  it("takes the last message's word where the result has none", () => {
    const result = { ...success, stop_reason: null };
    expect(judge({ ...facts, result, lastStopReason: "end_turn" }).outcome).toBe("completed");
    expect(judge({ ...facts, result, lastStopReason: "pause_turn" }).outcome).toBe("incomplete");
  });

  it("misses a structured output only where one was wanted", () => {
    expect(judge({ ...facts, result: success }).outcome).toBe("completed");
    expect(judge({ ...facts, result: success, wantsStructuredOutput: true }).outcome).toBe("structuredOutputFailed");
    const given = { ...success, structured_output: { a: 1 } };
    expect(judge({ ...facts, result: given, wantsStructuredOutput: true }).outcome).toBe("completed");
  });
});

describe("a conversation that is too long", () => {
  const tooLong = { is_error: true, subtype: "success", result: "Prompt is too long" };

  it.each(["blocking_limit", "prompt_too_long"])("is the caller's own without a session: %s", (terminal_reason) => {
    const verdict = judge({ ...facts, result: { ...tooLong, terminal_reason } });
    expect(verdict).toMatchObject({ outcome: "upstreamError", error: { reason: "UPSTREAM_CONTEXT_TOO_LONG" } });
  });

  it.each(["blocking_limit", "prompt_too_long"])("is the session's in one: %s", (terminal_reason) => {
    const verdict = judge({ ...facts, isInSession: true, result: { ...tooLong, terminal_reason } });
    expect(verdict).toMatchObject({
      outcome: "upstreamError",
      error: { reason: "CONTEXT_FULL", facts: { terminalReason: terminal_reason } },
    });
  });

  it("is told by how the turn ended, whatever its words", () => {
    const result = { ...tooLong, result: "No room.", terminal_reason: "blocking_limit" };
    expect(judge({ ...facts, result }).error?.reason).toBe("UPSTREAM_CONTEXT_TOO_LONG");
  });

  it("says nothing of other failures in a session", () => {
    const result = { ...tooLong, result: "Overloaded", api_error_status: 529, terminal_reason: "api_error" };
    expect(judge({ ...facts, isInSession: true, result }).error?.reason).toBe("UPSTREAM_OVERLOADED");
  });
});
