/**
 * Traces as people see them: asked of a real Jaeger, for calls of real clients to a real server with the real CLI.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chosenLanguages } from "../../clients/suite/chosen.ts";
import { ClientUnderTest } from "../../clients/suite/client.ts";
import { aboutAttributes } from "../../src/telemetry/attributes.ts";
import { aboutSpans, retryAttributes, type SpanKey } from "../../src/telemetry/spans.ts";
import { model, openScene, tenants } from "../e2e/scene.ts";
import { CallTrace, keyOf } from "./call-trace.ts";
import { type Jaeger, openJaeger } from "./jaeger.ts";
import { programs } from "./programs.ts";
import { type CallKind, callKinds, callsAlone, type MadeCall, makeCalls, otherModel, settingsFor } from "./turns.ts";

const languages = chosenLanguages();
const prompt = `Say hello [[scenario bash ${JSON.stringify({ command: "true" })}]]`;
const opened = new AsyncDisposableStack();
let jaeger: Jaeger;
let made: ReadonlyMap<CallKind, MadeCall>;
/** The trace of each language's client. */
const clientTraces = new Map<string, string>();

beforeAll(async () => {
  jaeger = opened.use(await openJaeger(programs().jaeger));
  const workspace = await mkdtemp(join(tmpdir(), "runner-workspace-"));
  opened.defer(() => rm(workspace, { recursive: true, force: true }));
  const settings = settingsFor(workspace);
  const scene = await openScene({ settings: { ...settings, telemetry: { otlpEndpoint: jaeger.otlpUrl } } });
  // What is left is sent when it closes: after that Jaeger has every span.
  await using _ = { [Symbol.asyncDispose]: () => scene.close() };
  made = await makeCalls(scene);
  for (const language of languages) {
    const client = new ClientUnderTest(language);
    const target = { address: `127.0.0.1:${scene.target.grpcPort}`, token: tenants.acme };
    const request = {
      profile: "tools",
      prompt,
      history: [
        { role: "ROLE_USER", text: "a" },
        { role: "ROLE_ASSISTANT", text: "b" },
      ],
    };
    const answer = await client.stream(target, request, { otlpUrl: jaeger.otlpUrl });
    await client.end();
    expect(answer.error, language.title).toBeUndefined();
    clientTraces.set(language.name, answer.traceId ?? "");
  }
});
afterAll(() => opened.disposeAsync());

async function traceOf(kind: CallKind): Promise<CallTrace> {
  return new CallTrace(await jaeger.trace(made.get(kind)!.traceId));
}

const wholeTurn = [
  "runner.check",
  "runner.queue_wait",
  "runner.claim",
  "runner.bind",
  "runner.configure",
  "runner.stdin_write",
  "runner.turn",
  "runner.reply",
];
const reusedTurn = wholeTurn.filter((name) => name !== "runner.bind");

describe.each(languages.map(({ title, name }) => ({ title, name })))("a call of the $title client", ({ name }) => {
  it("is one trace, from the client's span to the tools", async () => {
    const trace = new CallTrace(await jaeger.trace(clientTraces.get(name)!));
    const client = trace.spans.find(({ kind }) => kind === "client")!;
    expect(client.service).not.toBe("claude-runner");
    expect(trace.call).toMatchObject({ parentSpanId: client.spanId, service: "claude-runner" });
    trace.expectToAddUp();
    expect(trace.stageNames).toEqual(wholeTurn.toSpliced(5, 0, "runner.seed_history"));
    expect(
      trace
        .below(trace.one("runner.turn"))
        .map((span) => span.name)
        .toSorted(),
    ).toEqual(["runner.first_event", "runner.first_text", "runner.tool"]);
    // Two processes read one clock, each to the millisecond.
    const aMillisecond = 1_000_000n;
    expect(trace.call.startNs + aMillisecond).toBeGreaterThanOrEqual(client.startNs);
    expect(trace.call.endNs - aMillisecond).toBeLessThanOrEqual(client.endNs);
  });
});

describe("a call", () => {
  it.each(callKinds.filter((kind) => kind !== "for information"))("%s has stages that add up", async (kind) => {
    const trace = await traceOf(kind);
    expect(trace.call.parentSpanId).toBe(made.get(kind)!.callerSpanId);
    if (callsAlone.includes(kind)) expect(trace.spans).toHaveLength(1);
    else trace.expectToAddUp((kind === "unread" || kind.startsWith("cancelled")) && trace.isAbandoned);
  });

  it("on a spare binds it; one that is reused does not", async () => {
    const spare = await traceOf("on a spare");
    expect(spare.attributes["runner.claim.source"]).toBe("spare");
    expect(spare.stageNames).toEqual(wholeTurn);
    const reused = await traceOf("reused");
    expect(reused.attributes).toMatchObject({
      "runner.claim.source": "reused",
      "runner.worker.id": spare.attributes["runner.worker.id"],
      "runner.worker.turn_count": 1,
    });
    expect(reused.stageNames).toEqual(reusedTurn);
  });

  it("over HTTP and a collected one look the same", async () => {
    expect(await traceOf("by Connect")).toMatchObject({
      attributes: { "rpc.system.name": "connectrpc", "rpc.status_code": "OK" },
      stageNames: reusedTurn,
    });
    const collected = await traceOf("collected");
    expect(collected.call.name).toBe("claude.runner.v1.ClaudeRunner/Chat");
    expect(collected.stageNames).toEqual(reusedTurn);
  });

  it("with another model says which", async () => {
    expect((await traceOf("with another model")).attributes).toMatchObject({
      "gen_ai.request.model": otherModel,
      "gen_ai.response.model": otherModel,
    });
    expect((await traceOf("on a spare")).attributes).toMatchObject({ "gen_ai.request.model": model });
  });

  it("with tools shows each, as long as it ran", async () => {
    const trace = await traceOf("with history and tools");
    const tool = trace.one("runner.tool");
    expect(tool.attributes["runner.tool.name"]?.value).toBe("Bash");
    expect(tool.attributes["runner.tool.is_error"]?.value).toBe(false);
    // The command sleeps for a second; the server may have been late to see it begin.
    expect(tool.endNs - tool.startNs).toBeGreaterThan(100_000_000n);
    expect(trace.one("runner.seed_history").attributes["runner.seeded_message_count"]?.value).toBe(2);
  });

  it("shows the requests that Claude Code repeated, and is no error when one helped", async () => {
    const trace = await traceOf("retried and good");
    const [retry, ...more] = trace.one("runner.turn").events;
    expect(more).toEqual([]);
    expect(retry?.name).toBe("runner.upstream_retry");
    expect(retry?.attributes["error.type"]?.value).toBe("500");
    expect(trace.spans.filter(({ isError }) => isError)).toEqual([]);
    expect(trace.attributes["runner.turn.outcome"]).toBe("completed");
  });

  it("that failed is an error, in the turn and as a whole, and says why", async () => {
    const trace = await traceOf("failed");
    expect(trace.attributes).toMatchObject({
      "rpc.status_code": "UNAVAILABLE",
      "runner.turn.outcome": "upstream_error",
      "runner.error.reason": "upstream_5xx",
    });
    expect(trace.spans.filter(({ isError }) => isError)).toEqual([trace.call, trace.one("runner.turn")]);
    expect(trace.one("runner.turn").events.map(({ name }) => name)).toEqual(["runner.upstream_retry"]);
  });

  it("whose worker died says that the turn failed", async () => {
    const trace = await traceOf("of a worker that died");
    expect(trace.one("runner.turn")).toMatchObject({ isError: true });
    expect(trace.attributes).toMatchObject({
      "rpc.status_code": "ABORTED",
      "runner.error.reason": "worker_died",
      "runner.turn.outcome": "worker_died",
    });
  });

  it("that was cancelled is no error, ends when Claude Code has stopped, and cuts the tool that ran", async () => {
    for (const kind of ["cancelled", "cancelled in a tool"] as const) {
      const trace = await traceOf(kind);
      expect(trace.spans.filter(({ isError }) => isError)).toEqual([]);
      expect(trace.attributes).toMatchObject({
        "rpc.status_code": "CANCELLED",
        "runner.turn.outcome": "cancelled",
        "runner.error.reason": "cancelled",
      });
    }
    const tool = (await traceOf("cancelled in a tool")).one("runner.tool");
    expect(tool.attributes["runner.tool.was_cut"]?.value).toBe(true);
    expect(tool.attributes["runner.tool.is_error"]).toBeUndefined();
  });

  it("of a caller who did not read says so, and how the turn ended", async () => {
    const trace = await traceOf("unread");
    expect(trace.attributes).toMatchObject({
      "rpc.status_code": "ABORTED",
      "runner.error.reason": "client_stalled",
      "runner.turn.outcome": "client_stalled",
    });
    expect(trace.one("runner.turn").isError).toBe(true);
  });

  it("that waited in the queue shows the wait, and what it saw there", async () => {
    const trace = await traceOf("queued");
    const wait = trace.one("runner.queue_wait");
    expect(wait.endNs - wait.startNs).toBeGreaterThan((trace.call.endNs - trace.call.startNs) / 100n);
    expect(wait.isError).toBe(false);
    expect(trace.attributes["rpc.status_code"]).toBe("OK");
  });

  it("that was refused in the queue is nearly all wait, and the wait is the error", async () => {
    const trace = await traceOf("refused in the queue");
    expect(trace.stageNames).toEqual(["runner.check", "runner.queue_wait", "runner.reply"]);
    const wait = trace.one("runner.queue_wait");
    expect(wait.isError).toBe(true);
    expect(wait.attributes["runner.error.reason"]?.value).toBe("queue_timeout");
    expect(trace.attributes).toMatchObject({
      "rpc.status_code": "UNAVAILABLE",
      "runner.error.reason": "queue_timeout",
      "runner.turn.outcome": "not_started",
    });
  });

  it("that was refused at once says why, and whose it was", async () => {
    expect((await traceOf("refused at once")).attributes).toMatchObject({
      "rpc.status_code": "INVALID_ARGUMENT",
      "runner.error.reason": "invalid_request",
      "runner.tenant": "acme",
    });
  });

  it("ended by a limit of its own is no error", async () => {
    const trace = await traceOf("ended by a limit");
    expect(trace.spans.filter(({ isError }) => isError)).toEqual([]);
    expect(trace.attributes).toMatchObject({ "rpc.status_code": "OK", "runner.turn.outcome": "model_call_limit" });
  });

  it("gives Jaeger nothing to remark on, but for a caller's span that it was not sent and a turn that outlasts its call", async () => {
    for (const kind of callKinds) {
      const trace = await traceOf(kind);
      const remarks = trace.spans.flatMap(({ name, warnings }) => warnings.map((text) => `${name}: ${text}`));
      const isExpected = (text: string) =>
        text.includes("not in the trace") || (trace.isAbandoned && text.startsWith("runner.turn: clock skew"));
      expect(
        remarks.filter((text) => !isExpected(text)),
        kind,
      ).toEqual([]);
    }
  });

  it("at little detail has neither tools nor retries, and all the stages", async () => {
    expect((await traceOf("at little detail")).stageNames).toEqual(reusedTurn);
  });
});

describe("the documentation", () => {
  it("has every span and every attribute that arrives, with its type; and all that it has arrives", async () => {
    const seen = new Set<string>();
    const wrong: string[] = [];
    const look = (where: string, allowed: readonly string[], attributes: CallTrace["call"]["attributes"]) => {
      for (const [name, { type }] of Object.entries(attributes)) {
        seen.add(`${where} ${name}`);
        if (!allowed.includes(name)) wrong.push(`${name} on ${where}`);
        if (aboutAttributes[name]?.type !== type) wrong.push(`${name} on ${where} is sent as ${type}`);
      }
    };
    for (const { traceId } of made.values()) {
      for (const span of await jaeger.trace(traceId)) {
        const key = keyOf(span);
        if (key === undefined) {
          wrong.push(`a span ${span.name}`);
          continue;
        }
        seen.add(key);
        look(key, aboutSpans[key].attributes, span.attributes);
        for (const { attributes } of span.events) look("retry", retryAttributes, attributes);
      }
    }
    expect(wrong).toEqual([]);
    const promised = (Object.keys(aboutSpans) as SpanKey[]).flatMap((key) => [
      key,
      ...aboutSpans[key].attributes.map((name) => `${key} ${name}`),
    ]);
    promised.push(...retryAttributes.map((name) => `retry ${name}`));
    // What stops these stages is a matter of microseconds, and of the unit tests.
    const rare = ["check", "claim", "bind", "configure", "seedHistory", "stdinWrite"].map(
      (key) => `${key} runner.error.reason`,
    );
    expect(promised.filter((each) => !seen.has(each))).toEqual(rare);
  });
});

describe("the demo", () => {
  it("shows its turns in Jaeger: a cold one, and how much sooner a reused worker has the prompt", async () => {
    const before = new Set(await jaeger.traceIdsOf("claude-runner"));
    const demo = spawn(process.execPath, [programs().claudeRunner, "demo", "--otlp-endpoint", jaeger.otlpUrl], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    expect(await once(demo, "close")).toEqual([0, null]);
    const ids = (await jaeger.traceIdsOf("claude-runner")).filter((id) => !before.has(id));
    const traces = await Promise.all(ids.map(async (id) => new CallTrace(await jaeger.trace(id))));
    expect(traces).toHaveLength(6);
    for (const trace of traces) trace.expectToAddUp();
    const sources = traces.map(({ attributes }) => attributes["runner.claim.source"]);
    expect(sources.filter((source) => source === "cold_pool_off")).toHaveLength(1);
    expect(sources.filter((source) => source === "reused").length).toBeGreaterThan(0);
  });
});
