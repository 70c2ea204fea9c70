import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { callFailure } from "../../src/commands/call-failure.ts";
import { exitCodes } from "../../src/commands/exit-codes.ts";
import { RunnerError, type RunnerReason } from "../../src/runner-error.ts";
import { toConnectError } from "../../src/service/errors.ts";

const target = { url: "127.0.0.1:7433", isTls: false, hasToken: true };
const failureOf = (reason: RunnerReason, options = {}) =>
  callFailure(toConnectError(new RunnerError(reason, "the message", options)), target);

describe("a failed call", () => {
  it.each([
    ["INVALID_REQUEST", exitCodes.usage],
    ["UNAUTHENTICATED", exitCodes.denied],
    ["NOT_ALLOWED", exitCodes.denied],
    ["QUOTA_EXCEEDED", exitCodes.unavailable],
    ["QUEUE_FULL", exitCodes.unavailable],
    ["CLI_UNAVAILABLE", exitCodes.unavailable],
    ["UPSTREAM_AUTH", exitCodes.failed],
    ["UPSTREAM_MODEL_NOT_FOUND", exitCodes.failed],
    ["WORKER_DIED", exitCodes.unavailable],
    ["INTERNAL", exitCodes.failed],
  ] as const)("with the reason %s ends with exit code %i", (reason, exitCode) => {
    expect(failureOf(reason)).toMatchObject({ exitCode, reason });
  });

  it("shows every field that is wrong, and none of them twice", () => {
    const failure = failureOf("INVALID_REQUEST", {
      violations: [
        { field: "prompt", description: "is empty" },
        { field: "model", description: "is not allowed" },
      ],
    });
    expect(failure.violations).toEqual(["prompt: is empty", "model: is not allowed"]);
    expect(failure.message).toBe("the request is not valid");
  });

  it("says when to try again", () => {
    expect(failureOf("QUEUE_FULL", { retryAfterMs: 2_500 }).hint).toBe("try again in 3 seconds");
  });

  it("tells a missing token from a wrong one", () => {
    const error = toConnectError(new RunnerError("UNAUTHENTICATED", "no"));
    expect(callFailure(error, { ...target, hasToken: false }).hint).toContain("no token was found");
    expect(callFailure(error, target).hint).toContain("does not accept the token");
  });

  it("tells a server that is not there from one that is busy", () => {
    const failure = callFailure(new ConnectError("connect ECONNREFUSED", Code.Unavailable), target);
    expect(failure).toMatchObject({ code: "unavailable", reason: undefined, exitCode: exitCodes.unavailable });
    expect(failure.message).toBe("no server answers at 127.0.0.1:7433");
    expect(failure.hint).toContain("claude-runner serve");
  });

  it("names the scheme where a plain call met TLS, or TLS a plain port", () => {
    const cut = new ConnectError("http/2 stream closed with error code CANCEL (0x8)", Code.Canceled);
    const plain = callFailure(cut, target);
    expect(plain).toMatchObject({ message: "no server answers at 127.0.0.1:7433", exitCode: exitCodes.unavailable });
    expect(plain.hint).toContain("--url https://127.0.0.1:7433");
    const answered = new ConnectError("write EPROTO …:wrong version number:…", Code.Unavailable);
    expect(callFailure(answered, { ...target, isTls: true }).hint).toContain("--url http://127.0.0.1:7433");
    const died = toConnectError(new RunnerError("WORKER_DIED", "ECONNRESET"));
    expect(callFailure(died, target).hint).not.toContain("--url");
  });

  it("names the status as gRPC does", () => {
    expect(callFailure(new ConnectError("x", Code.DeadlineExceeded), target).code).toBe("deadline_exceeded");
    expect(callFailure(new ConnectError("x", Code.Internal), target).code).toBe("internal");
  });
});
