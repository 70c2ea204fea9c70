import { context, ROOT_CONTEXT, TraceFlags, trace } from "@opentelemetry/api";
import { afterEach, describe, expect, it } from "vitest";
import { AsyncContextManager } from "../../src/telemetry/context.ts";
import { createLog, type LogLevel, type OpenLog } from "../../src/telemetry/log.ts";

function logInto(level: LogLevel = "info"): { log: OpenLog; lines: () => Record<string, unknown>[] } {
  const written: string[] = [];
  const log = createLog({ level, write: (line) => written.push(line) });
  return { log, lines: () => written.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

afterEach(() => context.disable());

describe("the log", () => {
  it("writes one JSON line with level, ISO time, fields and message", () => {
    const { log, lines } = logInto();
    log.info({ turnId: "t1", waitedMs: 12 }, "turn ended");
    const [line] = lines();
    expect(line).toMatchObject({ level: "info", turnId: "t1", waitedMs: 12, message: "turn ended" });
    expect(new Date(String(line?.time)).toISOString()).toBe(line?.time);
  });

  it("says nothing about the machine", () => {
    const { log, lines } = logInto();
    log.info({}, "hello");
    expect(Object.keys(lines()[0] ?? {}).sort()).toEqual(["level", "message", "time"]);
  });

  it("leaves out what is below its level", () => {
    const { log, lines } = logInto("warn");
    log.debug({}, "a");
    log.info({}, "b");
    log.warn({}, "c");
    log.error({}, "d");
    expect(lines().map((line) => line.message)).toEqual(["c", "d"]);
  });

  it("gives a child's fields to each of its lines", () => {
    const { log, lines } = logInto();
    log.child({ worker: "w1" }).child({ turnId: "t1" }).warn({ pid: 7 }, "slow");
    expect(lines()[0]).toMatchObject({ worker: "w1", turnId: "t1", pid: 7 });
  });

  it("takes credentials out of fields, messages, errors and their causes", () => {
    const { log, lines } = logInto();
    const cause = new Error("401 for sk-ant-api03-causecausecause");
    log.error(
      { err: new Error("Bearer errorerrorerror", { cause }), nested: { deep: ["crt_nestednestednested"] } },
      "AWS_SECRET_ACCESS_KEY=messagemessage",
    );
    const text = JSON.stringify(lines()[0]);
    for (const secret of ["causecause", "errorerror", "nestednested", "messagemessage"]) {
      expect(text).not.toContain(secret);
    }
    expect(text).toContain("401 for [redacted]");
  });

  it("escapes what a terminal or a collector would take for more than text, and keeps its value", () => {
    const written: string[] = [];
    const log = createLog({ level: "info", write: (line) => written.push(line) });
    const odd = "\x00\x1b[31m\x7f\x85\x9b\u061c\u200e\u2028\u2029\u202e\u2066\u2069\ufeff\u{e0041}\n\r";
    log.info({ labels: { [odd]: odd }, err: new Error(odd) }, odd);
    expect(written).toHaveLength(1);
    const [line] = written as [string];
    expect(line).toMatch(/^[\x20-\x7e]+\n$/);
    expect(JSON.parse(line)).toMatchObject({ message: odd, labels: { [odd]: odd } });
  });

  it("leaves the writing of people as it is", () => {
    const written: string[] = [];
    const log = createLog({ level: "info", write: (line) => written.push(line) });
    log.info({ name: "Zoë, שלום, नमस्ते, 👩‍👩‍👧" }, "كتاب");
    expect(written[0]).toContain("Zoë, שלום, नमस्ते, 👩‍👩‍👧");
    expect(written[0]).toContain("كتاب");
  });

  it("names the trace that is active", async () => {
    context.setGlobalContextManager(new AsyncContextManager());
    const { log, lines } = logInto();
    const span = {
      traceId: "0af7651916cd43dd8448eb211c80319c",
      spanId: "b7ad6b7169203331",
      traceFlags: TraceFlags.NONE,
    };
    await context.with(trace.setSpanContext(ROOT_CONTEXT, span), async () => {
      await Promise.resolve();
      log.info({}, "inside");
    });
    log.info({}, "outside");
    const [inside, outside] = lines();
    expect(inside).toMatchObject({ trace_id: span.traceId, span_id: span.spanId });
    expect(outside).not.toHaveProperty("trace_id");
  });
});
