/**
 * Cases in which the model API fails, before an answer and in the middle of one.
 */
import type { CaseGroup, ResetCase } from "../case.ts";

/** A turn before, the failing one, and a turn after it: each stays in the conversation. */
const failing = (name: string, scenario: string, more: Partial<ResetCase> = {}): ResetCase => ({
  name,
  lane: "plain",
  reset: "clean",
  async play(lease) {
    await lease.turn();
    await lease.turn({ scenario, outcome: "upstreamError" });
    await lease.turn();
  },
  ...more,
});

/** The CLI gets an answer in the end. */
const rescued = (name: string, scenario: string, more: Partial<ResetCase> = {}): ResetCase => ({
  name,
  lane: "plain",
  reset: "clean",
  async play(lease) {
    const { requests } = await lease.turn({ scenario });
    lease.expect(requests.length > 1, "the CLI did not ask again");
  },
  ...more,
});

/** Waits for a retry, half a second. */
const waits = { lane: "waiting", inWalk: false } as const;

export const failures: CaseGroup = {
  name: "Failures of the model API",
  cases: [
    failing("400", "error-400"),
    failing("401, where the turn is broken off", "error-401"),
    failing("403", "error-403"),
    failing("404, the model is not there", "error-404"),
    failing("413", "error-413"),
    failing("credit is too low", "credit-too-low"),
    failing("429 until in an hour", "rate-limit"),
    failing("429", "error-429", waits),
    failing("500", "error-500", waits),
    failing("529", "error-529", waits),
    failing("the connection is dropped", "drop", { ...waits, reset: "mayEnd" }),
    failing("an empty answer", "empty"),
    failing("a web page for an answer", "html"),
    rescued("500, then an answer", "retry-then-answer", waits),
    rescued("the stream is reset, then an answer", "stream-reset-once", waits),
    rescued("the stream is reset, then an answer that is not streamed", "stream-reset", waits),
    rescued("an error in mid-text, then an answer that is not streamed", "stream-error"),
    rescued("nonsense in mid-text, then an answer that is not streamed", "stream-malformed"),
    rescued("the stream ends early, then an answer that is not streamed", "stream-end", waits),
    rescued("the stream breaks after a whole block, and goes on", "stream-cut-after-block", {
      reset: "mayEnd",
      ...waits,
    }),
    failing("an error in mid-text, and no answer", "stream-error-then-error", waits),
    {
      name: "the prompt is too long for the model",
      lane: "plain",
      reset: "mayEnd",
      inWalk: false,
      play: (lease) => lease.turn({ scenario: "prompt-too-long", outcome: "upstreamError" }),
    },
  ],
};
