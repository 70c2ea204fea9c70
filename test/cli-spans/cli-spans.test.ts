import { type AttributeValue, SpanStatusCode, trace } from "@opentelemetry/api";
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { afterEach, describe, expect, it } from "vitest";
import { Secrets } from "../../src/cli/protocol/secrets.ts";
import { type CliSpans, type CliSpansOptions, openCliSpans } from "../../src/cli-spans/cli-spans.ts";
import { holdMs, patienceMs } from "../../src/cli-spans/join.ts";
import type { Log } from "../../src/telemetry/log.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { FakeClock } from "../fake-clock.ts";
import { recorded, spannedTurn } from "./recorded.ts";

/** Whoever starts it, what its process writes has no secrets. */
const worker = { id: "w1", profile: "default", withoutSecrets: (json: string) => json };
const on = { cliSpans: true, otlpEndpoint: "http://127.0.0.1:4318" };
const open: CliSpans[] = [];
afterEach(async () => {
  for (const spans of open.splice(0)) await spans.stop();
  trace.disable();
});

function warnings() {
  const said: string[] = [];
  const log: Log = { ...silentLog, warn: (_fields, message) => void said.push(message) };
  return { said, log };
}

async function opened(options: Partial<CliSpansOptions> = {}): Promise<CliSpans> {
  const spans = await openCliSpans({ settings: on, log: silentLog, clock: new FakeClock(), ...options });
  if (spans === undefined) throw new Error("it is not open");
  open.push(spans);
  return spans;
}

/** A tracer provider that keeps what ends. */
function keeping() {
  const exporter = new InMemorySpanExporter();
  trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }));
  return exporter;
}

async function send(endpoint: string | undefined, body: string): Promise<number> {
  const headers = { "content-type": "application/json" };
  return (await fetch(`${endpoint}/v1/traces`, { method: "POST", body, headers })).status;
}

const listenerCount = () => process.getActiveResourcesInfo().filter((kind) => kind === "TCPServerWrap").length;

describe("spans of Claude Code", () => {
  it("cost nothing when they are off, or when they would go nowhere: no port, no variables", async () => {
    const before = listenerCount();
    expect(await openCliSpans({ settings: { ...on, cliSpans: false }, log: silentLog })).toBeUndefined();
    expect(await openCliSpans({ settings: { ...on, otlpEndpoint: undefined }, log: silentLog })).toBeUndefined();
    expect(listenerCount()).toBe(before);
  });

  it("are asked for by seven variables, of which none lets content out", async () => {
    const { variables } = await (await opened()).open(worker);
    expect(variables).toEqual({
      CLAUDE_CODE_ENABLE_TELEMETRY: "1",
      CLAUDE_CODE_ENHANCED_TELEMETRY_BETA: "1",
      CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS: "300",
      OTEL_TRACES_EXPORTER: "otlp",
      OTEL_TRACES_EXPORT_INTERVAL: "10",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_ENDPOINT: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{32}$/),
    });
  });

  it("go out in the turn's trace, with the server's other spans, and with ids of their own", async () => {
    const exporter = keeping();
    const clock = new FakeClock();
    const spans = await opened({ clock });
    const { bodies, turn, spans: sent } = recorded("rejected");
    const tracer = trace.getTracer("test");
    const ours = tracer.startSpan("runner.turn");
    const { variables } = await spans.open(worker);
    for (const body of bodies) expect(await send(variables.OTEL_EXPORTER_OTLP_ENDPOINT, body)).toBe(200);
    spans.turnEnded({ ...turn, parent: ours.spanContext() }).join(new Map());
    await clock.advance(holdMs);

    const out = exporter.getFinishedSpans();
    expect(out.map(({ name }) => name).toSorted()).toEqual(["claude_code.interaction", "claude_code.llm_request"]);
    const root = out.find(({ name }) => name === "claude_code.interaction")!;
    const request = out.find(({ name }) => name === "claude_code.llm_request")!;
    expect(root.parentSpanContext?.spanId).toBe(ours.spanContext().spanId);
    expect(request.parentSpanContext?.spanId).toBe(root.spanContext().spanId);
    for (const span of out) {
      expect(span.spanContext()).toMatchObject({ traceId: ours.spanContext().traceId, traceFlags: 1 });
      expect(span.instrumentationScope.name).toBe("claude-code");
      expect(sent.map(({ spanId }) => spanId)).not.toContain(span.spanContext().spanId);
    }
    expect(request.status).toEqual({ code: SpanStatusCode.ERROR });
    const sentRequest = sent.find(({ name }) => name === "claude_code.llm_request")!;
    const [seconds, nanos] = request.endTime;
    expect(seconds * 1_000 + nanos / 1e6).toBeCloseTo(sentRequest.endMs, 2);
    const attempts = request.events.map(
      (event) => [event.name, event.attributes] as [string, Record<string, AttributeValue>],
    );
    expect(attempts).toEqual([1, 2, 3].map((number) => ["gen_ai.request.attempt", { "runner.cli.attempt": number }]));
  });

  it("have no secret of the worker's credential in what a gateway gave as an id or a class", async () => {
    const exporter = keeping();
    const clock = new FakeClock();
    const spans = await opened({ clock });
    const { bodies, turn } = recorded("rejected");
    const key = "gw-key-of-the-operator-0123456789";
    const ours = trace.getTracer("test").startSpan("runner.turn");
    const { variables } = await spans.open({ ...worker, withoutSecrets: (json) => new Secrets([key]).line(json) });
    const withKey = bodies.map((body) =>
      body.replace(/("key":"error_class","value":\{"stringValue":)"[^"]*"/g, `$1"${key}"`),
    );
    expect(withKey.join()).toContain(key);
    for (const body of withKey) expect(await send(variables.OTEL_EXPORTER_OTLP_ENDPOINT, body)).toBe(200);
    spans.turnEnded({ ...turn, parent: ours.spanContext() }).join(new Map());
    await clock.advance(holdMs);
    const out = exporter.getFinishedSpans();
    expect(out.length).toBeGreaterThan(0);
    expect(JSON.stringify(out.map(({ attributes }) => attributes))).not.toContain(key);
  });

  it("do without the port when it cannot be opened: one warning, and the server goes on", async () => {
    const { variables } = await (await opened()).open(worker);
    const endpoint = variables.OTEL_EXPORTER_OTLP_ENDPOINT ?? "";
    const { said, log } = warnings();
    expect(await openCliSpans({ settings: on, log, port: Number(new URL(endpoint).port) })).toBeUndefined();
    expect(said).toEqual([expect.stringContaining("traces continue without them")]);
  });

  it("stand junk: refused each time, mentioned once", async () => {
    const { said, log } = warnings();
    const { variables } = await (await opened({ log })).open(worker);
    const endpoint = variables.OTEL_EXPORTER_OTLP_ENDPOINT;
    for (const junk of ["", "<html>", "[1,2]", '{"resourceSpans":0}']) expect(await send(endpoint, junk)).toBe(400);
    expect(await send(endpoint, '{"resourceSpans":[{"scopeSpans":[{"spans":[1]}]}]}')).toBe(200);
    expect(said).toHaveLength(1);
  });

  it("say once that a Claude Code sends none", async () => {
    const { said, log } = warnings();
    const clock = new FakeClock();
    const spans = await opened({ log, clock });
    await spans.open(worker);
    for (let number = 1; number <= 12; number += 1) {
      spans.turnEnded(spannedTurn({ promptNumber: number })).join(new Map());
      await clock.advance(patienceMs);
    }
    expect(said).toEqual([expect.stringContaining("Claude Code sends no spans")]);
  });

  it("are still taken for a moment when the process is gone: it sends its last ones as it ends", async () => {
    const clock = new FakeClock();
    const { variables, close } = await (await opened({ clock })).open(worker);
    await close();
    expect(await send(variables.OTEL_EXPORTER_OTLP_ENDPOINT, '{"resourceSpans":[]}')).toBe(200);
    await clock.advance(holdMs);
    expect(await send(variables.OTEL_EXPORTER_OTLP_ENDPOINT, '{"resourceSpans":[]}')).toBe(404);
  });

  it("can be stopped twice, and leave nothing open", async () => {
    const spans = await opened();
    const endpoint = (await spans.open(worker)).variables.OTEL_EXPORTER_OTLP_ENDPOINT;
    expect(await send(endpoint, '{"resourceSpans":[]}')).toBe(200);
    await spans.stop();
    await spans.stop();
    await expect(send(endpoint, '{"resourceSpans":[]}')).rejects.toThrow();
  });
});
