/**
 * Where the time of one turn went, as one bar in a line: how much of it the queue took, the worker's preparation, the
 * wait for the first text, and the answer. `timeline.ts` has a line for each stage.
 */
import type { RecentTurn } from "../../gen/claude/runner/v1/pool_pb.ts";
import { milliseconds } from "../service/protobuf.ts";
import { type Cell, painted } from "./cells.ts";
import type { Style } from "./terminal.ts";
import { spansOf } from "./timeline.ts";

type PhaseName = "queue" | "prepare" | "first text" | "answer";

/** A part of a turn's time, in milliseconds from the arrival of its call. */
export interface Phase {
  readonly name: PhaseName;
  readonly toMs: number;
}

const looks = {
  queue: { glyph: "░", colour: "yellow", meaning: "queue" },
  prepare: { glyph: "▒", colour: "cyan", meaning: "bind, history, write" },
  "first text": { glyph: "▓", colour: undefined, meaning: "until the first text" },
  answer: { glyph: "█", colour: "green", meaning: "answer" },
} as const satisfies Record<PhaseName, { glyph: string; colour: keyof Style | undefined; meaning: string }>;

/** The time of a turn until its end, or until now; of one that runs the last phase goes on. `sinceMs`: since it was told. */
export function phasesOf({ stages, running }: Pick<RecentTurn, "stages" | "running">, sinceMs = 0): Phase[] {
  if (stages?.total === undefined) return [];
  const totalMs = milliseconds(stages.total) + (running ? sinceMs : 0);
  const before = spansOf(stages);
  const at = (name: string) => before.find((span) => span.name === name)?.toMs;
  const queuedMs = at("queue wait");
  const preparedMs = stages.stdinWrite && at("stdin write");
  const firstTextMs = stages.arrivalToFirstText === undefined ? undefined : milliseconds(stages.arrivalToFirstText);
  const phases: Phase[] = [];
  for (const [name, toMs] of [
    ["queue", queuedMs],
    ["prepare", preparedMs],
    ["first text", firstTextMs],
    ["answer", undefined],
  ] as const) {
    if (toMs === undefined || toMs >= totalMs) return [...phases, { name, toMs: totalMs }];
    phases.push({ name, toMs });
  }
  return phases;
}

/** The bar, `columns` wide. Parts that are too short for a character are left out. */
export function stageBar(phases: readonly Phase[], columns: number, style: Style): string {
  const totalMs = phases.at(-1)?.toMs ?? 0;
  let from = 0;
  let drawn = "";
  for (const { name, toMs } of phases) {
    // Of a turn that took no time at all the last part is still there.
    const to = toMs === totalMs ? columns : Math.round((toMs / totalMs) * columns);
    const { glyph, colour } = looks[name];
    if (to > from) drawn += painted({ text: glyph.repeat(to - from), paint: colour && style[colour] });
    from = Math.max(from, to);
  }
  return drawn;
}

/** What the parts of a bar mean, in order. */
export function stageBarLegend(style: Style): Cell[] {
  return Object.values(looks).map(({ glyph, colour, meaning }) => ({
    text: `${glyph} ${meaning}`,
    paint: colour && style[colour],
  }));
}
