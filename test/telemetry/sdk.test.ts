import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { context, propagation, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { afterEach, describe, expect, it } from "vitest";
import { type Clock, systemClock } from "../../src/clock.ts";
import { settingsSchema } from "../../src/config/settings.ts";
import { instruments, tracer } from "../../src/telemetry/instruments.ts";
import { createLog, silentLog } from "../../src/telemetry/log.ts";
import { startTelemetry, type Telemetry } from "../../src/telemetry/sdk.ts";

const open: { stop(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.stop();
});

/** Keeps what it is sent, and answers with `status`, or for metrics with another; 0 never answers. */
async function collector(status = 200, metricsStatus = status) {
  const received: { path: string; body: string }[] = [];
  const server = createServer(async (request, response) => {
    const body = await textOf(request);
    received.push({ path: request.url ?? "", body });
    const answer = request.url?.endsWith("/v1/metrics") ? metricsStatus : status;
    if (answer > 0) response.writeHead(answer, { "content-type": "application/x-protobuf" }).end();
  });
  await listening(server);
  open.push({
    stop: async () => {
      server.closeAllConnections();
      server.close();
    },
  });
  return { received, url: urlOf(server) };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString("latin1");
}

async function listening(server: Server): Promise<void> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
}

const urlOf = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

function started(
  telemetry: Record<string, unknown>,
  options: { clock?: Clock; log?: typeof silentLog } = {},
): Telemetry {
  const settings = settingsSchema.parse({ telemetry }).telemetry;
  const running = startTelemetry({ settings, version: "1.2.3", log: options.log ?? silentLog, clock: options.clock });
  open.push(running);
  return running;
}

describe("telemetry", () => {
  it("sends what was measured before it stops", async () => {
    const { received, url } = await collector();
    const telemetry = started({ otlpEndpoint: `${url}/prefix/`, serviceName: "my-runner" });
    tracer().startSpan("runner.turn").end();
    instruments().turns.add(1, { "runner.turn.outcome": "COMPLETED" });
    await telemetry.stop();
    const sent = (path: string) => received.filter((one) => one.path === path).map((one) => one.body);
    expect(sent("/prefix/v1/traces").join()).toContain("runner.turn");
    expect(sent("/prefix/v1/metrics").join()).toContain("runner.turns");
    expect(sent("/prefix/v1/traces").join()).toContain("my-runner");
  });

  it("publishes nothing about the machine or the process", async () => {
    const { received, url } = await collector();
    const telemetry = started({ otlpEndpoint: url });
    tracer().startSpan("x").end();
    await telemetry.stop();
    const body = received.map((one) => one.body).join();
    expect(body).toContain("service.instance.id");
    for (const name of ["host.", "process.", "os.type"]) expect(body).not.toContain(name);
  });

  it("does not wait for a collector that never answers", async () => {
    const { received, url } = await collector(0);
    let fire: (() => void) | undefined;
    const clock: Clock = {
      now: () => 0,
      wallNow: () => 0,
      after: (_afterMs, then) => {
        fire = then;
        return () => undefined;
      },
    };
    const telemetry = started({ otlpEndpoint: url, prometheus: false }, { clock });
    tracer().startSpan("x").end();
    const stopped = telemetry.stop();
    await expect.poll(() => received.length).toBeGreaterThan(0);
    fire?.();
    await stopped;
  });

  it("mentions a collector that refuses once, not at every attempt", async () => {
    const lines: string[] = [];
    const log = createLog({ level: "warn", write: (line) => lines.push(line) });
    const { received, url } = await collector(400);
    const telemetry = started({ otlpEndpoint: url }, { log });
    tracer().startSpan("x").end();
    instruments().turns.add(1);
    await telemetry.stop();
    expect(received.length).toBeGreaterThan(1);
    expect(lines.length).toBe(1);
    expect(lines[0]).toContain("telemetry could not be sent");
  });

  it("sends no more metrics for a while to a collector that takes traces alone, and says so once", async () => {
    const lines: string[] = [];
    const log = createLog({ level: "debug", write: (line) => lines.push(line) });
    const { received, url } = await collector(200, 404);
    let nowMs = 0;
    const clock: Clock = { ...systemClock, now: () => nowMs };
    const telemetry = started({ otlpEndpoint: url, metricsIntervalMs: 100 }, { log, clock });
    instruments().turns.add(1);
    const metricCount = () => received.filter(({ path }) => path === "/v1/metrics").length;
    await expect.poll(metricCount).toBe(1);
    await expect.poll(() => lines.length).toBe(1);
    expect(lines[0]).toContain("does not accept metrics");
    nowMs = 11 * 60_000;
    await expect.poll(metricCount).toBe(2);
    tracer().startSpan("x").end();
    await telemetry.stop();
    expect(metricCount()).toBe(2);
    expect(received.some(({ path }) => path === "/v1/traces")).toBe(true);
    expect(lines).toHaveLength(1);
  });

  it("serves the metrics to Prometheus", async () => {
    const telemetry = started({});
    const server = createServer((request, response) => telemetry.metricsHandler?.(request, response));
    await listening(server);
    open.push({ stop: async () => void server.close() });
    instruments().claims.add(3, { "runner.claim.source": "REUSED" });
    const text = await (await fetch(`${urlOf(server)}/metrics`)).text();
    expect(text).toMatch(/^runner_claims_total\{.*runner_claim_source="REUSED".*\} 3/m);
    expect(text).toMatch(/^target_info\{.*service_version="1.2.3".*\} 1/m);
  });

  it("has no handler for Prometheus when that is off", () => {
    expect(started({ prometheus: false }).metricsHandler).toBeUndefined();
  });

  it("continues the caller's trace, also without a collector", async () => {
    started({});
    const headers = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" };
    const parent = propagation.extract(ROOT_CONTEXT, headers);
    const span = tracer().startSpan("call", {}, parent);
    expect(span.spanContext().traceId).toBe("0af7651916cd43dd8448eb211c80319c");
    await context.with(trace.setSpan(parent, span), async () => {
      await Promise.resolve();
      expect(trace.getActiveSpan()?.spanContext().spanId).toBe(span.spanContext().spanId);
    });
  });

  it("traces the share of turns that the settings say, and every turn whose caller traces", () => {
    started({ otlpEndpoint: "http://127.0.0.1:1", traceSampleRatio: 0 });
    expect(tracer().startSpan("own").isRecording()).toBe(false);
    const headers = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" };
    expect(tracer().startSpan("called", {}, propagation.extract(ROOT_CONTEXT, headers)).isRecording()).toBe(true);
  });

  it("can be started again in the same process", async () => {
    const [first, second] = [await collector(), await collector()];
    const measure = () => {
      instruments().turns.add(1);
      tracer().startSpan("turn").end();
    };
    const before = started({ otlpEndpoint: first.url });
    measure();
    await before.stop();
    const receivedByFirst = first.received.length;
    const after = started({ otlpEndpoint: second.url });
    measure();
    await after.stop();
    await after.stop();
    expect(second.received.map(({ path }) => path).sort()).toEqual(["/v1/metrics", "/v1/traces"]);
    expect(second.received.find(({ path }) => path === "/v1/metrics")?.body).toContain("runner.turns");
    expect(receivedByFirst).toBe(2);
    expect(first.received).toHaveLength(receivedByFirst);
  });
});
