/**
 * One call in a trace: the server's span and what is below it, and the rules that its times keep.
 */
import { expect } from "vitest";
import { spanNames, tracerName } from "../../src/telemetry/instruments.ts";
import { aboutSpans, type SpanKey } from "../../src/telemetry/spans.ts";
import type { SpanSeen } from "./jaeger.ts";

const keys = Object.keys(aboutSpans) as SpanKey[];

/** Which span of the documentation it is. */
export function keyOf({ name, kind }: SpanSeen): SpanKey | undefined {
  return kind === "server" ? "call" : keys.find((key) => key !== "call" && spanNames[key] === name);
}

/** The documentation has the stages in their order: that decides between two of no length. */
const stageOrder = (span: SpanSeen) => keys.indexOf(keyOf(span) ?? "call");

export class CallTrace {
  /** All of the trace, the caller's own spans included. */
  readonly spans: readonly SpanSeen[];
  readonly call: SpanSeen;
  /** What tiles the call, in order. */
  readonly stages: readonly SpanSeen[];

  constructor(spans: readonly SpanSeen[]) {
    this.spans = spans;
    const calls = spans.filter(({ kind }) => kind === "server");
    expect(
      calls.map(({ name }) => name),
      "server spans in the trace",
    ).toHaveLength(1);
    this.call = calls[0]!;
    this.stages = spans
      .filter(({ parentSpanId }) => parentSpanId === this.call.spanId)
      .toSorted((a, b) => Number(a.startNs - b.startNs) || stageOrder(a) - stageOrder(b));
  }

  /** Without the caller's spans and Claude Code's own: those that one clock has measured. */
  get #ours(): readonly SpanSeen[] {
    return this.spans.filter(({ scope }) => scope === tracerName);
  }

  get stageNames(): readonly string[] {
    return this.stages.map(({ name }) => name);
  }

  /** The one span of a name. */
  one(name: string): SpanSeen {
    const found = this.spans.filter((span) => span.name === name);
    expect(found, `spans called ${name}`).toHaveLength(1);
    return found[0]!;
  }

  /** What is directly below a span. */
  below(parent: SpanSeen): readonly SpanSeen[] {
    return this.spans.filter(({ parentSpanId }) => parentSpanId === parent.spanId);
  }

  /** Whether the call was over before its turn: a caller who cancels may be that quick. */
  get isAbandoned(): boolean {
    return this.stages.at(-1)?.name === spanNames.turn;
  }

  /** Attributes of the call as plain values. */
  get attributes(): Readonly<Record<string, unknown>> {
    return Object.fromEntries(Object.entries(this.call.attributes).map(([name, { value }]) => [name, value]));
  }

  /**
   * That the stages account for the whole call: the first begins with it, each begins where the one before ended, and the
   * last ends with it, so that their durations add up to the call's, to the nanosecond. What is below another span is
   * within its time. `isAbandoned`: the caller had gone before the turn was over, which is then the last stage and may
   * outlast the call.
   */
  expectToAddUp(isAbandoned = false): void {
    const { call, stages } = this;
    expect(stages[0]?.startNs, `${stages[0]?.name} begins with the call`).toBe(call.startNs);
    for (const [at, stage] of stages.slice(1).entries()) {
      const before = stages[at]!;
      expect(stage.startNs, `${stage.name} begins where ${before.name} ended`).toBe(before.endNs);
    }
    const last = stages.at(-1)!;
    if (isAbandoned) {
      expect(last.name).toBe(spanNames.turn);
      expect(last.endNs, "the turn ends after the call").toBeGreaterThanOrEqual(call.endNs);
    } else {
      expect(last.endNs, `${last.name} ends with the call`).toBe(call.endNs);
      const sumNs = stages.reduce((sum, { startNs, endNs }) => sum + (endNs - startNs), 0n);
      expect(sumNs, "the stages add up to the call").toBe(call.endNs - call.startNs);
    }
    for (const span of this.#ours.filter((each) => each !== call)) {
      const parent = this.spans.find(({ spanId }) => spanId === span.parentSpanId);
      expect(parent && keyOf(parent), `${span.name} lies below the span that the documentation says`).toBe(
        aboutSpans[keyOf(span) ?? "call"].parent,
      );
    }
    for (const parent of this.#ours.filter((each) => each !== call)) {
      for (const child of this.#ours.filter(({ parentSpanId }) => parentSpanId === parent.spanId)) {
        expect(child.startNs, `${child.name} begins within ${parent.name}`).toBeGreaterThanOrEqual(parent.startNs);
        expect(child.endNs, `${child.name} ends within ${parent.name}`).toBeLessThanOrEqual(parent.endNs);
      }
    }
  }
}
