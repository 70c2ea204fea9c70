/**
 * What is refused before it costs anything: broken rules, too many turns, strangers.
 */
import { randomUUID } from "node:crypto";
import { Code } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { Outcome } from "../../../gen/claude/runner/v1/result_pb.ts";
import { Role } from "../../../gen/claude/runner/v1/runner_pb.ts";
import { BadRequestSchema, QuotaFailureSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { HealthCheckResponse_ServingStatus as Status } from "../../../gen/grpc/health/v1/health_pb.ts";
import { tenants } from "../../e2e/scene.ts";
import { failureOf } from "../transports.ts";
import { readTurn } from "../turn.ts";
import { type ContractCalls, isOfLabel, type StreamRequest, turnsInFlight } from "./calls.ts";

/** Refusals: all of what is wrong at once, no worker spent, no headers sent. */
export function refusalsContract(calls: ContractCalls): void {
  const { run, kind } = calls;

  describe("a request that breaks rules", () => {
    const broken: StreamRequest = {
      prompt: " ",
      content: [{ block: { case: "text", value: "also" } }],
      history: [
        { role: Role.ASSISTANT, text: "first" },
        { role: Role.ASSISTANT, text: "" },
        { role: Role.USER, text: "\n" },
      ],
      systemPrompt: "",
      model: "claude-unheard-of",
      outputSchemaJson: '{"type":"array"}',
      limits: { maxModelCallCount: 0, maxOutputBytes: 1n << 40n },
      labels: { "Not a key": "x" },
    };
    const fields = [
      "history[0].role",
      "history[1].text",
      "history[2].text",
      "history",
      "system_prompt",
      "model",
      "output_schema_json",
      "limits.max_model_call_count",
      "limits.max_output_bytes",
    ];

    it("is told all of them at once, before a worker is spent and without response headers", async () => {
      const claims = calls.scene.claimCount();
      for (const call of [() => calls.client.streamChat(broken), () => calls.client.chat(broken)]) {
        const failure = await failureOf(call());
        expect(failure).toMatchObject({ code: Code.InvalidArgument, reason: "INVALID_REQUEST" });
        expect(failure.sawHeaders).not.toBe(true);
        expect(failure.pushbackMs).toBeUndefined();
        const violations = failure.detail(BadRequestSchema)?.fieldViolations ?? [];
        expect(violations.map(({ field }) => field)).toEqual(expect.arrayContaining(fields));
        expect(violations.every(({ description }) => description !== "")).toBe(true);
        expect(Number(failure.facts.violationCount)).toBe(violations.length);
      }
      expect(calls.scene.claimCount()).toBe(claims);
    });

    it("may not name a profile that is not there or another tenant's, which look alike, nor a system prompt where it is fixed", async () => {
      const [unknown, foreign] = await Promise.all(
        ["nowhere", "secret"].map(async (profile) => {
          const failure = await failureOf(calls.client.streamChat({ profile, prompt: "" }));
          expect(failure).toMatchObject({
            code: Code.PermissionDenied,
            reason: "NOT_ALLOWED",
            facts: { profile, tenant: "acme" },
          });
          return failure.message.replaceAll(profile, "…");
        }),
      );
      expect(foreign).toBe(unknown);
      const fixed = await failureOf(calls.client.streamChat({ profile: "fixed", prompt: "x", systemPrompt: "y" }));
      expect(fixed.detail(BadRequestSchema)?.fieldViolations).toMatchObject([{ field: "system_prompt" }]);
    });
  });

  it("refuses a tenant's turn beyond its turns in flight, with when to come again", async () => {
    const umbrella = kind.connect({ ...calls.scene.target, token: tenants.umbrella });
    const stop = new AbortController();
    const turns = Array.from({ length: turnsInFlight }, async () => {
      const label = randomUUID();
      const over = calls.scene.book.wait((line) => isOfLabel(line, label));
      const started = Promise.withResolvers<void>();
      const request = { prompt: "[[scenario silence]]", labels: { job: label } };
      const read = readTurn(umbrella.streamChat(request, { signal: stop.signal }), () => started.resolve());
      await started.promise;
      return { read, over };
    });
    const running = await Promise.all(turns);
    const failure = await failureOf(umbrella.streamChat({ prompt: "one more" }));
    expect(failure).toMatchObject({
      code: Code.ResourceExhausted,
      reason: "QUOTA_EXCEEDED",
      facts: { limit: String(turnsInFlight) },
    });
    expect(failure.retryAfterMs).toBeGreaterThan(0);
    expect(failure.pushbackMs).toBeGreaterThan(0);
    expect(failure.detail(QuotaFailureSchema)?.violations).toHaveLength(1);
    expect(failure.sawHeaders).not.toBe(true);
    // Another tenant has its own.
    expect((await run({ prompt: "unhindered" })).result.outcome).toBe(Outcome.COMPLETED);
    stop.abort();
    for (const { read, over } of running) {
      expect((await read).failure?.code).toBe(Code.Canceled);
      expect(await over).toMatchObject({ outcome: "cancelled" });
    }
    umbrella.close();
  });

  it("tells health without a token, and nothing else", async () => {
    const stranger = kind.connect({ ...calls.scene.target, token: undefined });
    expect((await stranger.checkHealth("")).status).toBe(Status.SERVING);
    for (const authorization of [undefined, "Bearer wrong", `Basic ${tenants.acme}`]) {
      const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
      for (const call of [
        () => stranger.getInfo({ headers }),
        () => stranger.chat({ prompt: "x" }, { headers }),
        () => stranger.streamChat({ prompt: "x" }, { headers }),
      ]) {
        expect(await failureOf(call())).toMatchObject({ code: Code.Unauthenticated, reason: "UNAUTHENTICATED" });
      }
    }
    stranger.close();
  });
}
