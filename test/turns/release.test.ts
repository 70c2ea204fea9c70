import { describe, expect, test } from "vitest";
import { RunnerError } from "../../src/runner-error.ts";
import { afterEndedTurn, afterFailedPreparation } from "../../src/turns/release.ts";

const died = new RunnerError("WORKER_DIED", "gone");
const cancelled = new RunnerError("CANCELLED", "the caller cancelled");

describe("a worker whose turn could not be prepared", () => {
  test("is reset after a seeding that the caller cut off", () => {
    expect(afterFailedPreparation({ isBound: true, wasAborted: true, error: cancelled })).toEqual({ kind: "finished" });
  });

  test.each([
    ["a bind was cut off", { isBound: false, wasAborted: true, error: cancelled }, "aborted_bind"],
    ["it died, also when the caller had gone", { isBound: true, wasAborted: true, error: died }, "died_unprepared"],
    ["it died", { isBound: true, wasAborted: false, error: died }, "died_unprepared"],
    ["it failed by itself", { isBound: true, wasAborted: false, error: new Error("?") }, "preparation_failed"],
  ])("ends when %s", (_, failed, why) => {
    expect(afterFailedPreparation(failed)).toEqual({ kind: "discard", why });
  });
});

test("a worker whose turn ended is reset if its process says that it can be, else it ends with the outcome", () => {
  expect(afterEndedTurn({ workerReusable: true, outcome: "upstreamError" })).toEqual({ kind: "finished" });
  expect(afterEndedTurn({ workerReusable: false, outcome: "upstreamError" })).toEqual({
    kind: "discard",
    why: "after_upstream_error",
  });
});
