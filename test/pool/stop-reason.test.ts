import { expect, test } from "vitest";
import { afterPreparation, afterTurn, stopReasons } from "../../src/pool/stop-reason.ts";
import { RunnerError } from "../../src/runner-error.ts";
import { outcomes } from "../../src/turn-end.ts";
import { resetFailures } from "../../src/worker-process.ts";

test("each outcome of a turn and each failure of a reset is a reason why a worker ends", () => {
  expect(stopReasons).toEqual(expect.arrayContaining([...outcomes.map(afterTurn), ...resetFailures]));
  expect(afterTurn("upstreamError")).toBe("after_upstream_error");
});

test("a worker on which a turn could not be prepared ends for what happened to it", () => {
  const died = new RunnerError("WORKER_DIED", "gone");
  const unsupported = new RunnerError("NOT_SUPPORTED_BY_CLI", "no history");
  expect(afterPreparation(died, false)).toBe("died_unprepared");
  expect(afterPreparation(died, true)).toBe("died_unprepared");
  expect(afterPreparation(new RunnerError("CANCELLED", "gone away"), true)).toBe("aborted_bind");
  expect(afterPreparation(unsupported, false)).toBe("not_supported");
  expect(afterPreparation(new Error("bug"), false)).toBe("preparation_failed");
});
