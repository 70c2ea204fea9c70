import { describe, expect, test } from "vitest";
import { RunnerError } from "../../src/runner-error.ts";
import { outcomes } from "../../src/turn-end.ts";
import { afterEndedTurn, afterFailedPreparation, plannedFate } from "../../src/turns/release.ts";

const died = new RunnerError("WORKER_DIED", "gone");
const cancelled = new RunnerError("CANCELLED", "the caller cancelled");

describe("a worker whose turn could not be prepared", () => {
  test("is reset after a seeding that the caller cut off", () => {
    const failed = { step: "set", held: undefined, wasAborted: true, error: cancelled } as const;
    expect(afterFailedPreparation(failed)).toEqual({ kind: "finished" });
  });

  test.each([
    ["the store refused the turn", false, new RunnerError("STORE_UNAVAILABLE", "full")],
    ["the turn was cancelled while the store was asked", true, cancelled],
    ["reading the conversation failed in an unknown way", false, new Error("?")],
  ])("is used again, with what it had, when %s", (_, wasAborted, error) => {
    const failed = { step: "wait", wasAborted, error } as const;
    expect(afterFailedPreparation({ ...failed, held: "c1" })).toEqual({ kind: "finished", conversation: "c1" });
    expect(afterFailedPreparation({ ...failed, held: undefined })).toEqual({ kind: "finished" });
  });

  test.each([
    ["a bind was cut off", { step: "bind", wasAborted: true, error: cancelled }, "aborted_bind"],
    ["it died, also when the caller had gone", { step: "set", wasAborted: true, error: died }, "died_unprepared"],
    ["it died", { step: "set", wasAborted: false, error: died }, "died_unprepared"],
    ["it failed by itself", { step: "set", wasAborted: false, error: new Error("?") }, "preparation_failed"],
  ] as const)("ends when %s", (_, failed, why) => {
    expect(afterFailedPreparation({ ...failed, held: "c1" })).toEqual({ kind: "discard", why });
  });
});

const completed = {
  workerReusable: true,
  outcome: "completed",
  answerBlocks: ["Hi."],
  answerBeside: "thinking",
} as const;
const kept = { conversation: { before: "c1", after: "c2" } };
/** With a worker of its session's own. */
const own = { ...kept, sessionLaunch: { cliSessionId: "s", model: "m", effort: "medium", binding: {} } as const };
const keeping = { keepConversationMs: 1, parkedIdleMs: 1, maxParkedWorkers: 1 };

describe("a worker whose turn ended", () => {
  test("is reset if its process says that it can be, else it ends with the outcome", () => {
    expect(afterEndedTurn({ ...completed, outcome: "upstreamError" }, {})).toEqual({ kind: "finished" });
    expect(afterEndedTurn({ ...completed, outcome: "upstreamError", workerReusable: false }, {})).toEqual({
      kind: "discard",
      why: "after_upstream_error",
    });
  });

  test("is given back with the conversation that it has now, if the turn has names for it and completed", () => {
    expect(afterEndedTurn(completed, kept)).toEqual({ kind: "finished", conversation: "c2" });
    expect(afterEndedTurn(completed, {})).toEqual({ kind: "finished" });
  });

  test.each(outcomes.filter((outcome) => outcome !== "completed"))(
    "forgets all after a turn that ended as %s",
    (outcome) => {
      expect(afterEndedTurn({ ...completed, outcome }, kept)).toEqual({ kind: "finished" });
    },
  );

  test("ends when its process cannot be used again, whatever it could have kept", () => {
    expect(afterEndedTurn({ ...completed, workerReusable: false }, kept).kind).toBe("discard");
  });

  test.each([
    ["kept", completed, kept, { ...keeping, reuse: true }],
    ["reset", completed, kept, { ...keeping, reuse: true, keepConversationMs: 0 }],
    ["reset", completed, {}, { ...keeping, reuse: true }],
    ["reset", { ...completed, outcome: "interrupted" as const }, kept, { ...keeping, reuse: true }],
    ["ended", completed, kept, { ...keeping, reuse: false }],
    ["kept", { ...completed, text: "" }, own, { ...keeping, reuse: false }],
    ["ended", { ...completed, outcome: "interrupted" as const }, own, { ...keeping, reuse: true }],
    ["ended", completed, own, { ...keeping, reuse: true, parkedIdleMs: 0 }],
    ["ended", { ...completed, workerReusable: false }, own, { ...keeping, reuse: true }],
    ["ended", { ...completed, workerReusable: false }, kept, { ...keeping, reuse: true }],
  ])("is said to be %s when it will be", (fate, end, turn, profile) => {
    expect(plannedFate(end, turn, profile)).toBe(fate);
  });
});
