import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type HeldTrace, settle } from "../../src/cli-spans/attribute.ts";
import type { CliSpan } from "../../src/cli-spans/cli-span.ts";
import type { SpannedTurn } from "../../src/span-joiner.ts";
import { cliSpan, interaction, recorded, recordedNames, spannedTurn } from "./recorded.ts";

/** Traces as they are held when all of these have come. */
function held(spans: readonly CliSpan[], arrivedAtMs = 1_050): ReadonlyMap<string, HeldTrace> {
  const traces = new Map<string, { root: CliSpan | undefined; spans: Map<string, CliSpan>; arrivedAtMs: number }>();
  for (const span of spans) {
    const trace = traces.get(span.traceId) ?? { root: undefined, spans: new Map(), arrivedAtMs };
    traces.set(span.traceId, trace);
    trace.spans.set(span.spanId, span);
    if (span.name === "claude_code.interaction" && span.parentSpanId === "") trace.root = span;
  }
  return traces;
}

describe("which turn spans belong to", () => {
  it("is what the number of the line says, when the time agrees", () => {
    const root = interaction(3, { startMs: 1_002, endMs: 1_099 });
    const turn = spannedTurn({ promptNumber: 3 });
    expect(settle(held([root]), turn, 2)).toEqual({ mine: root.traceId, dropped: new Map() });
  });

  it.each(recordedNames.filter((name) => name !== "killed"))("is found for the recorded turn %s", (name) => {
    const { spans, turn } = recorded(name);
    const root = spans.find(({ attributes }) => attributes["interaction.sequence"] === turn.promptNumber);
    const { mine, dropped } = settle(held(spans, turn.endedAtMs), turn, 0);
    expect(mine).toBe(root?.traceId);
    expect([...new Set(dropped.values())]).toEqual(name === "seeded" ? ["not_a_turn"] : []);
  });

  it("is nobody's when the time says something else than the number", () => {
    const early = interaction(3, { startMs: 900, endMs: 950 });
    const behind = interaction(3, { startMs: 1_200, endMs: 1_250 });
    const withinUnderAnotherNumber = [interaction(2), interaction(4), interaction(9)].map((span) => ({
      ...span,
      startMs: 1_050,
      endMs: 1_060,
    }));
    for (const root of [early, behind, ...withinUnderAnotherNumber]) {
      const { mine, dropped } = settle(held([root]), spannedTurn({ promptNumber: 3 }), 0);
      expect(mine).toBeUndefined();
      expect([...dropped.values()]).toEqual(["mismatch"]);
    }
  });

  it("is nobody's when two traces claim the same line", () => {
    const two = [interaction(1, { startMs: 1_010 }), interaction(1, { startMs: 1_020, endMs: 1_030 })];
    const { mine, dropped } = settle(held(two), spannedTurn(), 0);
    expect(mine).toBeUndefined();
    expect([...dropped.values()]).toEqual(["mismatch", "mismatch"]);
  });

  it("is nobody's without a root, once the turn is over in which it came", () => {
    const orphan = cliSpan({ parentSpanId: "f".repeat(16) });
    expect(settle(held([orphan]), spannedTurn(), 0).dropped).toEqual(new Map([[orphan.traceId, "no_root"]]));
    expect(settle(held([orphan], 1_101), spannedTurn(), 0).dropped.size).toBe(0);
  });

  it("is no turn for seeded questions and resets by command, and a later one for what comes behind", () => {
    const seeds = [1, 2].map((sequence) => interaction(sequence, { startMs: 900 + sequence, endMs: 910 }));
    const mine = interaction(3);
    const next = interaction(4, { startMs: 1_140, endMs: 1_150 });
    const settled = settle(held([...seeds, mine, next]), spannedTurn({ promptNumber: 3 }), 0);
    expect(settled.mine).toBe(mine.traceId);
    expect(settled.dropped).toEqual(new Map(seeds.map(({ traceId }) => [traceId, "not_a_turn"])));
  });

  it("tells what came too late for its turn from what was no turn's", () => {
    const late = interaction(1, { startMs: 500, endMs: 600 });
    expect(settle(held([late]), spannedTurn({ promptNumber: 2 }), 1).dropped).toEqual(
      new Map([[late.traceId, "late"]]),
    );
  });

  it("is nothing for a turn whose prompt was not taken", () => {
    const seed = interaction(1, { startMs: 900, endMs: 910 });
    const next = interaction(2, { startMs: 1_150, endMs: 1_160 });
    const { mine, dropped } = settle(held([seed, next]), spannedTurn({ promptNumber: undefined }), 0);
    expect(mine).toBeUndefined();
    expect(dropped).toEqual(new Map([[seed.traceId, "not_a_turn"]]));
  });

  it("is never another turn's, whatever the lines, the pace, and the mistakes in counting", () => {
    const line = fc.record({
      isPrompt: fc.boolean(),
      /** Whether the process took it, or it was cancelled before. */
      isTaken: fc.boolean(),
      gapMs: fc.double({ min: 1, max: 40, noNaN: true }),
      /** The shortest lines that were seen take 5 ms. */
      lastsMs: fc.double({ min: 5, max: 400, noNaN: true }),
      /** Whether its spans come at all. */
      isThere: fc.boolean(),
    });
    const miscount = fc.integer({ min: -3, max: 3 });
    /** How many further lines are over when a turn is settled. */
    const lag = fc.integer({ min: 0, max: 3 });
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 30 }), miscount, lag, (lines, off, lagLines) => {
        const owners = new Map<string, number>();
        const turns: { readonly index: number; readonly turn: SpannedTurn; readonly isThere: boolean }[] = [];
        const arriving: ReadonlyMap<string, HeldTrace>[] = [];
        let nowMs = 10_000;
        let taken = 0;
        for (const [index, { isPrompt, isTaken, gapMs, lastsMs, isThere }] of lines.entries()) {
          nowMs += gapMs;
          const writtenAtMs = Math.floor(nowMs);
          // Clocks show whole milliseconds.
          const startMs = Math.floor(nowMs + Math.min(1, lastsMs / 4));
          nowMs += lastsMs;
          if (isTaken) taken += 1;
          const root = interaction(taken, { startMs, endMs: nowMs });
          owners.set(root.traceId, index);
          arriving.push(isTaken && isThere ? held([root], nowMs) : new Map());
          if (!isPrompt) continue;
          const promptNumber = isTaken ? taken + off : undefined;
          const turn = spannedTurn({ promptNumber, writtenAtMs, endedAtMs: Math.floor(nowMs) });
          turns.push({ index, turn, isThere: isTaken && isThere });
        }
        const traces = new Map<string, HeldTrace>();
        let settledNumber = 0;
        for (const { index, turn, isThere } of turns) {
          for (const came of arriving.splice(0, index + 1 + lagLines - (lines.length - arriving.length))) {
            for (const [id, trace] of came) traces.set(id, trace);
          }
          const { mine, dropped } = settle(traces, turn, settledNumber);
          if (mine !== undefined) expect(owners.get(mine)).toBe(index);
          // With the right count nothing is lost that had come.
          if (off === 0) expect(mine !== undefined).toBe(isThere);
          if (turn.promptNumber !== undefined) settledNumber = turn.promptNumber;
          for (const id of [mine, ...dropped.keys()]) if (id !== undefined) traces.delete(id);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
