/** Turns that were recorded with the spans of their process, and what tests make of such. */
import { readFileSync } from "node:fs";
import type { SpanContext } from "@opentelemetry/api";
import type { CliSpan } from "../../src/cli-spans/cli-span.ts";
import { readSpans } from "../../src/cli-spans/otlp.ts";
import type { SpannedTurn } from "../../src/span-joiner.ts";

export interface RecordedTurn {
  readonly turn: SpannedTurn;
  readonly toolUseIds: readonly string[];
  /** As they came, one after the other. */
  readonly bodies: readonly string[];
  readonly spans: readonly CliSpan[];
}

/** Our span of the turn. */
export const turnContext: SpanContext = { traceId: "a".repeat(32), spanId: "b".repeat(16), traceFlags: 1 };

/** A file of `test/fixtures/otlp`, without its ending. */
export function recorded(name: string): RecordedTurn {
  const file = new URL(`../fixtures/otlp/${name}.jsonl`, import.meta.url);
  const [first = "", ...bodies] = readFileSync(file, "utf8").trim().split("\n");
  const { turn } = JSON.parse(first) as { turn: SpannedTurn & { readonly toolUseIds: readonly string[] } };
  return {
    turn: {
      ...turn,
      id: "turn-1",
      workerId: "w1",
      model: "claude-opus-5-5",
      cutModelCall: turn.cutModelCall,
      parent: turnContext,
    },
    toolUseIds: turn.toolUseIds,
    bodies,
    spans: bodies.flatMap((body) => readSpans(body)?.spans ?? []),
  };
}

export const recordedNames = [
  "plain",
  "tool",
  "parallel-tools",
  "retried",
  "rejected",
  "interrupted",
  "interrupted-in-tool",
  "seeded",
  "sub-agent",
  "killed",
] as const;

let lastId = 0;
const newId = (digits: number) => (++lastId).toString(16).padStart(digits, "0");

/** A span as the CLI might have made it. */
export function cliSpan(change: Partial<CliSpan> = {}): CliSpan {
  return {
    traceId: newId(32),
    spanId: newId(16),
    parentSpanId: "",
    name: "claude_code.llm_request",
    startMs: 1_000,
    endMs: 1_010,
    attributes: {},
    attempts: [],
    hasFailed: false,
    sizeBytes: 500,
    ...change,
  };
}

/** The root of the spans of a user line. */
export function interaction(sequence: number, change: Partial<CliSpan> = {}): CliSpan {
  return cliSpan({
    name: "claude_code.interaction",
    attributes: { "interaction.sequence": sequence },
    ...change,
  });
}

/** A turn that ran from 1,000 to 1,100 ms. */
export function spannedTurn(change: Partial<SpannedTurn> = {}): SpannedTurn {
  return {
    id: "turn-1",
    workerId: "w1",
    promptNumber: 1,
    writtenAtMs: 1_000,
    endedAtMs: 1_100,
    outcome: "completed",
    model: "m",
    cutModelCall: undefined,
    parent: turnContext,
    ...change,
  };
}
