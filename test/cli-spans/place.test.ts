import type { SpanContext } from "@opentelemetry/api";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { HeldTrace } from "../../src/cli-spans/attribute.ts";
import type { CliSpan } from "../../src/cli-spans/cli-span.ts";
import { type Parent, type PlacedSpan, place } from "../../src/cli-spans/place.ts";
import { cliSpan, interaction, recorded, spannedTurn, turnContext } from "./recorded.ts";

function traceOf(spans: readonly CliSpan[]): HeldTrace {
  const root = spans.find(({ name }) => name === "claude_code.interaction");
  return { root, spans: new Map(spans.map((span) => [span.spanId, span])), arrivedAtMs: 0 };
}

/** The turn's own trace of a recording. */
function ownTrace(name: string) {
  const { turn, spans, toolUseIds } = recorded(name);
  const root = spans.find(({ attributes }) => attributes["interaction.sequence"] === turn.promptNumber);
  return { turn, toolUseIds, trace: root && traceOf(spans.filter(({ traceId }) => traceId === root.traceId)) };
}

const noTools = new Map<string, SpanContext>();
const contextOfTool = (toolUseId: string): SpanContext => ({ ...turnContext, spanId: toolUseId.slice(-16) });
const ourTools = (ids: readonly string[]) => new Map(ids.map((id) => [id, contextOfTool(id)]));

/** What is above a placed span: the name of another, or whose context it is. */
function above(placed: readonly PlacedSpan[], parent: Parent): string {
  if ("id" in parent) return placed.find(({ id }) => id === parent.id)?.name ?? "nobody";
  return parent.context === turnContext ? "our turn" : "our tool";
}
const tree = (placed: readonly PlacedSpan[]) =>
  placed.map(({ name, parent }) => `${name.replace("claude_code.", "")} < ${above(placed, parent)}`);

describe("the place of Claude Code's spans in a trace", () => {
  it("is below the turn: the interaction, and the model requests below that", () => {
    const { turn, trace } = ownTrace("plain");
    const { spans, joinedCount, unknownCount } = place(trace, turn, noTools);
    expect(tree(spans)).toEqual(["interaction < our turn", "llm_request < claude_code.interaction"]);
    expect({ joinedCount, unknownCount }).toEqual({ joinedCount: 2, unknownCount: 0 });
  });

  it("is below our span of the tool use for what a tool did, and the CLI's own span of it is left out", () => {
    const { turn, trace, toolUseIds } = ownTrace("tool");
    const { spans, joinedCount } = place(trace, turn, ourTools(toolUseIds));
    expect(tree(spans).toSorted()).toEqual([
      "interaction < our turn",
      "llm_request < claude_code.interaction",
      "llm_request < claude_code.interaction",
      "tool.blocked_on_user < our tool",
      "tool.execution < our tool",
    ]);
    expect(joinedCount).toBe(6);
  });

  it("keeps the CLI's span of a tool use where there is none of ours, as in turns that stream text only", () => {
    const { turn, trace } = ownTrace("tool");
    const { spans } = place(trace, turn, noTools);
    expect(tree(spans)).toContain("tool < claude_code.interaction");
    expect(tree(spans)).toContain("tool.execution < claude_code.tool");
    expect(spans.find(({ name }) => name === "claude_code.tool")?.attributes).toEqual({
      "runner.tool.name": "Bash",
      "gen_ai.tool.call.id": expect.stringMatching(/^toolu_/),
    });
  });

  it("keeps parallel tool uses apart", () => {
    const { turn, trace, toolUseIds } = ownTrace("parallel-tools");
    const { spans } = place(trace, turn, ourTools(toolUseIds));
    for (const id of toolUseIds) {
      const below = spans.filter(({ parent }) => "context" in parent && parent.context.spanId === id.slice(-16));
      expect(below.map(({ name }) => name).toSorted()).toEqual([
        "claude_code.tool.blocked_on_user",
        "claude_code.tool.execution",
      ]);
      expect(below.find(({ name }) => name.endsWith("execution"))?.attributes["gen_ai.tool.call.id"]).toBe(id);
    }
  });

  it("is below the tool's execution for a sub-agent's request", () => {
    const { turn, trace, toolUseIds } = ownTrace("sub-agent");
    const { spans } = place(trace, turn, ourTools(toolUseIds));
    const ofAgent = spans.find(
      ({ attributes }) => attributes["runner.cli.request_source"] !== "sdk" && attributes["runner.cli.request_source"],
    );
    expect(ofAgent?.attributes["runner.cli.request_source"]).toBe("agent.builtin.general-purpose");
    expect(above(spans, ofAgent!.parent)).toBe("claude_code.tool.execution");
  });

  it("has attributes in our words, and none that is not on the list", () => {
    const { turn, trace } = ownTrace("plain");
    const [root, request] = place(trace, turn, noTools).spans;
    expect(root?.attributes).toEqual({ "runner.turn.id": "turn-1", "runner.turn.outcome": "completed" });
    expect(request?.attributes).toEqual({
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "anthropic",
      "gen_ai.request.model": "claude-opus-5-5",
      "gen_ai.usage.input_tokens": expect.any(Number),
      "gen_ai.usage.output_tokens": expect.any(Number),
      "gen_ai.usage.cache_read.input_tokens": 0,
      "gen_ai.usage.cache_creation.input_tokens": 0,
      "gen_ai.response.finish_reasons": ["end_turn"],
      "runner.cli.attempt_count": 1,
      "runner.cli.request_id": expect.stringMatching(/^req_/),
      "runner.cli.request_source": "sdk",
      "runner.cli.time_to_first_token_ms": expect.any(Number),
    });
  });

  it("shows the attempts of a request, and what it failed with, but not the text of the error", () => {
    const retried = ownTrace("retried");
    const [, answered] = place(retried.trace, retried.turn, noTools).spans;
    expect(answered?.attempts.map(({ number }) => number)).toEqual([1, 2, 3]);
    expect(answered?.hasFailed).toBe(false);

    const rejected = ownTrace("rejected");
    const [root, failed] = place(rejected.trace, rejected.turn, noTools).spans;
    expect(root?.attributes["runner.turn.outcome"]).toBe("upstream_error");
    expect(failed).toMatchObject({
      hasFailed: true,
      attributes: {
        "http.response.status_code": 400,
        "error.type": "client_error",
        "runner.cli.attempt_count": 3,
      },
    });
    expect(JSON.stringify(failed)).not.toContain("canary");
  });

  it.each([
    ["model", { "gen_ai.request.model": "a model with a sentence in its name" }],
    ["stop reason", { stop_reason: "Sorry, I cannot." }],
    ["error class", { error_class: "could not reach /home/somebody" }],
    ["request id", { request_id: "not an id!" }],
    ["status", { status_code: 7 }],
    ["token count", { input_tokens: -1 }],
    ["kind of value", { input_tokens: "many", "gen_ai.request.model": 7 }],
  ])("has no %s that does not look like one", (_what, attributes) => {
    const root = interaction(1);
    const request = cliSpan({ traceId: root.traceId, parentSpanId: root.spanId, attributes });
    const [, placed] = place(traceOf([root, request]), spannedTurn(), noTools).spans;
    expect(placed?.attributes).toEqual({ "gen_ai.operation.name": "chat" });
  });

  it("leaves out kinds that are not on the list, and hangs what is below them one higher", () => {
    const root = interaction(1);
    const unheardOf = cliSpan({ traceId: root.traceId, parentSpanId: root.spanId, name: "claude_code.unheard_of" });
    const request = cliSpan({ traceId: root.traceId, parentSpanId: unheardOf.spanId });
    const { spans, joinedCount, unknownCount } = place(traceOf([request, unheardOf, root]), spannedTurn(), noTools);
    expect(tree(spans)).toEqual(["interaction < our turn", "llm_request < claude_code.interaction"]);
    expect({ joinedCount, unknownCount }).toEqual({ joinedCount: 2, unknownCount: 1 });
  });

  it("is below the interaction for spans whose parent did not come", () => {
    const root = interaction(1);
    const orphan = cliSpan({ traceId: root.traceId, parentSpanId: "f".repeat(16) });
    expect(tree(place(traceOf([orphan, root]), spannedTurn(), noTools).spans)).toEqual([
      "interaction < our turn",
      "llm_request < claude_code.interaction",
    ]);
  });

  it("is a tree with parents before children, whatever the spans say of each other", () => {
    const ids = Array.from({ length: 8 }, (_, at) => String(at).repeat(16));
    const names = ["claude_code.llm_request", "claude_code.tool", "claude_code.tool.execution", "claude_code.odd"];
    const span = fc.record({
      parentSpanId: fc.constantFrom(...ids),
      name: fc.constantFrom(...names),
      attributes: fc.constantFrom<CliSpan["attributes"]>({}, { tool_use_id: "toolu_1" }),
    });
    fc.assert(
      fc.property(fc.array(span, { maxLength: 7 }), fc.boolean(), (changes, hasOurTool) => {
        const root = interaction(1, { spanId: ids[7]! });
        const spans = changes.map((change, at) => cliSpan({ ...change, traceId: root.traceId, spanId: ids[at]! }));
        const tools = hasOurTool ? ourTools(["toolu_1"]) : noTools;
        const placed = place(traceOf([...spans, root]), spannedTurn(), tools).spans;
        const seen = new Set<string>();
        for (const { id, parent } of placed) {
          if ("id" in parent) expect(seen).toContain(parent.id);
          expect(seen).not.toContain(id);
          seen.add(id);
        }
        expect(seen).toContain(root.spanId);
      }),
    );
  });
});

describe("a model request that was interrupted", () => {
  it("is made up from what we know, and says so: Claude Code says nothing of it", () => {
    const { turn, trace } = ownTrace("interrupted");
    const { spans, joinedCount } = place(trace, turn, noTools);
    expect(tree(spans)).toEqual(["interaction < our turn", "llm_request < claude_code.interaction"]);
    expect(joinedCount).toBe(1);
    const cut = turn.cutModelCall!;
    expect(spans[1]).toMatchObject({ startMs: cut.startedAtMs, endMs: cut.endedAtMs, hasFailed: false });
    expect(spans[1]?.attributes).toEqual({
      "runner.synthesized": true,
      "gen_ai.operation.name": "chat",
      "gen_ai.request.model": "claude-opus-5-5",
      "gen_ai.response.model": "claude-opus-5-5",
      "runner.cli.time_to_first_token_ms": 216,
    });
  });

  it("is not made up when it came after all, nor when a tool was running", () => {
    const root = interaction(1);
    const request = cliSpan({ traceId: root.traceId, parentSpanId: root.spanId, startMs: 1_010, endMs: 1_090 });
    const cutModelCall = { startedAtMs: 1_005, answeredAtMs: undefined, endedAtMs: 1_092, model: undefined };
    const { spans } = place(traceOf([root, request]), spannedTurn({ cutModelCall }), noTools);
    expect(spans.map(({ id }) => id)).toEqual([root.spanId, request.spanId]);

    const inTool = ownTrace("interrupted-in-tool");
    expect(place(inTool.trace, inTool.turn, noTools).spans.some(({ id }) => id === "made-up")).toBe(false);
  });

  it("is made up beside the requests that were answered before it", () => {
    const root = interaction(1);
    const answered = cliSpan({ traceId: root.traceId, parentSpanId: root.spanId, startMs: 1_005, endMs: 1_040 });
    const cutModelCall = { startedAtMs: 1_041, answeredAtMs: undefined, endedAtMs: 1_090, model: undefined };
    const { spans } = place(traceOf([root, answered]), spannedTurn({ cutModelCall }), noTools);
    expect(spans.map(({ id }) => id)).toEqual([root.spanId, answered.spanId, "made-up"]);
  });

  it("is below the turn itself when nothing came, as from a process that died", () => {
    const cutModelCall = { startedAtMs: 1_005, answeredAtMs: undefined, endedAtMs: 1_090, model: undefined };
    const { spans } = place(undefined, spannedTurn({ cutModelCall }), noTools);
    expect(tree(spans)).toEqual(["llm_request < our turn"]);
    expect(spans[0]?.attributes).toEqual({
      "runner.synthesized": true,
      "gen_ai.operation.name": "chat",
      "gen_ai.request.model": "m",
    });
  });
});
