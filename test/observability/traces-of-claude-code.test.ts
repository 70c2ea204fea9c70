/**
 * Claude Code's own spans (`telemetry.cliSpans`) as people see them in a real Jaeger: in the trace of their turn, below
 * the spans of the server, whose times add up as without them.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openScene } from "../e2e/scene.ts";
import { CallTrace } from "./call-trace.ts";
import { type Jaeger, openJaeger, type SpanSeen } from "./jaeger.ts";
import { programs } from "./programs.ts";
import { type CallKind, type MadeCall, makeCalls, settingsFor } from "./turns.ts";

const opened = new AsyncDisposableStack();
let jaeger: Jaeger;
let made: ReadonlyMap<CallKind, MadeCall>;

beforeAll(async () => {
  jaeger = opened.use(await openJaeger(programs().jaeger));
  const workspace = await mkdtemp(join(tmpdir(), "runner-workspace-"));
  opened.defer(() => rm(workspace, { recursive: true, force: true }));
  const telemetry = { otlpEndpoint: jaeger.otlpUrl, cliSpans: true };
  const scene = await openScene({ settings: { ...settingsFor(workspace), telemetry } });
  await using _ = { [Symbol.asyncDispose]: () => scene.close() };
  made = await makeCalls(scene, ["on a spare", "with history and tools", "retried and good", "cancelled"]);
});
afterAll(() => opened.disposeAsync());

async function traceOf(kind: CallKind): Promise<CallTrace> {
  return new CallTrace(await jaeger.trace(made.get(kind)!.traceId));
}

const namesBelow = (trace: CallTrace, span: SpanSeen) => trace.below(span).map(({ name }) => name);
const ofClaudeCode = (name: string) => name.startsWith("claude_code.");

describe("the spans of Claude Code itself", () => {
  it("lie below the turn, and leave the server's stages as they are", async () => {
    for (const kind of made.keys()) {
      const trace = await traceOf(kind);
      trace.expectToAddUp(kind === "cancelled" && trace.isAbandoned);
      expect(namesBelow(trace, trace.one("runner.turn")).filter(ofClaudeCode), kind).toEqual([
        "claude_code.interaction",
      ]);
      const orphans = trace.spans.filter(
        ({ name, parentSpanId }) => ofClaudeCode(name) && !trace.spans.some(({ spanId }) => spanId === parentSpanId),
      );
      expect(orphans, kind).toEqual([]);
    }
  });

  it("show the requests to the model, with tokens and every attempt", async () => {
    const plain = await traceOf("on a spare");
    expect(namesBelow(plain, plain.one("claude_code.interaction"))).toEqual(["claude_code.llm_request"]);
    const { attributes } = plain.one("claude_code.llm_request");
    expect(attributes["gen_ai.usage.output_tokens"]?.value).toBe(plain.attributes["gen_ai.usage.output_tokens"]);
    const retried = (await traceOf("retried and good")).one("claude_code.llm_request");
    expect(retried.events.map(({ name }) => name)).toEqual(["gen_ai.request.attempt", "gen_ai.request.attempt"]);
  });

  it("show how long a tool really ran, below the server's span for it", async () => {
    const trace = await traceOf("with history and tools");
    const tool = trace.one("runner.tool");
    expect(namesBelow(trace, tool).toSorted()).toEqual([
      "claude_code.tool.blocked_on_user",
      "claude_code.tool.execution",
    ]);
    const execution = trace.one("claude_code.tool.execution");
    // The command sleeps for a second.
    expect(execution.endNs - execution.startNs).toBeGreaterThan(900_000_000n);
  });
});
