import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { ErrorReason } from "../../clients/typescript/src/gen/claude/runner/v1/error_pb.ts";
import { RunnerError, type RunnerReason } from "../../src/runner-error.ts";
import { toConnectError } from "../../src/service/errors.ts";
import { failureOf, isUnknownCall, wantsToken } from "../../web/failure.ts";

/** What the server makes of one of its errors, as a client gets it. */
const failed = (reason: RunnerReason, options: ConstructorParameters<typeof RunnerError>[2] = {}) =>
  failureOf(toConnectError(new RunnerError(reason, `about ${reason}`, options)), { hasBegun: false });

describe("a failure that the server explains", () => {
  it("has its reason, its message, its facts and when to try again", () => {
    expect(failed("QUEUE_FULL", { facts: { waiting: 3, limit: 3 }, retryAfterMs: 2_500 })).toMatchObject({
      code: "UNAVAILABLE",
      reason: "QUEUE_FULL",
      title: "Queue full",
      message: "about QUEUE_FULL",
      retryAfterMs: 2_500,
      isRepeatable: true,
      facts: [
        ["limit", "3"],
        ["retryAfterMs", "2500"],
        ["waiting", "3"],
      ],
    });
  });

  it("names every rule that was broken, and is not worth repeating", () => {
    const violations = [
      { field: "prompt", description: "is empty" },
      { field: "model", description: "is not allowed" },
    ];
    expect(failed("INVALID_REQUEST", { violations })).toMatchObject({
      violations: ["prompt: is empty", "model: is not allowed"],
      isRepeatable: false,
    });
  });

  it("has advice for every reason of the contract but being cancelled", () => {
    for (const name of Object.keys(ErrorReason)) {
      if (name === "UNSPECIFIED" || name === "CANCELLED") continue;
      expect([name, failed(name as RunnerReason).advice]).not.toEqual([name, ""]);
    }
  });

  it("that wants a token is known", () => {
    expect(wantsToken(failed("UNAUTHENTICATED"))).toBe(true);
    expect(wantsToken(failed("NOT_ALLOWED"))).toBe(false);
  });
});

describe("a failure without a reason", () => {
  const of = (error: unknown, hasBegun = false) => failureOf(error, { hasBegun });

  it("is a lost connection once events had come, and no answer before", () => {
    const cut = new ConnectError("network error", Code.Unknown);
    expect(of(cut, true)).toMatchObject({ title: "Connection lost", reason: "", isRepeatable: true });
    expect(of(new ConnectError("missing EndStreamResponse", Code.Unknown), true).title).toBe("Connection lost");
    expect(of(new TypeError("Failed to fetch")).title).toBe("No answer");
  });

  it("tells about the Host and Origin rules, and about what is no claude-runner", () => {
    expect(of(new ConnectError("HTTP 403", Code.PermissionDenied)).advice).toContain("web.allowedOrigins");
    expect(of(new ConnectError("HTTP 421", Code.Unknown)).advice).toContain("web.allowedHosts");
    expect(of(new ConnectError("HTTP 502", Code.Unavailable)).message).toContain("HTTP 502");
  });

  it("is a passed deadline when the page itself gave up", () => {
    expect(of(new ConnectError("the deadline passed", Code.DeadlineExceeded), true).title).toBe("Deadline exceeded");
  });

  it("is a call that the server does not have", () => {
    expect(isUnknownCall(of(new ConnectError("HTTP 404", Code.Unimplemented)))).toBe(true);
    expect(isUnknownCall(failed("INTERNAL"))).toBe(false);
  });
});
