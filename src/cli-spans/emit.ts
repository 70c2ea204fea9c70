/**
 * Writes placed spans down with the server's own tracer: they get its resource, ids of their own, and go where all go.
 *
 * Spans of Claude Code get a scope of their own, so that a backend can tell who measured.
 */
import { ROOT_CONTEXT, type SpanContext, SpanStatusCode, type Tracer, trace } from "@opentelemetry/api";
import { attributeNames } from "../telemetry/instruments.ts";
import type { Parent, PlacedSpan } from "./place.ts";

export function emit(spans: readonly PlacedSpan[], tracer: Tracer): void {
  const contexts = new Map<string, SpanContext>();
  for (const { id, parent, name, startMs, endMs, attributes, attempts, hasFailed } of spans) {
    const above = trace.setSpanContext(ROOT_CONTEXT, contextOf(parent, contexts));
    const span = tracer.startSpan(name, { startTime: startMs, attributes }, above);
    contexts.set(id, span.spanContext());
    for (const { atMs, number } of attempts) {
      span.addEvent(
        "gen_ai.request.attempt",
        number === undefined ? {} : { [attributeNames.cliAttempt]: number },
        atMs,
      );
    }
    // Without a text: the CLI's is the upstream's.
    if (hasFailed) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end(endMs);
  }
}

function contextOf(parent: Parent, contexts: ReadonlyMap<string, SpanContext>): SpanContext {
  if ("context" in parent) return parent.context;
  const context = contexts.get(parent.id);
  if (context === undefined) throw new Error("bug: a span is placed before its parent");
  return context;
}
