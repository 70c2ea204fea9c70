/**
 * What leaves the server beside answers: spans, metrics, log lines. That they say where a turn's time went, that they
 * belong together, and that nothing of what people and models said is in them.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Outcome } from "../../gen/claude/runner/v1/result_pb.ts";
import { Detail, Role } from "../../gen/claude/runner/v1/runner_pb.ts";
import { type ContractClient, failureOf, transportKinds } from "../contract/transports.ts";
import { readTurn, type SeenTurn } from "../contract/turn.ts";
import type { LogLine } from "./log-book.ts";
import { type OtlpSink, openOtlpSink, type SinkSpan } from "./otlp-sink.ts";
import { canaryKey, model, openScene, type Scene, tenants } from "./scene.ts";

/** Words that must not be found in anything that is kept about turns. */
const canary = (what: string) => `canary-${what}-${randomBytes(6).toString("hex")}`;
const canaries = {
  prompt: canary("prompt"),
  answer: canary("answer"),
  systemPrompt: canary("system-prompt"),
  historyQuestion: canary("history-question"),
  historyAnswer: canary("history-answer"),
  toolInput: canary("tool-input"),
  upstreamError: canary("upstream-error"),
  refusedPrompt: canary("refused-prompt"),
};
const label = canary("label");

const hex = (bytes: number) => randomBytes(bytes).toString("hex");
const parentOf = (traceId: string, spanId: string) => ({ traceparent: `00-${traceId}-${spanId}-01` });

describe("telemetry", () => {
  let sink: OtlpSink;
  let scene: Scene;
  let workspace: string;
  let web: ContractClient;
  let metrics: string;
  const trace = { full: hex(16), web: hex(16), failed: hex(16), refused: hex(16), cancelled: hex(16) };
  const caller = hex(8);
  let turn: SeenTurn;

  beforeAll(async () => {
    sink = await openOtlpSink();
    workspace = await mkdtemp(join(tmpdir(), "runner-workspace-"));
    scene = await openScene({
      settings: {
        admin: { enabled: true, port: 0 },
        telemetry: { otlpEndpoint: sink.url, metricsIntervalMs: 200, prometheus: true },
        profiles: {
          default: {},
          tools: { tools: ["Bash"], workspace: { path: workspace }, isolation: "none", tenant: "acme" },
        },
      },
    });
    const kind = transportKinds.find(({ name, tls }) => name.startsWith("Connect JSON") && !tls);
    web = kind!.connect(scene.target);

    turn = await readTurn(
      scene.client.streamChat(
        {
          profile: "tools",
          prompt: `${canaries.prompt} [[scenario bash ${JSON.stringify({ command: `echo ${canaries.toolInput}`, text: canaries.answer })}]]`,
          systemPrompt: canaries.systemPrompt,
          history: [
            { role: Role.USER, text: canaries.historyQuestion },
            { role: Role.ASSISTANT, text: canaries.historyAnswer },
          ],
          labels: { job: label },
          detail: Detail.FULL,
        },
        { headers: parentOf(trace.full, caller) },
      ),
    );
    await readTurn(web.streamChat({ prompt: "by the web port" }, { headers: parentOf(trace.web, caller) }));
    const error = JSON.stringify({ status: 400, message: `cannot do ${canaries.upstreamError}` });
    await readTurn(
      scene.client.streamChat(
        { prompt: `${canaries.prompt} [[scenario error ${error}]]` },
        { headers: parentOf(trace.failed, caller) },
      ),
    );
    await failureOf(
      scene.client.chat(
        { prompt: canaries.refusedPrompt, model: "claude-unheard-of" },
        { headers: parentOf(trace.refused, caller) },
      ),
    );
    const stop = new AbortController();
    const from = scene.book.position;
    await readTurn(
      scene.client.streamChat(
        { prompt: "[[scenario slow-text]]" },
        { headers: parentOf(trace.cancelled, caller), signal: stop.signal },
      ),
      ({ event }) => {
        if (event.case === "textDelta") stop.abort();
      },
    );
    await scene.book.wait(({ message }) => message === "turn ended", from);

    metrics = await (await fetch(`http://127.0.0.1:${scene.runner.adminAddress?.port}/metrics`)).text();
    web.close();
    // What is left is sent at the end.
    await scene.close();
  });
  afterAll(async () => {
    await sink.close();
    await rm(workspace, { recursive: true, force: true });
  });

  const spansOf = (traceId: string) => sink.spans.filter((span) => span.traceId === traceId);
  const serverOf = (traceId: string): SinkSpan => {
    const found = spansOf(traceId).filter(({ kind }) => kind === 2);
    expect(found).toHaveLength(1);
    return found[0]!;
  };
  const lineOf = (traceId: string): LogLine | undefined =>
    scene.book.lines.find(({ trace_id }) => trace_id === traceId);

  it("goes on with the caller's trace, over gRPC metadata and over HTTP headers", () => {
    expect(turn.result.outcome).toBe(Outcome.COMPLETED);
    for (const [traceId, system] of [
      [trace.full, "grpc"],
      [trace.web, "connectrpc"],
    ] as const) {
      const server = serverOf(traceId);
      expect(server).toMatchObject({ parentSpanId: caller, name: "claude.runner.v1.ClaudeRunner/StreamChat" });
      expect(server.attributes).toMatchObject({
        "rpc.system.name": system,
        "rpc.method": "claude.runner.v1.ClaudeRunner/StreamChat",
        "rpc.status_code": "OK",
      });
    }
  });

  it("shows the stages of a call one after the other, and what happens in the turn below the turn", () => {
    const server = serverOf(trace.full);
    const stages = spansOf(trace.full)
      .filter(({ parentSpanId }) => parentSpanId === server.spanId)
      .toSorted((a, b) => Number(a.startTime - b.startTime || a.endTime - b.endTime));
    expect(stages.map(({ name }) => name)).toEqual([
      "runner.check",
      "runner.queue_wait",
      "runner.claim",
      "runner.bind",
      "runner.configure",
      "runner.seed_history",
      "runner.stdin_write",
      "runner.turn",
      "runner.reply",
    ]);
    expect(stages[0]?.startTime).toBe(server.startTime);
    for (const [at, stage] of stages.slice(1).entries()) expect(stage.startTime, stage.name).toBe(stages[at]!.endTime);
    expect(stages.at(-1)?.endTime).toBe(server.endTime);

    const of = (name: string) => spansOf(trace.full).find((span) => span.name === name)!;
    const turnSpan = of("runner.turn");
    const within = spansOf(trace.full).filter(({ parentSpanId }) => parentSpanId === turnSpan.spanId);
    expect(within.map(({ name }) => name).toSorted()).toEqual([
      "runner.first_event",
      "runner.first_text",
      "runner.tool",
    ]);
    for (const { name, startTime, endTime } of within) {
      expect(startTime, name).toBeGreaterThanOrEqual(turnSpan.startTime);
      expect(endTime, name).toBeLessThanOrEqual(turnSpan.endTime);
    }
    expect(of("runner.tool").attributes).toMatchObject({ "runner.tool.name": "Bash", "runner.tool.is_error": false });
    expect(of("runner.seed_history").attributes).toMatchObject({ "runner.seeded_message_count": 2 });
  });

  it("says on the call how the turn got its worker, what it used, and how it ended", () => {
    const { started, result, turnId } = turn;
    expect(serverOf(trace.full).attributes).toMatchObject({
      "runner.tenant": "acme",
      "runner.profile": "tools",
      "runner.turn.id": turnId,
      "runner.turn.outcome": "completed",
      "runner.turn.detail": "full",
      "runner.claim.source": "spare",
      "runner.worker.id": started.workerId,
      "runner.worker.turn_count": 0,
      "runner.worker.age_ms": expect.any(Number),
      "runner.queue.length": 0,
      "runner.cost_usd_micros": Number(result.costUsdMicros),
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "anthropic",
      "gen_ai.request.model": model,
      "gen_ai.response.model": model,
      "gen_ai.conversation.id": started.upstreamSessionId,
      "gen_ai.usage.input_tokens": Number(result.usage?.inputTokenCount),
      "gen_ai.usage.output_tokens": Number(result.usage?.outputTokenCount),
      "gen_ai.response.finish_reasons": ["end_turn"],
    });
  });

  it("says of failed, refused and cancelled turns what they were", () => {
    expect(serverOf(trace.failed).attributes).toMatchObject({
      "rpc.status_code": "INVALID_ARGUMENT",
      "error.type": "INVALID_ARGUMENT",
      "runner.turn.outcome": "upstream_error",
      "runner.error.reason": "upstream_invalid_request",
    });
    expect(serverOf(trace.refused)).toMatchObject({ name: "claude.runner.v1.ClaudeRunner/Chat", statusCode: 0 });
    expect(serverOf(trace.refused).attributes).toMatchObject({
      "rpc.status_code": "INVALID_ARGUMENT",
      "runner.error.reason": "invalid_request",
    });
    expect(serverOf(trace.cancelled).attributes).toMatchObject({
      "rpc.status_code": "CANCELLED",
      "runner.turn.outcome": "cancelled",
    });
  });

  it("writes one log line for each turn, with the ids of its trace", () => {
    for (const traceId of [trace.full, trace.web, trace.failed, trace.cancelled]) {
      const lines = scene.book.lines.filter(
        ({ message, trace_id }) => message === "turn ended" && trace_id === traceId,
      );
      expect(lines).toHaveLength(1);
      expect(lines[0]?.span_id).toBe(serverOf(traceId).spanId);
    }
    expect(lineOf(trace.full)).toMatchObject({
      turnId: turn.turnId,
      tenant: "acme",
      profile: "tools",
      outcome: "completed",
      claimSource: "spare",
      workerId: turn.started.workerId,
      labels: { job: label },
      modelCallCount: 2,
      costUsdMicros: Number(turn.result.costUsdMicros),
    });
    expect(Object.keys(lineOf(trace.full)?.stagesMs as object)).toEqual(
      expect.arrayContaining([
        "queueWait",
        "claim",
        "bind",
        "seedHistory",
        "stdinWrite",
        "firstEvent",
        "firstText",
        "turn",
        "total",
      ]),
    );
  });

  it("serves metrics to Prometheus, and sends them to the collector", () => {
    expect(metrics).toMatch(/^runner_turns_total\{[^}]*outcome="completed"[^}]*\} [1-9]/m);
    expect(metrics).toMatch(
      /^runner_turns_total\{[^}]*outcome="upstream_error"[^}]*reason="upstream_invalid_request"[^}]*\} 1/m,
    );
    expect(metrics).toMatch(/^runner_claims_total\{[^}]*source="spare"[^}]*\} [1-9]/m);
    expect(metrics).toMatch(/^runner_stage_duration_seconds_bucket\{[^}]*stage="first_text"/m);
    expect(metrics).toMatch(/^runner_worker_starts_total\{[^}]*\} [1-9]/m);
    expect(metrics).toMatch(/^runner_workers\{[^}]*state="bound_idle"[^}]*\} \d/m);
    expect(metrics).toMatch(/^rpc_server_call_duration_seconds_count\{/m);
    const sent = sink.bodies.filter(({ path }) => path.endsWith("/v1/metrics"));
    expect(sent.length).toBeGreaterThan(0);
    expect(sent.at(-1)?.bytes.includes("runner.turns")).toBe(true);
  });

  it("holds nothing of what people and models said, no token and no key; labels are in the log only", () => {
    const kept = new Map([
      ["the log", Buffer.from(scene.book.lines.map((line) => JSON.stringify(line)).join("\n"))],
      ["metrics for Prometheus", Buffer.from(metrics)],
      ...sink.bodies.map(({ path, bytes }, at) => [`${path} ${at}`, bytes] as const),
    ]);
    const secrets = { ...canaries, key: canaryKey, token: tenants.acme };
    for (const [where, bytes] of kept) {
      for (const [what, secret] of Object.entries(secrets)) {
        // The prompts that ask for a failure hold its words, so that the log leaves them out of what the model API said.
        expect(bytes.includes(secret), `the ${what} is in ${where}`).toBe(false);
      }
      if (where !== "the log") expect(bytes.includes(label), `the label is in ${where}`).toBe(false);
    }
    // They were there to be found.
    const asked = scene.standin.requests.map(({ bodyText }) => bodyText).join("\n");
    expect(asked).toContain(canaries.prompt);
    expect(asked).toContain(canaries.historyAnswer);
    expect(turn.text).toContain(canaries.answer);
  });
});
