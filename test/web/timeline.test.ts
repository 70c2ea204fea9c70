import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { StagesSchema } from "../../clients/typescript/src/gen/claude/runner/v1/result_pb.ts";
import { timeText } from "../../web/format.ts";
import { endOf, spansOf, timelineWords } from "../../web/timeline.ts";

const ms = (milliseconds: number) => ({ seconds: 0n, nanos: milliseconds * 1e6 });
const stages = (init: MessageInitShape<typeof StagesSchema>) => create(StagesSchema, init);

describe("the stages of a turn", () => {
  const whole = stages({
    queueWait: ms(10),
    claim: ms(1),
    stdinWrite: ms(2),
    firstEvent: ms(20),
    firstText: ms(50),
    turn: ms(100),
    total: ms(120),
  });

  it("follow one another and end with the turn", () => {
    expect(spansOf(whole)).toEqual([
      { stage: "queue", fromMs: 0, toMs: 10 },
      { stage: "claim", fromMs: 10, toMs: 11 },
      { stage: "write", fromMs: 11, toMs: 13 },
      { stage: "firstEvent", fromMs: 20, toMs: 40 },
      { stage: "firstText", fromMs: 40, toMs: 70 },
      { stage: "answer", fromMs: 70, toMs: 120 },
    ]);
    expect(endOf(whole, spansOf(whole))).toBe(120);
  });

  it("leave out what did not happen", () => {
    expect(spansOf(stages({ total: ms(5) }))).toEqual([]);
    expect(spansOf(stages({ claim: ms(5) })).map(({ stage }) => stage)).toEqual(["claim"]);
  });

  it("are drawn for a turn that is still running, as far as they are known", () => {
    const running = stages({ claim: ms(5), stdinWrite: ms(1), firstEvent: ms(3), total: ms(100) });
    expect(spansOf(running)).toEqual([
      { stage: "claim", fromMs: 0, toMs: 5 },
      { stage: "write", fromMs: 5, toMs: 6 },
      { stage: "firstEvent", fromMs: 6, toMs: 9 },
    ]);
    expect(endOf(running, spansOf(running))).toBe(100);
  });

  it("never run backwards, whatever the clocks said", () => {
    const odd = stages({ claim: ms(30), firstEvent: ms(20), firstText: ms(10), turn: ms(5), total: ms(10) });
    let atMs = 0;
    for (const { fromMs, toMs } of spansOf(odd)) {
      expect(toMs).toBeGreaterThanOrEqual(fromMs);
      expect(fromMs).toBeGreaterThanOrEqual(0);
      atMs = Math.max(atMs, toMs);
    }
    expect(endOf(odd, spansOf(odd))).toBe(atMs);
  });

  it("can be read out", () => {
    expect(timelineWords(stages({ claim: ms(0.5), turn: ms(99), total: ms(100) }), timeText)).toBe(
      "claim 0.50 ms, answer 99 ms, total 100 ms",
    );
  });
});
