/**
 * Where the time of a turn went, as stretches on one axis that begins with the arrival of its call.
 *
 * Knows no pixels: `timeline-view.ts` draws them.
 */
import type { Duration } from "@bufbuild/protobuf/wkt";
import type { Stages } from "../clients/typescript/src/gen/claude/runner/v1/result_pb.ts";
import { millisecondsOf } from "./format.ts";

/** The stages that follow one another, in order. */
export const stageNames = {
  queue: "queue",
  claim: "claim",
  bind: "bind",
  history: "history",
  write: "write",
  firstEvent: "first event",
  firstText: "first text",
  answer: "answer",
} as const;

export type StageKey = keyof typeof stageNames;

/** A stage on the axis, in milliseconds from the arrival of the call. */
export interface StageSpan {
  readonly stage: StageKey;
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * The stages that happened, one after the other. The server measures those behind the prompt from the moment when it was
 * written; here each one is what it adds.
 */
export function spansOf(stages: Stages): readonly StageSpan[] {
  const spans: StageSpan[] = [];
  let atMs = 0;
  const add = (stage: StageKey, toMs: number) => {
    spans.push({ stage, fromMs: Math.min(atMs, toMs), toMs });
    atMs = Math.max(atMs, toMs);
  };
  const before: readonly (readonly [StageKey, Duration | undefined])[] = [
    ["queue", stages.queueWait],
    ["claim", stages.claim],
    ["bind", stages.bind],
    ["history", stages.seedHistory],
    ["write", stages.stdinWrite],
  ];
  for (const [stage, took] of before) if (took !== undefined) add(stage, atMs + millisecondsOf(took));

  // What lies between the stages (it is little) is not drawn before the prompt, so that the rest ends at `total`.
  const { turn, total } = stages;
  const writtenMs = turn && total ? Math.max(atMs, millisecondsOf(total) - millisecondsOf(turn)) : atMs;
  const after: readonly (readonly [StageKey, Duration | undefined])[] = [
    ["firstEvent", stages.firstEvent],
    ["firstText", stages.firstText],
    ["answer", turn],
  ];
  const isWritten = after.some(([, took]) => took !== undefined);
  if (isWritten) atMs = writtenMs;
  for (const [stage, took] of after) if (took !== undefined) add(stage, writtenMs + millisecondsOf(took));
  return spans;
}

/** The end of the axis: the total, or the last stage of a turn that is still running. */
export function endOf(stages: Stages, spans: readonly StageSpan[]): number {
  const totalMs = stages.total === undefined ? 0 : millisecondsOf(stages.total);
  return Math.max(totalMs, ...spans.map(({ toMs }) => toMs), 0);
}

/** The picture in words, for whoever does not see it: `claim 0.3 ms, first text 16 ms, total 1.2 s`. */
export function timelineWords(stages: Stages, format: (ms: number) => string): string {
  const parts = spansOf(stages).map(({ stage, fromMs, toMs }) => `${stageNames[stage]} ${format(toMs - fromMs)}`);
  if (stages.total !== undefined) parts.push(`total ${format(millisecondsOf(stages.total))}`);
  return parts.join(", ");
}
