import { readFileSync } from "node:fs";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, type ConnectError } from "@connectrpc/connect";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ErrorReason } from "../../gen/claude/runner/v1/error_pb.ts";
import { Outcome, TurnResultSchema } from "../../gen/claude/runner/v1/result_pb.ts";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  QuotaFailureSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
} from "../../gen/google/rpc/error_details_pb.ts";
import { RunnerError, type RunnerReason } from "../../src/runner-error.ts";
import { type CallProgress, runnerReasons, statusCode, toConnectError } from "../../src/service/errors.ts";
import { costGrowth } from "./cpu-cost.ts";

const reasons = Object.keys(ErrorReason)
  .filter((name) => Number.isNaN(Number(name)) && name !== "UNSPECIFIED")
  .map((name) => name as RunnerReason);

const begun: CallProgress = {
  promptWritten: true,
  contentStreamed: false,
  deadlinePassed: false,
  result: create(TurnResultSchema, { outcome: Outcome.UPSTREAM_ERROR }),
};

/** What the details of an error take on the wire. */
function detailBytes(error: ConnectError): number {
  return error.details.reduce((sum, detail) => {
    if (!("desc" in detail)) throw new Error("not an outgoing detail");
    return (
      sum + toBinary(detail.desc, create(detail.desc, detail.value as never)).length + detail.desc.typeName.length + 32
    );
  }, 0);
}

describe("every reason of the contract", () => {
  test("is a reason of the server, and the other way round", () => {
    expect([...runnerReasons].sort()).toEqual([...reasons].sort());
    expect(reasons).toHaveLength(52);
  });

  test("comes with the code that its comment in the contract names", () => {
    const text = readFileSync(new URL("../../proto/claude/runner/v1/error.proto", import.meta.url), "utf8");
    const told = [...text.matchAll(/((?: *\/\/.*\n)+) *ERROR_REASON_(\w+) = \d+;/g)].flatMap(
      ([, comment = "", reason]) => {
        const [code] = /\b(?:[A-Z]+_)*[A-Z]{5,}\b/.exec(comment.replace("UPSTREAM_", "")) ?? [];
        return reason === "UNSPECIFIED" ? [] : [[reason, code]];
      },
    );
    const codeOf = (reason: RunnerReason) =>
      Code[statusCode(reason)]!.replace(/[a-z](?=[A-Z])/g, "$&_")
        .toUpperCase()
        .replace("CANCELED", "CANCELLED");
    // Whose deadline passed in the queue decides; the comment names both codes.
    const expected = reasons.map((reason) => [
      reason,
      reason === "QUEUE_TIMEOUT" ? "DEADLINE_EXCEEDED" : codeOf(reason),
    ]);
    expect(told).toEqual(expected);
  });

  test("of the model API is ABORTED once content was streamed, and no other changes for that", () => {
    const streamed: CallProgress = { ...begun, contentStreamed: true };
    for (const reason of reasons) {
      const isUpstream = reason.startsWith("UPSTREAM_");
      expect([reason, statusCode(reason, streamed)]).toEqual([
        reason,
        isUpstream ? Code.Aborted : statusCode(reason, begun),
      ]);
    }
  });

  test.each(reasons)("%s carries exactly one ErrorInfo with the numbers of its message", (reason) => {
    const error = toConnectError(new RunnerError(reason, "12 of 10", { facts: { used: 12, limit: 10 } }));
    const infos = error.findDetails(ErrorInfoSchema);
    expect(infos).toHaveLength(1);
    expect(infos[0]).toMatchObject({ reason, domain: "claude-runner", metadata: { used: "12", limit: "10" } });
  });

  test.each(reasons)("%s is never repeated by a client once the prompt was written", (reason) => {
    expect(toConnectError(new RunnerError(reason, "x"), begun).metadata.get("grpc-retry-pushback-ms")).toBe("-1");
  });
});

describe("push-back and RetryInfo", () => {
  const advice = (error: ConnectError) => ({
    pushBack: error.metadata.get("grpc-retry-pushback-ms"),
    retryDelay: error.findDetails(RetryInfoSchema)[0]?.retryDelay,
    told: error.findDetails(ErrorInfoSchema)[0]?.metadata.retryAfterMs,
  });

  test.each(reasons)("%s says the same time in all places before the prompt was written, or none", (reason) => {
    const { pushBack, retryDelay, told } = advice(toConnectError(new RunnerError(reason, "x")));
    const delayMs = retryDelay && Number(retryDelay.seconds) * 1000 + retryDelay.nanos / 1e6;
    expect(pushBack).toBe(delayMs === undefined ? null : String(delayMs));
    expect(told).toBe(pushBack ?? undefined);
  });

  test.each(reasons)("%s makes up no time to retry after the prompt was written, when nobody said one", (reason) => {
    expect(advice(toConnectError(new RunnerError(reason, "x"), begun))).toEqual({ pushBack: "-1" });
  });

  test("a limit whose end the model API told says when, and still that no policy may repeat the turn", () => {
    const limit = new RunnerError("UPSTREAM_USAGE_LIMIT", "x", { retryAfterMs: 3_600_000 });
    expect(advice(toConnectError(limit, begun))).toMatchObject({ pushBack: "-1", retryDelay: { seconds: 3_600n } });
  });

  test.each(reasons.filter((reason) => reason.startsWith("UPSTREAM_")))("%s never has a time of our own", (reason) => {
    expect(advice(toConnectError(new RunnerError(reason, "x"))).retryDelay).toBeUndefined();
  });
});

test("the server's limits are UNAVAILABLE with push-back, a tenant's own are RESOURCE_EXHAUSTED", () => {
  const full = toConnectError(new RunnerError("QUEUE_FULL", "full", { retryAfterMs: 1234.5 }));
  expect([full.code, full.metadata.get("grpc-retry-pushback-ms")]).toEqual([Code.Unavailable, "1235"]);
  for (const retryAfterMs of [0, -5]) {
    const atOnce = toConnectError(new RunnerError("QUEUE_FULL", "full", { retryAfterMs }));
    expect(atOnce.metadata.get("grpc-retry-pushback-ms")).toBe("1");
  }
  expect(full.findDetails(RetryInfoSchema)[0]?.retryDelay).toMatchObject({ seconds: 1n, nanos: 234_500_000 });
  const quota = toConnectError(new RunnerError("QUOTA_EXCEEDED", "too many", { facts: { subject: "tenant:acme" } }));
  expect(quota.code).toBe(Code.ResourceExhausted);
  expect(quota.findDetails(QuotaFailureSchema)[0]?.violations[0]?.subject).toBe("tenant:acme");
});

test("a worker that died is UNAVAILABLE before it had the prompt and ABORTED after", () => {
  expect(statusCode("WORKER_DIED")).toBe(Code.Unavailable);
  expect(statusCode("WORKER_DIED", begun)).toBe(Code.Aborted);
});

test("a queue that outlasted the call's own deadline is DEADLINE_EXCEEDED", () => {
  expect(statusCode("QUEUE_TIMEOUT")).toBe(Code.Unavailable);
  expect(statusCode("QUEUE_TIMEOUT", { ...begun, promptWritten: false, deadlinePassed: true })).toBe(
    Code.DeadlineExceeded,
  );
});

test("a failure of the model API is ABORTED once text was streamed", () => {
  expect(statusCode("UPSTREAM_OVERLOADED", begun)).toBe(Code.Unavailable);
  expect(statusCode("UPSTREAM_OVERLOADED", { ...begun, contentStreamed: true })).toBe(Code.Aborted);
});

test("an unknown model names itself in ResourceInfo", () => {
  const error = toConnectError(new RunnerError("UPSTREAM_MODEL_NOT_FOUND", "x", { facts: { model: "m" } }), begun);
  expect(error.code).toBe(Code.NotFound);
  expect(error.findDetails(ResourceInfoSchema)[0]?.resourceName).toBe("m");
});

test("what was not meant for the caller becomes a bare INTERNAL", () => {
  const error = toConnectError(new Error("secret path /etc/shadow"));
  expect(error.code).toBe(Code.Internal);
  expect(error.rawMessage).toBe("internal error");
  expect(JSON.stringify(error.details.map((detail) => ("value" in detail ? detail.value : {})))).not.toContain(
    "shadow",
  );
});

test("the result among the details has no texts", () => {
  const result = create(TurnResultSchema, {
    outcome: Outcome.WORKER_DIED,
    text: "private",
    textSizeBytes: 7n,
    structuredOutputJson: "{}",
    permissionDenials: [{ toolName: "Bash" }],
    costUsdMicros: 5n,
  });
  const error = toConnectError(new RunnerError("WORKER_DIED", "x"), { ...begun, result });
  expect(error.findDetails(TurnResultSchema)[0]).toMatchObject({
    outcome: Outcome.WORKER_DIED,
    text: "",
    textTruncated: true,
    structuredOutputJson: "",
    permissionDenials: [],
    costUsdMicros: 5n,
  });
});

test("twice as many violations do not cost a status three times as much", () => {
  const error = (count: number) =>
    new RunnerError("INVALID_REQUEST", "x", {
      violations: Array.from({ length: count }, (_, at) => ({ field: `content[${at}]`, description: "is empty" })),
    });
  const [once, twice] = [error(2_000), error(4_000)];
  expect(
    costGrowth(
      () => void toConnectError(once),
      () => void toConnectError(twice),
    ),
  ).toBeLessThan(3);
});

test("a text of any length costs a status no more than what is kept of it", () => {
  const error = (length: number) =>
    new RunnerError("INVALID_REQUEST", "é".repeat(length), { facts: { a: "é".repeat(length) } });
  const [short, long] = [error(10_000), error(5_000_000)];
  expect(
    costGrowth(
      () => void toConnectError(short),
      () => void toConnectError(long),
    ),
  ).toBeLessThan(3);
});

test("as many violations are listed as fit, in order", () => {
  const violations = Array.from({ length: 90 }, (_, at) => ({ field: `f[${at}]`, description: "x".repeat(at) }));
  const error = toConnectError(new RunnerError("INVALID_REQUEST", "x", { violations }));
  const listed = error.findDetails(BadRequestSchema)[0]?.fieldViolations ?? [];
  expect(listed.map(({ field }) => field)).toEqual(violations.slice(0, listed.length).map(({ field }) => field));
  expect(listed.length).toBeLessThan(90);
  expect(detailBytes(error)).toBeGreaterThan(4096 - 150);
});

test("whatever is put in, all details together stay under 4 KiB and the count of violations is told", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 3000 });
  fc.assert(
    fc.property(
      text,
      fc.dictionary(fc.string({ maxLength: 40 }), text, { maxKeys: 30 }),
      fc.array(fc.record({ field: text, description: text }), { maxLength: 40 }),
      fc.boolean(),
      (message, facts, violations, hasBegun) => {
        const result = create(TurnResultSchema, {
          text: message,
          terminalReason: "x",
          refusalExplanation: message,
          modelUsage: Array.from({ length: 12 }, () => ({ model: "m".repeat(100), costBasis: "list" })),
        });
        const error = toConnectError(new RunnerError("INVALID_REQUEST", message, { facts, violations }), {
          ...begun,
          promptWritten: hasBegun,
          result: hasBegun ? result : undefined,
        });
        expect(detailBytes(error)).toBeLessThanOrEqual(4096);
        expect(Buffer.byteLength(error.rawMessage)).toBeLessThanOrEqual(1024);
        const info = error.findDetails(ErrorInfoSchema)[0];
        expect(info?.reason).toBe("INVALID_REQUEST");
        if (violations.length > 0) {
          expect(info?.metadata.violationCount).toBe(String(violations.length));
          expect(error.findDetails(BadRequestSchema)[0]?.fieldViolations.length ?? 0).toBeLessThanOrEqual(
            violations.length,
          );
        }
      },
    ),
    { numRuns: 200 },
  );
});
