import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../src/gen/google/rpc/error_details_pb.ts";
import { ClaudeRunnerError, ErrorReason, Outcome, TurnResultSchema } from "../src/index.ts";

const info = (reason: string, domain = "claude-runner") => ({
  desc: ErrorInfoSchema,
  value: { reason, domain, metadata: { waiting: "3" } },
});

/** A status as a transport gives it. */
function status(code: Code, headers: Record<string, string>, ...details: ConnectError["details"]): ConnectError {
  return new ConnectError("in words", code, headers, details as never);
}

describe("a ClaudeRunnerError", () => {
  it("has reason, facts, delay, violations and result of the status's details", () => {
    const error = ClaudeRunnerError.from(
      new ConnectError("in words", Code.Unavailable, { "grpc-retry-pushback-ms": "250" }, [
        info("QUEUE_FULL"),
        { desc: RetryInfoSchema, value: { retryDelay: { seconds: 1n, nanos: 500_000_000 } } },
        { desc: BadRequestSchema, value: { fieldViolations: [{ field: "prompt", description: "is empty" }] } },
        { desc: TurnResultSchema, value: { outcome: Outcome.UPSTREAM_ERROR } },
      ]),
    );
    expect(error).toMatchObject({
      name: "ClaudeRunnerError",
      message: "in words",
      code: Code.Unavailable,
      codeName: "UNAVAILABLE",
      reason: ErrorReason.QUEUE_FULL,
      reasonName: "QUEUE_FULL",
      facts: { waiting: "3" },
      retryDelayMs: 1500,
      mayRetry: true,
      violations: [{ field: "prompt", description: "is empty" }],
      result: { outcome: Outcome.UPSTREAM_ERROR },
    });
  });

  it("may not be retried once the server said so, or something was seen", () => {
    expect(ClaudeRunnerError.from(status(Code.Unavailable, {})).mayRetry).toBe(true);
    expect(ClaudeRunnerError.from(status(Code.Unavailable, { "grpc-retry-pushback-ms": "-1" })).mayRetry).toBe(false);
    expect(ClaudeRunnerError.from(status(Code.ResourceExhausted, {})).mayRetry).toBe(false);
    const seen = { hasBegun: true, result: undefined };
    expect(ClaudeRunnerError.from(status(Code.Unavailable, {}), seen).mayRetry).toBe(false);
  });

  it("keeps a reason that it does not know as text, and takes none from others", () => {
    const newer = ClaudeRunnerError.from(new ConnectError("x", Code.Internal, undefined, [info("MOON_IN_THE_WAY")]));
    expect([newer.reason, newer.reasonName]).toEqual([ErrorReason.UNSPECIFIED, "MOON_IN_THE_WAY"]);
    const proxy = ClaudeRunnerError.from(
      new ConnectError("x", Code.Internal, undefined, [info("QUEUE_FULL", "proxy")]),
    );
    expect(proxy.reasonName).toBe("");
  });

  it.each([
    [Code.DeadlineExceeded, "DEADLINE_EXCEEDED"],
    [Code.Canceled, "CANCELLED"],
    [Code.Unauthenticated, "UNAUTHENTICATED"],
  ])("spells code %i as gRPC does: %s", (code, name) => {
    expect(ClaudeRunnerError.from(new ConnectError("x", code)).codeName).toBe(name);
  });

  it("wraps whatever else is thrown, and itself never", () => {
    const error = ClaudeRunnerError.from(new TypeError("fetch failed"));
    expect(error.codeName).toBe("UNKNOWN");
    expect(ClaudeRunnerError.from(error)).toBe(error);
  });
});
