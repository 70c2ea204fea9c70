/**
 * Every way in which the model API fails, on the real CLI: what the caller is told, and that the worker goes on.
 *
 * A subscription's usage limit is not here: the CLI reports it with an OAuth credential only.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ErrorReason } from "../../gen/claude/runner/v1/error_pb.ts";
import { ClaimSource } from "../../gen/claude/runner/v1/event_pb.ts";
import { Outcome, TurnResultSchema } from "../../gen/claude/runner/v1/result_pb.ts";
import {
  ErrorInfoSchema,
  QuotaFailureSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
} from "../../gen/google/rpc/error_details_pb.ts";
import type { UpstreamReason } from "../../src/runner-error.ts";
import { type ContractClient, failureOf, transportKinds } from "../contract/transports.ts";
import { readTurn, type SeenTurn } from "../contract/turn.ts";
import { model, openScene, type Scene } from "./scene.ts";

interface Failure {
  readonly scenario: string;
  readonly code: Code;
  readonly reason: UpstreamReason;
  readonly httpStatus?: number;
  readonly profile?: "default" | "patient" | "impatient" | "nowhere";
}

const invalid = { code: Code.InvalidArgument };
const operator = { code: Code.FailedPrecondition };
const again = { code: Code.Unavailable };
const limited = {
  code: Code.ResourceExhausted,
  reason: "UPSTREAM_RATE_LIMITED",
  httpStatus: 429,
} as const;

const failures: readonly Failure[] = [
  { scenario: "error-400", ...invalid, reason: "UPSTREAM_INVALID_REQUEST", httpStatus: 400 },
  { scenario: "error-422", ...invalid, reason: "UPSTREAM_INVALID_REQUEST", httpStatus: 422 },
  { scenario: "error-413", ...invalid, reason: "UPSTREAM_REQUEST_TOO_LARGE", httpStatus: 413 },
  { scenario: "prompt-too-long", ...invalid, reason: "UPSTREAM_CONTEXT_TOO_LONG", httpStatus: 400 },
  { scenario: "credit-too-low", ...operator, reason: "UPSTREAM_BILLING", httpStatus: 400 },
  { scenario: "error-402", ...operator, reason: "UPSTREAM_BILLING", httpStatus: 402 },
  { scenario: "error-401", ...operator, reason: "UPSTREAM_AUTH", httpStatus: 401 },
  { scenario: "error-401", ...operator, reason: "UPSTREAM_AUTH", httpStatus: 401, profile: "patient" },
  { scenario: "error-403", ...operator, reason: "UPSTREAM_AUTH", httpStatus: 403 },
  { scenario: "error-404", code: Code.NotFound, reason: "UPSTREAM_MODEL_NOT_FOUND", httpStatus: 404 },
  { scenario: "error-408", ...again, reason: "UPSTREAM_TIMEOUT", httpStatus: 408 },
  { scenario: "error-409", code: Code.Aborted, reason: "UPSTREAM_CONFLICT", httpStatus: 409 },
  { scenario: "error-429", ...limited },
  { scenario: "rate-limit", ...limited },
  { scenario: "rate-limit-final", ...limited },
  { scenario: "error-500", ...again, reason: "UPSTREAM_5XX", httpStatus: 500 },
  { scenario: "error-502-html", ...again, reason: "UPSTREAM_5XX", httpStatus: 502 },
  { scenario: "error-503", ...again, reason: "UPSTREAM_5XX", httpStatus: 503 },
  { scenario: "error-529", ...again, reason: "UPSTREAM_OVERLOADED", httpStatus: 529 },
  { scenario: "drop", ...again, reason: "UPSTREAM_UNREACHABLE" },
  { scenario: "drop-close", ...again, reason: "UPSTREAM_UNREACHABLE" },
  { scenario: "text", ...again, reason: "UPSTREAM_UNREACHABLE", profile: "nowhere" },
  { scenario: "silence", ...again, reason: "UPSTREAM_TIMEOUT", profile: "impatient" },
  {
    scenario: 'error {"status":404,"type":"invalid_request_error"}',
    code: Code.Internal,
    reason: "UPSTREAM_MALFORMED",
    httpStatus: 404,
  },
  { scenario: "empty", code: Code.Internal, reason: "UPSTREAM_MALFORMED" },
  { scenario: "html", code: Code.Internal, reason: "UPSTREAM_MALFORMED" },
];

describe("when the model API fails", () => {
  let scene: Scene;
  let client: ContractClient;
  let workspace: string;
  beforeAll(async () => {
    workspace = await mkdtemp(join(tmpdir(), "runner-workspace-"));
    scene = await openScene({
      settings: {
        credentials: { nowhere: { baseUrl: "http://127.0.0.1:9", apiKeyEnv: "STANDIN_KEY" } },
        profiles: {
          default: {},
          patient: { upstreamMaxRetries: 10 },
          impatient: { upstreamTimeoutMs: 1_000 },
          nowhere: { credential: "nowhere" },
          tools: { tools: ["Bash"], workspace: { path: workspace }, isolation: "none", tenant: "acme", minSpares: 0 },
        },
      },
    });
    client = scene.client;
  });
  afterAll(async () => {
    await scene.close();
    await rm(workspace, { recursive: true, force: true });
  });

  const run = async (request: Parameters<ContractClient["streamChat"]>[0]): Promise<SeenTurn> =>
    readTurn(client.streamChat(request));

  it.each(failures.map((of) => ({ profile: "default", ...of })))(
    "$scenario (profile $profile) is told as $reason, and the worker serves the next turn, unless its key was refused",
    async (of) => {
      const { scenario, code, reason, httpStatus, profile } = of;
      const turn = await run({ profile, prompt: `[[scenario ${scenario}]]` });

      expect(turn.failure).toMatchObject({ code, reason, pushbackMs: -1 });
      const info = turn.failure?.detail(ErrorInfoSchema);
      expect(info).toMatchObject({ domain: "claude-runner", metadata: { model, contentStreamed: "false" } });
      expect(info?.metadata.httpStatus).toBe(httpStatus?.toString());
      // What a `retry-after` said the CLI keeps to itself, and nothing is made up.
      expect(turn.failure?.detail(RetryInfoSchema)).toBeUndefined();
      expect(turn.failure?.detail(QuotaFailureSchema) !== undefined).toBe(code === Code.ResourceExhausted);
      if (code === Code.NotFound) {
        expect(turn.failure?.detail(ResourceInfoSchema)).toMatchObject({ resourceType: "model", resourceName: model });
      }

      const error = { reason: ErrorReason[reason], ...(httpStatus !== undefined && { httpStatus }) };
      expect(turn.kinds.at(-1)).toBe("result");
      expect(turn.result).toMatchObject({ outcome: Outcome.UPSTREAM_ERROR, text: "", error });
      expect(turn.failure?.detail(TurnResultSchema)).toMatchObject({ outcome: Outcome.UPSTREAM_ERROR, error });
      expect(await scene.book.turnEnded(turn.turnId)).toMatchObject({
        outcome: "upstream_error",
        reason: reason.toLowerCase(),
      });

      const next = await run({ profile, prompt: "[[scenario conversation]]" });
      const isSame = next.started.workerId === turn.started.workerId;
      expect(isSame && next.started.claimSource === ClaimSource.REUSED).toBe(reason !== "UPSTREAM_AUTH");
      if (profile !== "nowhere") expect(JSON.parse(next.text)).toHaveLength(1);
    },
  );

  it("does not wait out the retries of a credential that is not accepted", async () => {
    const before = scene.standin.requests.length;
    const turn = await run({ profile: "patient", prompt: "[[scenario error-401]]" });
    expect(turn.failure?.reason).toBe("UPSTREAM_AUTH");
    expect(scene.standin.requests.length - before).toBeLessThanOrEqual(2);
  });

  it("tells of each retry while there still are some", async () => {
    const prompt = '[[scenario retry-then-answer {"times":2,"status":503}]]';
    const turn = await run({ profile: "patient", prompt });
    expect(turn.all("apiRetry").map(({ attempt, httpStatus }) => [attempt, httpStatus])).toEqual([
      [1, 503],
      [2, 503],
    ]);
    expect(turn.result).toMatchObject({ outcome: Outcome.COMPLETED, text: "It worked in the end." });
  });

  it("is ABORTED once text was streamed, though it was retracted", async () => {
    const turn = await run({ prompt: "[[scenario stream-error-then-error]]" });
    expect(turn.failure).toMatchObject({ code: Code.Aborted, reason: "UPSTREAM_OVERLOADED", pushbackMs: -1 });
    expect(turn.failure?.facts.contentStreamed).toBe("true");
    expect(turn.all("retracted").length).toBeGreaterThan(0);
    expect(turn.text).toBe("");
    expect(turn.result.outcome).toBe(Outcome.UPSTREAM_ERROR);
  });

  it("is ABORTED once a tool was used: repeating the turn would use it again", async () => {
    const steps = [
      {
        play: {
          answer: "message",
          blocks: [{ type: "tool_use", name: "Bash", input: { command: "echo once" } }],
          stopReason: "tool_use",
        },
      },
      { play: { answer: "error", status: 500 } },
    ];
    const turn = await run({ profile: "tools", prompt: `[[scenario ${JSON.stringify({ steps })}]]` });
    expect(turn.all("toolResult")).toMatchObject([{ isError: false }]);
    expect(turn.failure).toMatchObject({ code: Code.Aborted, reason: "UPSTREAM_5XX", pushbackMs: -1 });
    expect(turn.result).toMatchObject({ outcome: Outcome.UPSTREAM_ERROR, modelCallCount: 1 });
  });

  it("is told alike over JSON, and when the turn is collected", async () => {
    const kind = transportKinds.find(({ name, tls }) => name.includes("JSON") && name.includes("HTTP/1.1") && !tls);
    const json = kind?.connect(scene.target);
    if (json === undefined) throw new Error("there is no such transport");
    for (const call of [
      () => json.streamChat({ prompt: "[[scenario error-429]]" }),
      () => json.chat({ prompt: "[[scenario error-429]]" }),
    ]) {
      const failure = await failureOf(call());
      expect(failure).toMatchObject({ code: Code.ResourceExhausted, reason: "UPSTREAM_RATE_LIMITED", pushbackMs: -1 });
      expect(failure.detail(QuotaFailureSchema)).toBeDefined();
      expect(failure.retryAfterMs).toBeUndefined();
      expect(failure.detail(TurnResultSchema)).toMatchObject({ outcome: Outcome.UPSTREAM_ERROR });
    }
    json.close();
  });
});
