/**
 * A body of OTLP over HTTP as JSON to typed spans, read once and with tolerance: what is no span is counted and skipped.
 */
import { isRead } from "./allow-list.ts";
import type { Attempt, CliSpan, Scalar } from "./cli-span.ts";

export interface ReadSpans {
  readonly spans: readonly CliSpan[];
  /** What stood where a span should be. */
  readonly invalidCount: number;
}

/** Longer values are not kept: none that is taken over is longer. */
const maxValueChars = 256;
/** Tries at one model call that are kept; the CLI makes eleven as a rule. */
const maxAttempts = 64;
/** What a span takes beside its attributes and attempts, and what one of those takes, in bytes. */
const spanBytes = 400;
const entryBytes = 100;

type JsonRecord = Readonly<Record<string, unknown>>;

/** `undefined` when it is not such a body at all. */
export function readSpans(body: string): ReadSpans | undefined {
  let request: unknown;
  try {
    request = JSON.parse(body);
  } catch {
    return undefined; // The caller counts it.
  }
  if (!isRecord(request) || !Array.isArray(request.resourceSpans)) return undefined;
  const spans: CliSpan[] = [];
  let invalidCount = 0;
  for (const resource of request.resourceSpans) {
    for (const scope of listAt(resource, "scopeSpans")) {
      for (const item of listAt(scope, "spans")) {
        const span = readSpan(item);
        if (span === undefined) invalidCount += 1;
        else spans.push(span);
      }
    }
  }
  return { spans, invalidCount };
}

function readSpan(item: unknown): CliSpan | undefined {
  if (!isRecord(item)) return undefined;
  const { traceId, spanId, name, status } = item;
  // Some exporters leave the member out, others leave it empty.
  const parentSpanId = item.parentSpanId ?? "";
  const startMs = msOf(item.startTimeUnixNano);
  const endMs = msOf(item.endTimeUnixNano);
  if (!isHex(traceId, 32) || !isHex(spanId, 16) || !(parentSpanId === "" || isHex(parentSpanId, 16))) return undefined;
  if (typeof name !== "string" || name.length > maxValueChars) return undefined;
  if (startMs === undefined || endMs === undefined || endMs < startMs) return undefined;
  const attributes = readAttributes(item);
  const attempts = readAttempts(item);
  return {
    traceId,
    spanId,
    parentSpanId,
    name,
    startMs,
    endMs,
    attributes,
    attempts,
    hasFailed: isRecord(status) && (status.code === 2 || status.code === "STATUS_CODE_ERROR"),
    sizeBytes: spanBytes + entryBytes * (Object.keys(attributes).length + attempts.length),
  };
}

function readAttributes(holder: unknown): Record<string, Scalar> {
  const attributes: Record<string, Scalar> = {};
  for (const item of listAt(holder, "attributes")) {
    if (!isRecord(item) || typeof item.key !== "string" || !isRead(item.key)) continue;
    const value = scalarOf(item.value);
    if (value !== undefined) attributes[item.key] = value;
  }
  return attributes;
}

function readAttempts(span: JsonRecord): readonly Attempt[] {
  const attempts: Attempt[] = [];
  for (const event of listAt(span, "events")) {
    if (attempts.length === maxAttempts) break;
    if (!isRecord(event) || event.name !== "gen_ai.request.attempt") continue;
    const atMs = msOf(event.timeUnixNano);
    if (atMs === undefined) continue;
    const told = listAt(event, "attributes").find((item) => isRecord(item) && item.key === "attempt");
    const number = isRecord(told) ? scalarOf(told.value) : undefined;
    attempts.push({ atMs, number: typeof number === "number" ? number : undefined });
  }
  return attempts;
}

function scalarOf(value: unknown): Scalar | undefined {
  if (!isRecord(value)) return undefined;
  const { stringValue, boolValue, intValue, doubleValue } = value;
  if (typeof stringValue === "string") return stringValue.length <= maxValueChars ? stringValue : undefined;
  if (typeof boolValue === "boolean") return boolValue;
  // Whole numbers of 64 bits are strings in JSON by the book; this exporter writes numbers.
  const number = typeof intValue === "string" && intValue !== "" ? Number(intValue) : (intValue ?? doubleValue);
  return typeof number === "number" && Number.isFinite(number) ? number : undefined;
}

/** Nanoseconds since 1970, which JSON carries as text, to milliseconds: a number holds those to a microsecond. */
function msOf(nanos: unknown): number | undefined {
  const text = typeof nanos === "number" ? String(nanos) : nanos;
  if (typeof text !== "string" || !/^[1-9]\d{0,19}$/.test(text)) return undefined;
  return Number(text) / 1e6;
}

function listAt(holder: unknown, key: string): readonly unknown[] {
  const list = isRecord(holder) ? holder[key] : undefined;
  return Array.isArray(list) ? list : [];
}

function isRecord(value: unknown): value is JsonRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isHex(value: unknown, digits: number): value is string {
  return typeof value === "string" && value.length === digits && /^[0-9a-f]+$/.test(value);
}
