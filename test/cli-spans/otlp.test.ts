import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readSpans } from "../../src/cli-spans/otlp.ts";
import { recorded, recordedNames } from "./recorded.ts";

const plain = recorded("plain").bodies[0]!;

/** A body with one span, changed. */
function withSpan(change: Record<string, unknown>): string {
  const body = JSON.parse(plain);
  const [scope] = body.resourceSpans[0].scopeSpans;
  scope.spans = [{ ...scope.spans[0], ...change }];
  return JSON.stringify(body);
}

describe("reading what Claude Code sends", () => {
  it.each(recordedNames)("finds every span of the recorded turn %s", (name) => {
    for (const body of recorded(name).bodies) {
      const sent = JSON.parse(body).resourceSpans.flatMap((of: { scopeSpans: { spans: unknown[] }[] }) =>
        of.scopeSpans.flatMap(({ spans }) => spans),
      );
      const read = readSpans(body);
      expect(read?.invalidCount).toBe(0);
      expect(read?.spans).toHaveLength(sent.length);
    }
  });

  it("keeps names, times to the microsecond, and what the list takes over", () => {
    const [request, root] = recorded("plain").spans;
    expect(request).toMatchObject({
      name: "claude_code.llm_request",
      parentSpanId: root?.spanId,
      traceId: root?.traceId,
      hasFailed: false,
      attributes: { "gen_ai.request.model": "claude-opus-5-5", stop_reason: "end_turn" },
      attempts: [{ number: 1 }],
    });
    expect(request!.startMs).toBeGreaterThan(root!.startMs);
    expect(request!.endMs).toBeLessThan(root!.endMs);
    const times = { startTimeUnixNano: "1795818559716000000", endTimeUnixNano: "1795818559790250000" };
    expect(readSpans(withSpan(times))?.spans[0]).toMatchObject({ startMs: 1795818559716, endMs: 1795818559790.25 });
  });

  it("keeps nothing else: no id of user or session, no text of an error, no command", () => {
    for (const name of recordedNames) {
      const { bodies, spans } = recorded(name);
      expect(bodies.join("")).toContain("user.id"); // It was there.
      const kept = JSON.stringify(spans);
      for (const word of ["user.id", "session.id", "c0ffee", "5e55", "canary", "argv", "user_prompt", '"error"']) {
        expect(kept, name).not.toContain(word);
      }
    }
  });

  it("says of a failed request that it failed, and with what", () => {
    const [request] = recorded("rejected").spans;
    expect(request).toMatchObject({ hasFailed: true, attributes: { status_code: 400, error_class: "client_error" } });
    expect(request?.attempts.map(({ number }) => number)).toEqual([1, 2, 3]);
  });

  it("takes whole numbers as JSON numbers and as text, as the protocol has them", () => {
    const attributes = (intValue: unknown) => [{ key: "input_tokens", value: { intValue } }];
    expect(readSpans(withSpan({ attributes: attributes(7) }))?.spans[0]?.attributes).toEqual({ input_tokens: 7 });
    expect(readSpans(withSpan({ attributes: attributes("7") }))?.spans[0]?.attributes).toEqual({ input_tokens: 7 });
    expect(readSpans(withSpan({ attributes: attributes("x") }))?.spans[0]?.attributes).toEqual({});
  });

  it.each([
    ["a trace id that is none", { traceId: "xyz" }],
    ["a span id that is too short", { spanId: "ab" }],
    ["a parent that is no id", { parentSpanId: "nobody" }],
    ["no name", { name: undefined }],
    ["a name without end", { name: "x".repeat(10_000) }],
    ["no start", { startTimeUnixNano: undefined }],
    ["a start that is no number", { startTimeUnixNano: "yesterday" }],
    ["an end before its start", { endTimeUnixNano: "1" }],
  ])("counts and skips a span with %s", (_what, change) => {
    expect(readSpans(withSpan(change))).toEqual({ spans: [], invalidCount: 1 });
  });

  it("keeps no value that is longer than any that is taken over", () => {
    const attributes = [{ key: "gen_ai.request.model", value: { stringValue: "m".repeat(5_000) } }];
    expect(readSpans(withSpan({ attributes }))?.spans[0]?.attributes).toEqual({});
  });

  it("keeps a bounded number of attempts", () => {
    const event = { name: "gen_ai.request.attempt", timeUnixNano: "1795818559790313250", attributes: [] };
    const [span] = readSpans(withSpan({ events: Array.from({ length: 10_000 }, () => event) }))?.spans ?? [];
    expect(span?.attempts.length).toBe(64);
  });

  it.each(["", "no JSON", "null", "[]", "{}", '{"resourceSpans":1}', plain.slice(0, -5)])(
    "does not take %j for spans",
    (body) => {
      expect(readSpans(body)).toBeUndefined();
    },
  );

  it("stands whatever JSON comes", () => {
    const anything = fc.jsonValue({ maxDepth: 4 });
    const shaped = fc.record({
      resourceSpans: fc.array(
        fc.record({
          scopeSpans: fc.array(fc.record({ spans: fc.array(fc.oneof(anything, fc.object())) })),
        }),
      ),
    });
    fc.assert(
      fc.property(fc.oneof(anything, shaped), (value) => {
        const read = readSpans(JSON.stringify(value));
        for (const span of read?.spans ?? []) expect(span.endMs).toBeGreaterThanOrEqual(span.startMs);
      }),
    );
  });

  it("stands a recorded body of which any member is something else", () => {
    fc.assert(
      fc.property(fc.constantFrom(...recordedNames), fc.nat(), fc.jsonValue(), (name, at, value) => {
        const body = JSON.parse(recorded(name).bodies[0] ?? "{}");
        const places: [Record<string, unknown>, string][] = [];
        const walk = (node: unknown): void => {
          if (typeof node !== "object" || node === null) return;
          for (const [key, child] of Object.entries(node)) {
            places.push([node as Record<string, unknown>, key]);
            walk(child);
          }
        };
        walk(body);
        const [holder, key] = places[at % places.length]!;
        holder[key] = value;
        expect(() => readSpans(JSON.stringify(body))).not.toThrow();
      }),
    );
  });
});
