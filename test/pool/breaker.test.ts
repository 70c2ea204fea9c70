import { expect, test } from "vitest";
import { RunnerError } from "../../src/errors.ts";
import { StartBreaker } from "../../src/pool/breaker.ts";

const limits = { startFailuresToBreak: 3, startRetryMs: 15_000, cliRecheckIntervalMs: 5_000 };
const failure = new RunnerError("WORKER_START_FAILED", "no answer");
const noCli = new RunnerError("CLI_UNAVAILABLE", "install Claude Code", { facts: { found: "nothing" } });
const sameMs = (aboutMs: number) => aboutMs;

const broken = () => {
  const breaker = new StartBreaker(limits);
  for (let i = 0; i < 3; i++) breaker.failed(failure, 1000);
  return breaker;
};

test("lets starts go on while few of them fail", () => {
  const breaker = new StartBreaker(limits);
  breaker.failed(failure, 0);
  breaker.failed(failure, 0);
  expect(breaker.startsAllowed(0, 7)).toBe(Number.POSITIVE_INFINITY);
  expect(breaker.refusal(0, sameMs)).toBeUndefined();
});

test("opens after too many failed starts in a row, and tells when the next one is", () => {
  const breaker = broken();
  expect(breaker.startsAllowed(1000, 0)).toBe(0);
  expect(breaker.nextStartAtMs).toBe(16_000);
  expect(breaker.refusal(6000, sameMs)).toMatchObject({
    reason: "WORKER_START_FAILED",
    facts: { failureCount: 3 },
    retryAfterMs: 10_000,
  });
});

test("allows one start at a time once the pause is over, and pauses again when it fails", () => {
  const breaker = broken();
  expect(breaker.startsAllowed(16_000, 0)).toBe(1);
  expect(breaker.startsAllowed(16_000, 1)).toBe(0);
  breaker.failed(failure, 17_000);
  expect(breaker.startsAllowed(17_000, 0)).toBe(0);
  expect(breaker.nextStartAtMs).toBe(32_000);
});

test("closes as soon as a worker answers, and opens again at once if that one was no good either", () => {
  const breaker = broken();
  breaker.answered();
  expect(breaker.kind).toBe("closed");
  breaker.failed(failure, 20_000);
  expect(breaker.kind).toBe("open");
});

test("forgets failures when a worker has proved itself", () => {
  const breaker = broken();
  breaker.answered();
  breaker.proved(1001);
  breaker.failed(failure, 20_000);
  breaker.failed(failure, 20_000);
  expect(breaker.kind).toBe("closed");
});

test("is not fooled by a worker that started before the failures", () => {
  const breaker = broken();
  breaker.answered();
  breaker.proved(1000);
  breaker.failed(failure, 20_000);
  expect(breaker.kind).toBe("open");
});

test("says at once that there is no program, and looks again at that interval", () => {
  const breaker = new StartBreaker(limits);
  breaker.failed(noCli, 1000);
  expect(breaker.startsAllowed(1000, 0)).toBe(0);
  expect(breaker.refusal(2000, sameMs)).toMatchObject({
    reason: "CLI_UNAVAILABLE",
    message: "install Claude Code",
    facts: { found: "nothing" },
    retryAfterMs: 4000,
  });
  expect(breaker.startsAllowed(6000, 0)).toBe(1);
  breaker.answered();
  expect(breaker.kind).toBe("closed");
});
