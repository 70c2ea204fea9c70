import { expect, test } from "vitest";
import { StartBreaker } from "../../src/pool/breaker.ts";
import { RunnerError } from "../../src/runner-error.ts";

const limits = { startFailuresToBreak: 3, startRetryMs: 15_000, cliRecheckIntervalMs: 5_000 };
const failure = new RunnerError("WORKER_START_FAILED", "no answer");
const noCli = new RunnerError("CLI_UNAVAILABLE", "install Claude Code", { facts: { found: "nothing" } });
const sameMs = (aboutMs: number) => aboutMs;

const broken = () => {
  const breaker = new StartBreaker(limits);
  for (let i = 0; i < 3; i++) breaker.failed(failure, 500, 1000);
  return breaker;
};

/** The same for a program that has started before. */
const shaken = () => {
  const breaker = new StartBreaker(limits);
  breaker.succeeded(500);
  for (let i = 0; i < 3; i++) breaker.failed(failure, 500, 1000);
  return breaker;
};

test("lets starts go on while few of them fail", () => {
  const breaker = new StartBreaker(limits);
  breaker.failed(failure, 0, 0);
  breaker.failed(failure, 0, 0);
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
  breaker.failed(failure, 16_000, 17_000);
  expect(breaker.startsAllowed(17_000, 0)).toBe(0);
  expect(breaker.nextStartAtMs).toBe(32_000);
});

test("closes as soon as a worker answers, and counts from zero", () => {
  const breaker = broken();
  breaker.succeeded(500);
  expect(breaker).toMatchObject({ kind: "normal", failureCount: 0 });
  breaker.failed(failure, 20_000, 20_000);
  breaker.failed(failure, 20_000, 20_000);
  expect(breaker.kind).toBe("normal");
});

test("starts that were under way when one succeeded and fail after it count by themselves only", () => {
  const breaker = shaken();
  breaker.succeeded(500);
  breaker.failed(failure, 900, 1100);
  expect(breaker).toMatchObject({ kind: "normal", failureCount: 1 });
});

test("tries a program that has started before again soon, then less and less often", () => {
  const breaker = shaken();
  const pausesMs: number[] = [];
  for (let nowMs = 1000; pausesMs.length < 7; ) {
    const nextMs = breaker.nextStartAtMs ?? 0;
    pausesMs.push(nextMs - nowMs);
    nowMs = nextMs + 10;
    breaker.failed(failure, nextMs, nowMs);
  }
  expect(pausesMs).toEqual([937.5, 1875, 3750, 7500, 15_000, 15_000, 15_000]);
});

test("pauses no longer than one and a half starts while a program that starts slowly may have been killed by chance", () => {
  const breaker = new StartBreaker(limits);
  breaker.succeeded(3000);
  const pausesMs: number[] = [];
  let nowMs = 0;
  for (let nextMs = 0; pausesMs.length < 16; nextMs = breaker.nextStartAtMs ?? nowMs) {
    pausesMs.push(nextMs - nowMs);
    nowMs = nextMs + 1500;
    breaker.failed(failure, nextMs, nowMs);
  }
  expect(pausesMs.slice(0, 7)).toEqual([0, 0, 0, 937.5, 1875, 3750, 4500]);
  expect(pausesMs.slice(7, -2).filter((pauseMs) => pauseMs !== 4500)).toEqual([]);
  expect(pausesMs.slice(-2)).toEqual([9000, 15_000]);
});

test("does not take the failures of one burst for further tries", () => {
  const breaker = shaken();
  for (let i = 0; i < 20; i++) breaker.failed(failure, 600, 1001);
  expect(breaker.nextStartAtMs).toBe(1937.5);
});

test("turns hope for a minute for a program that has started before", () => {
  const breaker = shaken();
  expect(breaker.refusal(1000, sameMs)).toBeUndefined();
  expect(breaker.isHopeless(60_999)).toBe(false);
  expect(breaker.isHopeless(61_000)).toBe(true);
  expect(breaker.refusal(61_000, sameMs)).toMatchObject({ reason: "WORKER_START_FAILED" });
});

test("turns hope for longer while each start was killed by somebody, and not when one failed by itself", () => {
  const gone = new RunnerError("WORKER_DIED", "the worker is gone", { facts: { exitCode: "none", signal: "SIGKILL" } });
  const killed = new RunnerError("WORKER_START_FAILED", "a worker did not start", { cause: gone });
  const breakerAfter = (...failures: readonly RunnerError[]) => {
    const breaker = new StartBreaker(limits);
    breaker.succeeded(500);
    for (const one of failures) breaker.failed(one, 500, 1000);
    return breaker;
  };
  expect(breakerAfter(killed, killed, killed).isHopeless(300_999)).toBe(false);
  expect(breakerAfter(killed, killed, killed).isHopeless(301_000)).toBe(true);
  expect(breakerAfter(killed, failure, killed).isHopeless(61_000)).toBe(true);
});

test("says at once that there is no program, and looks again at that interval", () => {
  const breaker = new StartBreaker(limits);
  breaker.succeeded(500);
  breaker.failed(noCli, 1000, 1000);
  expect(breaker.startsAllowed(1000, 0)).toBe(0);
  expect(breaker.refusal(2000, sameMs)).toMatchObject({
    reason: "CLI_UNAVAILABLE",
    message: "install Claude Code",
    facts: { found: "nothing" },
    retryAfterMs: 4000,
  });
  expect(breaker.startsAllowed(6000, 0)).toBe(1);
  breaker.succeeded(500);
  expect(breaker.kind).toBe("normal");
});
