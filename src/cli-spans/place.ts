/**
 * Gives the spans of a turn their place in its trace: new parents, our attributes, and what is known to be missing. Pure.
 *
 * ```
 * runner.turn (ours)
 * └─ claude_code.interaction
 *    ├─ claude_code.llm_request
 *    └─ claude_code.tool          only where there is no runner.tool with the same id of the tool use
 *       └─ claude_code.tool.…
 * runner.tool (ours)
 * └─ claude_code.tool.blocked_on_user, claude_code.tool.execution
 *    └─ claude_code.llm_request   of a sub-agent
 * ```
 *
 * A tool use is one span: ours, which is there with the setting and without it, and knows what came of it. The CLI's says
 * the same in other words; what it has below it is put below ours.
 */
import type { Attributes, SpanContext } from "@opentelemetry/api";
import type { SpannedModelCall, SpannedTurn } from "../span-joiner.ts";
import { attributeNames, cliSpanNames } from "../telemetry/instruments.ts";
import { label } from "../telemetry/label.ts";
import { isKnown, ownAttributes, toolUseIdOf } from "./allow-list.ts";
import type { HeldTrace } from "./attribute.ts";
import type { Attempt, CliSpan } from "./cli-span.ts";

/** Where a span goes: below one of the list that is before it, by id, or below one of ours. */
export type Parent = { readonly id: string } | { readonly context: SpanContext };

/** A span that is ready to be written down. */
export interface PlacedSpan {
  /** Within the list only: in the trace it gets another. */
  readonly id: string;
  readonly parent: Parent;
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Attributes;
  readonly attempts: readonly Attempt[];
  readonly hasFailed: boolean;
}

export interface Placement {
  /** Parents before their children. */
  readonly spans: readonly PlacedSpan[];
  /** How many of the CLI's spans are in it, those included that ours stand for. */
  readonly joinedCount: number;
  /** How many are of kinds that are not taken over. */
  readonly unknownCount: number;
}

/** By how much the CLI's account of a moment and ours may differ, in milliseconds: each is cut to a whole one. */
const toleranceMs = 2;

/** `trace` is the turn's own; `undefined` when it did not come. */
export function place(
  trace: HeldTrace | undefined,
  turn: SpannedTurn,
  tools: ReadonlyMap<string, SpanContext>,
): Placement {
  const spans = trace === undefined ? [] : [...trace.spans.values()];
  const known = spans.filter(({ name }) => isKnown(name));
  const parents = new Parents(trace, turn.parent, tools);
  const shown = known.filter((span) => parents.standInFor(span) === undefined);
  const placed = inOrder(shown, (span) => parents.of(span)).map(({ span, parent }) => placedSpan(span, parent, turn));
  const cut = turn.cutModelCall;
  if (cut !== undefined && !isThere(cut, known, trace?.root)) placed.push(madeUp(cut, turn, trace?.root));
  return { spans: placed, joinedCount: known.length, unknownCount: spans.length - known.length };
}

/** Finds the parents of spans, past those that are not shown. */
class Parents {
  readonly #trace: HeldTrace | undefined;
  readonly #turn: SpanContext;
  readonly #tools: ReadonlyMap<string, SpanContext>;

  constructor(trace: HeldTrace | undefined, turn: SpanContext, tools: ReadonlyMap<string, SpanContext>) {
    this.#trace = trace;
    this.#turn = turn;
    this.#tools = tools;
  }

  /** Our span for the same tool use. */
  standInFor(span: CliSpan): SpanContext | undefined {
    const toolUseId = span.name === cliSpanNames.tool ? toolUseIdOf(span) : undefined;
    return toolUseId === undefined ? undefined : this.#tools.get(toolUseId);
  }

  of(span: CliSpan): Parent {
    const root = this.#trace?.root;
    if (span === root) return { context: this.#turn };
    const passed = new Set<CliSpan>();
    for (let above = this.#above(span); above !== undefined && !passed.has(above); above = this.#above(above)) {
      const standIn = this.standInFor(above);
      if (standIn !== undefined) return { context: standIn };
      if (isKnown(above.name)) return { id: above.spanId };
      passed.add(above);
    }
    // Its parent did not come.
    return root === undefined ? { context: this.#turn } : { id: root.spanId };
  }

  #above({ parentSpanId }: CliSpan): CliSpan | undefined {
    return this.#trace?.spans.get(parentSpanId);
  }
}

interface SpanBelow {
  readonly span: CliSpan;
  readonly parent: Parent;
}

/** Parents before children. Spans that are each other's parents are in no tree, and left out. */
function inOrder(spans: readonly CliSpan[], parentOf: (span: CliSpan) => Parent): readonly SpanBelow[] {
  const below = new Map<string, SpanBelow[]>();
  const ordered: SpanBelow[] = [];
  for (const span of spans) {
    const parent = parentOf(span);
    if (!("id" in parent)) ordered.push({ span, parent });
    else if (below.has(parent.id)) below.get(parent.id)?.push({ span, parent });
    else below.set(parent.id, [{ span, parent }]);
  }
  // The list grows while it is walked.
  for (const { span } of ordered) {
    for (const child of below.get(span.spanId) ?? []) ordered.push(child);
  }
  return ordered;
}

function placedSpan(span: CliSpan, parent: Parent, turn: SpannedTurn): PlacedSpan {
  const { spanId: id, name, startMs, endMs, attempts, hasFailed } = span;
  const attributes =
    name === cliSpanNames.interaction
      ? // The CLI leaves open what came of an interaction; our result does not.
        { [attributeNames.turnId]: turn.id, [attributeNames.outcome]: label(turn.outcome) }
      : ownAttributes(span);
  return { id, parent, name, startMs, endMs, attributes, attempts, hasFailed };
}

/** Whether the model call that was cut off is among the spans after all: the one before it ended before it began. */
function isThere(cut: SpannedModelCall, spans: readonly CliSpan[], root: CliSpan | undefined): boolean {
  return spans.some(
    ({ name, parentSpanId, endMs }) =>
      name === cliSpanNames.modelRequest && parentSpanId === root?.spanId && endMs > cut.startedAtMs + toleranceMs,
  );
}

/** The CLI says nothing of a model call that was interrupted. We know when it began and ended, and whether there was an answer. */
function madeUp(cut: SpannedModelCall, turn: SpannedTurn, root: CliSpan | undefined): PlacedSpan {
  return {
    id: "made-up",
    parent: root === undefined ? { context: turn.parent } : { id: root.spanId },
    name: cliSpanNames.modelRequest,
    startMs: cut.startedAtMs,
    endMs: cut.endedAtMs,
    attributes: {
      [attributeNames.synthesized]: true,
      [attributeNames.genAiOperation]: "chat",
      [attributeNames.genAiRequestModel]: turn.model,
      ...(cut.model !== undefined && { [attributeNames.genAiResponseModel]: cut.model }),
      ...(cut.answeredAtMs !== undefined && {
        [attributeNames.cliTimeToFirstTokenMs]: Math.round(cut.answeredAtMs - cut.startedAtMs),
      }),
    },
    attempts: [],
    hasFailed: false,
  };
}
