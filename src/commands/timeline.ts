/**
 * Where the time of a turn went, as a picture for a terminal: one bar for each stage, on one scale.
 */
import type { Duration } from "@bufbuild/protobuf/wkt";
import type { Stages } from "../../gen/claude/runner/v1/result_pb.ts";

/** A stage on the time axis of its turn, in milliseconds from the arrival of the call. */
export interface Span {
  readonly name: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * The stages in order. Those before the prompt follow one another; the others begin when it was written.
 */
export function spansOf(stages: Stages): Span[] {
  const ms = (of: Duration | undefined) => (of === undefined ? undefined : Number(of.seconds) * 1000 + of.nanos / 1e6);
  const spans: Span[] = [];
  let at = 0;
  const totalMs = ms(stages.total) ?? 0;
  const turnMs = ms(stages.turn);
  const before = [
    ["queue wait", ms(stages.queueWait)],
    ["claim", ms(stages.claim)],
    ["bind", ms(stages.bind)],
    ["seed history", ms(stages.seedHistory)],
    ["stdin write", ms(stages.stdinWrite)],
  ] as const;
  for (const [name, tookMs] of before) {
    if (tookMs === undefined) continue;
    spans.push({ name, fromMs: at, toMs: at + tookMs });
    at += tookMs;
  }
  if (turnMs === undefined) return spans;
  const writtenMs = Math.max(at, totalMs - turnMs);
  const after = [
    ["first event", ms(stages.firstEvent)],
    ["first text", ms(stages.firstText)],
    ["result", turnMs],
  ] as const;
  for (const [name, tookMs] of after) {
    if (tookMs !== undefined) spans.push({ name, fromMs: writtenMs, toMs: writtenMs + tookMs });
  }
  return spans;
}

const eighths = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** A bar from one moment to another, exact to an eighth of a column; never invisible. */
export function bar(fromMs: number, toMs: number, endMs: number, columns: number): string {
  const scale = endMs > 0 ? columns / endMs : 0;
  const start = Math.min(columns - 1, Math.floor(fromMs * scale));
  const parts = Math.max(1, Math.round((toMs * scale - start) * 8));
  return " ".repeat(start) + "█".repeat(Math.floor(parts / 8)) + eighths[parts % 8];
}

/** A number of milliseconds for a person: three digits that matter. */
export function formatMs(ms: number): string {
  if (ms >= 10_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms >= 100) return `${Math.round(ms)} ms`;
  return ms >= 10 ? `${ms.toFixed(1)} ms` : `${ms.toFixed(2)} ms`;
}

/** An age for a person: what matters of it, shorter than a time that was measured. */
export function ageText(ageMs: number): string {
  const seconds = ageMs / 1000;
  if (seconds < 10) return `${(Math.floor(seconds * 10) / 10).toFixed(1)} s`;
  if (seconds < 100) return `${Math.floor(seconds)} s`;
  if (seconds < 100 * 60) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 100 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** The picture, a line for each stage. */
export function timeline(stages: Stages, columns = 48): string[] {
  const spans = spansOf(stages);
  const endMs = Math.max(...spans.map(({ toMs }) => toMs), 0);
  return spans.map(
    ({ name, fromMs, toMs }) =>
      `${name.padStart(12)} │${bar(fromMs, toMs, endMs, columns).padEnd(columns)}│ ${formatMs(toMs - fromMs).padStart(8)}`,
  );
}
