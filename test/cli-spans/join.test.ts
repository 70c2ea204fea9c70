import type { SpanContext } from "@opentelemetry/api";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CliSpan } from "../../src/cli-spans/cli-span.ts";
import type { DropReason } from "../../src/cli-spans/drop-reason.ts";
import { holdMs, patienceMs, SpanJoin } from "../../src/cli-spans/join.ts";
import type { PlacedSpan } from "../../src/cli-spans/place.ts";
import type { SpannedTurn } from "../../src/span-joiner.ts";
import { FakeClock } from "../fake-clock.ts";
import { cliSpan, interaction, recorded, spannedTurn, turnContext } from "./recorded.ts";

const noTools = new Map<string, SpanContext>();
/** The clock's zero is 1,000 ms since 1970: where `spannedTurn` begins. */
const startMs = 1_000;

function joiner() {
  const clock = new FakeClock({ wallStartMs: startMs });
  const emitted: PlacedSpan[][] = [];
  const dropped = new Map<DropReason, number>();
  const told = { joined: 0, missed: 0 };
  const join = new SpanJoin({
    clock,
    emit: (spans) => void (spans.length > 0 && emitted.push([...spans])),
    joined: (count) => {
      told.joined += count;
    },
    dropped: (count, why) => dropped.set(why, (dropped.get(why) ?? 0) + count),
    missed: () => {
      told.missed += 1;
    },
  });
  join.openWorker("w1");
  return { clock, join, emitted, dropped, told };
}

/** The spans of a line: a root and one request. */
function lineSpans(sequence: number, change: Partial<CliSpan> = {}): readonly [root: CliSpan, request: CliSpan] {
  const root = interaction(sequence, { startMs: 1_002, endMs: 1_099, ...change });
  return [
    root,
    cliSpan({ traceId: root.traceId, parentSpanId: root.spanId, startMs: root.startMs + 1, endMs: root.endMs }),
  ];
}
const idsOf = (spans: readonly { readonly spanId: string }[]) => spans.map(({ spanId }) => spanId);

describe("joining spans with turns", () => {
  it("waits for a moment behind the end of a turn, and then writes its spans down at once", async () => {
    const { clock, join, emitted, told } = joiner();
    const spans = lineSpans(1);
    await clock.advance(100);
    join.turnEnded(spannedTurn()).join(noTools);
    await clock.advance(18);
    join.receive("w1", spans);
    expect(emitted).toEqual([]);
    await clock.advance(holdMs);
    expect(emitted.map((placed) => placed.map(({ id }) => id))).toEqual([idsOf(spans)]);
    expect(told).toEqual({ joined: 2, missed: 0 });
    expect(clock.pendingTimerCount).toBe(0);
  });

  it("makes nothing of the order in which spans come, nor of bodies that come twice", async () => {
    const { turn, spans } = recorded("tool");
    const orders = fc.shuffledSubarray([...spans, ...spans], { minLength: 2 * spans.length });
    await fc.assert(
      fc.asyncProperty(orders, async (order) => {
        const { clock, join, emitted, told, dropped } = joiner();
        for (const span of order) join.receive("w1", [span]);
        join.turnEnded(turn).join(noTools);
        await clock.advance(holdMs);
        expect(
          emitted
            .flat()
            .map(({ id }) => id)
            .toSorted(),
        ).toEqual(idsOf(spans).toSorted());
        expect(told.joined).toBe(spans.length);
        expect(dropped.size).toBe(0);
      }),
      { numRuns: 20 },
    );
  });

  it("has patience with a root that is late, and with nothing else", async () => {
    const { clock, join, emitted, told } = joiner();
    join.turnEnded(spannedTurn()).join(noTools);
    await clock.advance(holdMs + 1);
    join.receive("w1", lineSpans(1));
    expect(told.missed).toBe(0);
    await clock.advance(patienceMs - holdMs);
    expect(emitted).toHaveLength(1);
  });

  it("gives up in the end: the turn is counted, and what comes then is dropped", async () => {
    const { clock, join, emitted, dropped, told } = joiner();
    join.turnEnded(spannedTurn()).join(noTools);
    await clock.advance(patienceMs);
    expect(told).toEqual({ joined: 0, missed: 1 });
    join.receive("w1", lineSpans(1));
    join.turnEnded(spannedTurn({ promptNumber: 2, writtenAtMs: 3_000, endedAtMs: 3_100 })).join(noTools);
    await clock.advance(patienceMs);
    expect(emitted).toEqual([]);
    expect([...dropped]).toEqual([["late", 2]]);
  });

  it("settles turns of a worker in their order, also when the first one's spans do not come", async () => {
    const { clock, join, emitted, dropped, told } = joiner();
    join.turnEnded(spannedTurn({ id: "one" })).join(noTools);
    await clock.advance(200);
    join.receive("w1", lineSpans(2, { startMs: 1_110, endMs: 1_190 }));
    join.turnEnded(spannedTurn({ id: "two", promptNumber: 2, writtenAtMs: 1_105, endedAtMs: 1_200 })).join(noTools);
    await clock.advance(holdMs);
    expect(told).toEqual({ joined: 2, missed: 1 });
    expect(emitted.flat()[0]?.attributes["runner.turn.id"]).toBe("two");
    expect(dropped.size).toBe(0);
    expect(clock.pendingTimerCount).toBe(0);
  });

  it("waits for a caller who reads slowly, while the worker goes on with other turns", async () => {
    const { clock, join, emitted } = joiner();
    const [root, request] = lineSpans(1);
    join.receive("w1", [request, root]);
    const slow = join.turnEnded(spannedTurn({ id: "slow" }));
    await clock.advance(10_000);
    expect(emitted).toEqual([]);
    join.receive("w1", lineSpans(2, { startMs: 11_010, endMs: 11_050 }));
    join.turnEnded(spannedTurn({ id: "quick", promptNumber: 2, writtenAtMs: 11_000, endedAtMs: 11_100 })).join(noTools);
    await clock.advance(holdMs);
    slow.join(noTools);
    expect(emitted.map(([first]) => first?.attributes["runner.turn.id"])).toEqual(["quick", "slow"]);
  });

  it("drops the spans of a turn that is not traced, and says why", async () => {
    const { clock, join, emitted, dropped, told } = joiner();
    join.receive("w1", lineSpans(1));
    join.turnEnded(spannedTurn({ parent: { ...turnContext, traceFlags: 0 } })).join(noTools);
    await clock.advance(patienceMs);
    expect(emitted).toEqual([]);
    expect([...dropped]).toEqual([["not_sampled", 2]]);
    expect(told).toEqual({ joined: 0, missed: 0 });
  });

  it("drops what the two accounts do not agree on, rather than to guess", async () => {
    const { clock, join, emitted, dropped, told } = joiner();
    join.receive("w1", lineSpans(7));
    join.turnEnded(spannedTurn()).join(noTools);
    await clock.advance(patienceMs);
    expect(emitted).toEqual([]);
    expect([...dropped]).toEqual([["mismatch", 2]]);
    expect(told.missed).toBe(1);
  });

  it("takes nothing of one worker for another's", async () => {
    const { clock, join, emitted, dropped } = joiner();
    join.openWorker("w2");
    join.receive("w2", lineSpans(1));
    join.turnEnded(spannedTurn({ workerId: "w1" })).join(noTools);
    await clock.advance(patienceMs);
    expect(emitted).toEqual([]);
    join.closeWorker("w2");
    expect([...dropped]).toEqual([["not_a_turn", 2]]);
  });

  it("has of a worker that died in mid-turn what we know of it, and drops what has no root", async () => {
    const { clock, join, emitted, dropped, told } = joiner();
    const { turn, spans } = recorded("killed");
    join.receive("w1", spans);
    const cutModelCall = { startedAtMs: 1_005, answeredAtMs: undefined, endedAtMs: 1_090, model: undefined };
    const ended: SpannedTurn = { ...turn, endedAtMs: startMs + 1, cutModelCall };
    join.turnEnded(ended).join(noTools);
    await clock.advance(holdMs);
    join.closeWorker("w1");
    expect(emitted.flat().map(({ id }) => id)).toEqual(["made-up"]);
    expect([...dropped]).toEqual([["no_root", spans.length]]);
    expect(told).toEqual({ joined: 0, missed: 1 });
    expect(clock.pendingTimerCount).toBe(0);
  });

  it("expects nothing of a turn whose prompt was not taken", async () => {
    const { clock, join, emitted, told } = joiner();
    join.turnEnded(spannedTurn({ promptNumber: undefined, outcome: "cancelled" })).join(noTools);
    await clock.advance(patienceMs);
    expect(emitted).toEqual([]);
    expect(told.missed).toBe(0);
  });

  it("writes down what it has when it is stopped", () => {
    const { clock, join, emitted } = joiner();
    join.receive("w1", lineSpans(1));
    join.turnEnded(spannedTurn());
    join.stop();
    expect(emitted).toHaveLength(1);
    expect(clock.pendingTimerCount).toBe(0);
  });

  it("holds a bounded number of spans and bytes, and still takes roots", async () => {
    const { clock, join, emitted, dropped } = joiner();
    const [root] = lineSpans(1);
    const below = () => cliSpan({ traceId: root.traceId, parentSpanId: root.spanId });
    join.receive("w1", Array.from({ length: 5_000 }, below));
    join.receive("w1", [root]);
    join.turnEnded(spannedTurn()).join(noTools);
    await clock.advance(holdMs);
    expect(emitted.flat()).toHaveLength(3_585);
    expect([...dropped]).toEqual([["full", 5_000 - 3_584]]);

    // What was held is free again.
    const [next] = lineSpans(2, { startMs: 1_310, endMs: 1_320 });
    const wide = () => cliSpan({ traceId: next.traceId, parentSpanId: next.spanId, sizeBytes: 1024 * 1024 });
    dropped.clear();
    join.receive("w1", Array.from({ length: 10 }, wide));
    expect([...dropped]).toEqual([["full", 7]]);
  });

  it("holds a bounded number for all workers together", () => {
    const { join, dropped } = joiner();
    const sent = (traceId: string) => Array.from({ length: 3_000 }, () => cliSpan({ traceId }));
    for (let worker = 0; worker < 20; worker += 1) {
      join.openWorker(`x${worker}`);
      join.receive(`x${worker}`, sent(String(worker).padStart(32, "0")));
    }
    expect(dropped.get("full")).toBe(20 * 3_000 - 32_768 * (7 / 8));
    for (let worker = 0; worker < 20; worker += 1) join.closeWorker(`x${worker}`);
    expect(dropped.get("no_root")).toBe(32_768 * (7 / 8));
    // All of it is free again.
    dropped.clear();
    join.receive("w1", sent("f".repeat(32)));
    expect(dropped.size).toBe(0);
  });

  it("counts what comes of a worker that is gone", () => {
    const { join, dropped } = joiner();
    join.closeWorker("w1");
    join.receive("w1", lineSpans(1));
    expect([...dropped]).toEqual([["late", 2]]);
  });
});
