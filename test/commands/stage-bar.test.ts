import { create, type MessageInitShape } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { RecentTurnSchema } from "../../gen/claude/runner/v1/pool_pb.ts";
import type { StagesSchema } from "../../gen/claude/runner/v1/result_pb.ts";
import { phasesOf, stageBar } from "../../src/commands/stage-bar.ts";
import { styleFor } from "../../src/commands/terminal.ts";
import { duration } from "../../src/service/protobuf.ts";

const plain = styleFor(false, {});

/** A turn with these stages, in milliseconds. */
function turn(stages: Partial<Record<keyof MessageInitShape<typeof StagesSchema>, number>>, running = false) {
  const of = Object.fromEntries(Object.entries(stages).map(([name, ms]) => [name, duration(ms)]));
  return create(RecentTurnSchema, { running, stages: of });
}

const whole = {
  queueWait: 10,
  claim: 1,
  bind: 8,
  stdinWrite: 1,
  firstText: 20,
  arrivalToFirstText: 40,
  turn: 80,
  total: 100,
};

test("the time of a turn is that in the queue, of its preparation, until the first text, and of the answer", () => {
  expect(phasesOf(turn(whole))).toEqual([
    { name: "queue", toMs: 10 },
    { name: "prepare", toMs: 20 },
    { name: "first text", toMs: 40 },
    { name: "answer", toMs: 100 },
  ]);
  expect(stageBar(phasesOf(turn(whole)), 10, plain)).toBe("░▒▓▓██████");
});

test("of a turn that runs the last part goes on, also after it was told", () => {
  expect(phasesOf(turn({ total: 30 }, true), 5)).toEqual([{ name: "queue", toMs: 35 }]);
  expect(phasesOf(turn({ queueWait: 10, claim: 1, total: 30 }, true))).toEqual([
    { name: "queue", toMs: 10 },
    { name: "prepare", toMs: 30 },
  ]);
  const { arrivalToFirstText, turn: _, ...written } = whole;
  expect(phasesOf(turn(written, true)).at(-1)).toEqual({ name: "first text", toMs: 100 });
});

test("a turn that failed before it said anything has no answer, and one that was told nothing of no bar", () => {
  const { firstText, arrivalToFirstText, ...silent } = whole;
  expect(phasesOf(turn(silent)).at(-1)).toEqual({ name: "first text", toMs: 100 });
  expect(stageBar(phasesOf(turn({})), 10, plain)).toBe("");
});

test("a bar is exactly as wide as it is told to be, whatever the stages", () => {
  const ms = fc.option(fc.double({ min: 0, max: 10_000, noNaN: true }), { nil: undefined });
  const stages = fc.record({ queueWait: ms, claim: ms, bind: ms, stdinWrite: ms, arrivalToFirstText: ms, turn: ms });
  fc.assert(
    fc.property(
      stages,
      fc.double({ min: 0, max: 20_000, noNaN: true }),
      fc.integer({ min: 1, max: 60 }),
      (of, total, columns) => {
        const known = Object.fromEntries(Object.entries(of).filter(([, took]) => took !== undefined));
        expect(stageBar(phasesOf(turn({ ...known, total })), columns, plain)).toHaveLength(columns);
      },
    ),
  );
});

test("without colours the parts can still be told apart", () => {
  const glyphs = new Set(stageBar(phasesOf(turn(whole)), 10, plain));
  expect(glyphs.size).toBe(4);
});
