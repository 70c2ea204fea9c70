import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { StagesSchema } from "../../gen/claude/runner/v1/result_pb.ts";
import { bar, formatMs, spansOf, timeline } from "../../src/commands/timeline.ts";
import { duration } from "../../src/service/protobuf.ts";

const stages = create(StagesSchema, {
  queueWait: duration(10),
  claim: duration(1),
  bind: duration(5),
  stdinWrite: duration(1),
  firstEvent: duration(3),
  firstText: duration(20),
  turn: duration(60),
  total: duration(77.5),
});

test("stages before the prompt follow one another, those after it begin together", () => {
  const spans = Object.fromEntries(spansOf(stages).map(({ name, fromMs, toMs }) => [name, [fromMs, toMs]]));
  expect(spans).toMatchObject({
    "queue wait": [0, 10],
    claim: [10, 11],
    bind: [11, 16],
    "first text": [17.5, 37.5],
    result: [17.5, 77.5],
  });
});

test("the picture has a line for each stage that happened, all of one width", () => {
  const lines = timeline(stages, 40);
  expect(lines).toHaveLength(7);
  expect(new Set(lines.map((line) => line.length)).size).toBe(1);
  expect(lines.at(-1)).toMatch(/result │ {9}█+.*│ {2}60.0 ms/);
});

test("a turn that never began has a picture too", () => {
  expect(timeline(create(StagesSchema, { queueWait: duration(5) }))).toHaveLength(1);
  expect(timeline(create(StagesSchema))).toEqual([]);
});

test("a bar is never invisible and never longer than its line", () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 1000, noNaN: true }),
      fc.double({ min: 0, max: 1000, noNaN: true }),
      (from, length) => {
        const end = Math.max(from + length, 1);
        const drawn = bar(from, from + length, end, 30);
        expect(drawn.trim().length).toBeGreaterThan(0);
        expect(drawn.length).toBeLessThanOrEqual(31);
      },
    ),
  );
});

test("times are given with the digits that matter", () => {
  expect([0.123, 12.34, 123.4, 12_340].map(formatMs)).toEqual(["0.12 ms", "12.3 ms", "123 ms", "12.3 s"]);
});
