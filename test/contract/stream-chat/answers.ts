/**
 * What a turn that goes well looks like, and what is left of one whose stream broke.
 */
import { describe, expect, it } from "vitest";
import { ClaimSource } from "../../../gen/claude/runner/v1/event_pb.ts";
import { Outcome, WorkerFate } from "../../../gen/claude/runner/v1/result_pb.ts";
import { model } from "../../e2e/scene.ts";
import type { ContractCalls } from "./calls.ts";

/** The body ends in the second block, after the first one was complete. */
const cutAfterBlock = {
  steps: [
    {
      play: {
        answer: "message",
        blocks: [
          { type: "text", text: "The first block is whole. " },
          { type: "text", text: "This one breaks off before it is complete." },
        ],
        breaks: { how: "end", afterBlocks: 1, afterDeltas: 2 },
      },
    },
    { play: { answer: "message", blocks: [{ type: "text", text: "And this is how it goes on." }] } },
  ],
};

/** Answers: their order, their text, what they cost, and what was taken back. */
export function answersContract(calls: ContractCalls): void {
  const { run, expectCleanTurn } = calls;

  describe("a turn that goes well", () => {
    it("starts first, ends with its result, and counts its events without a gap", async () => {
      const turn = await run({ prompt: "hello [[scenario text]]" });
      expect(turn.failure).toBeUndefined();
      expect(turn.kinds.filter((of) => of !== "textDelta")).toEqual([
        "started",
        "status",
        "messageStart",
        "blockStart",
        "assistantBlock",
        "blockStop",
        "messageDelta",
        "messageStop",
        "result",
      ]);
      expect(turn.started).toMatchObject({ model, profile: "default", permissionMode: "dontAsk", tools: [] });
      expect(turn.started.cliVersion).toMatch(/^\d+\.\d+\.\d+$/);
      expect(turn.started.workerId).not.toBe("");
      expect(turn.result).toMatchObject({
        outcome: Outcome.COMPLETED,
        stopReason: "end_turn",
        modelCallCount: 1,
        textTruncated: false,
        workerFate: WorkerFate.RESET,
      });
      expect(turn.result.error).toBeUndefined();
      const times = turn.responses.map(
        ({ createTime }) => Number(createTime?.seconds) * 1e9 + Number(createTime?.nanos),
      );
      expect(times).toEqual(times.toSorted((a, b) => a - b));
    });

    it("streams a text that is, piece by piece, the answer of its result", async () => {
      const text = "Grüße, 世界! 👋🏽 A line\nand\tanother\u2028one.";
      const turn = await run({
        prompt: `[[scenario text ${JSON.stringify({ text, deltas: 3, betweenDeltasMs: 20 })}]]`,
      });
      expect(turn.text).toBe(text);
      expect(turn.result.text).toBe(text);
      expect(turn.result.textSizeBytes).toBe(BigInt(Buffer.byteLength(text)));
      // Pieces that come at the same moment are one event; these have time between them.
      expect(turn.all("textDelta").length).toBeGreaterThan(2);
    });

    it("tells what the turn used, what it cost, and where its time went", async () => {
      const usage = { inputTokens: 1200, outputTokens: 34, cacheReadInputTokens: 500, cacheCreationInputTokens: 60 };
      const { result } = await run({ prompt: `[[scenario text ${JSON.stringify({ usage })}]]` });
      expect(result.usage).toMatchObject({
        inputTokenCount: 1200n,
        outputTokenCount: 34n,
        cacheReadInputTokenCount: 500n,
        cacheCreationInputTokenCount: 60n,
      });
      expect(result.modelUsage).toMatchObject([{ model, usage: { inputTokenCount: 1200n } }]);
      expect(result.costUsdMicros).toBeGreaterThan(0n);
      const ms = (stage: "firstEvent" | "firstText" | "turn" | "total" | "arrivalToFirstText") => {
        const duration = result.stages?.[stage];
        expect(duration, stage).toBeDefined();
        return Number(duration?.seconds) * 1000 + Number(duration?.nanos) / 1e6;
      };
      expect(ms("firstText")).toBeGreaterThanOrEqual(ms("firstEvent"));
      expect(ms("turn")).toBeGreaterThanOrEqual(ms("firstText"));
      expect(ms("total")).toBeGreaterThanOrEqual(ms("turn"));
      expect(ms("total")).toBeGreaterThanOrEqual(ms("arrivalToFirstText"));
    });

    it("uses a worker again for the same tenant and binding, and says so", async () => {
      await run({ prompt: "one" });
      const turn = await run({ prompt: "two" });
      expect(turn.started.claimSource).toBe(ClaimSource.REUSED);
      expect(turn.started.workerTurnCount).toBeGreaterThan(0);
      await expectCleanTurn();
    });

    it("streams thinking apart from the text", async () => {
      const turn = await run({ prompt: '[[scenario thinking {"thinking":"First I think.","text":"Then I say."}]]' });
      expect(
        turn
          .all("thinkingDelta")
          .map(({ thinking }) => thinking)
          .join(""),
      ).toBe("First I think.");
      expect(
        turn
          .all("signatureDelta")
          .map(({ signature }) => signature)
          .join(""),
      ).not.toBe("");
      expect(turn.text).toBe("Then I say.");
      expect(turn.result.text).toBe("Then I say.");
      expect(turn.all("assistantBlock").map(({ block }) => block.case)).toEqual(["thinking", "text"]);
    });

    it("keeps what nobody has a type for", async () => {
      const delta = await run({ prompt: "[[scenario unknown-delta]]" });
      expect(delta.text).toBe("before after");
      expect(delta.all("unknown").map(({ kind }) => kind)).toEqual([expect.stringContaining("sparkle_delta")]);
      const block = await run({ prompt: "[[scenario unknown-block]]" });
      expect(block.all("blockStart")[0]?.rawKind).toBe("hologram");
      expect(block.all("assistantBlock")[0]?.block).toMatchObject({ case: "other", value: { projection: "ship" } });
      expect(block.result.outcome).toBe(Outcome.COMPLETED);
    });
  });

  describe("text that is taken back", () => {
    it.each([
      ["the rest comes without streaming", "stream-error", "This is the whole text, not streamed."],
      ["the body ends too early", "stream-end", "This is the whole text, not streamed."],
      ["an event is no JSON", "stream-malformed", "This is the whole text, not streamed."],
    ])("is retracted when %s, and what is left is the answer", async (_, scenario, text) => {
      const turn = await run({ prompt: `[[scenario ${scenario}]]` });
      const [retracted] = turn.all("retracted");
      expect(retracted).toMatchObject({ messageIndex: 0, fromBlockIndex: 0 });
      expect(retracted?.textBytes).toBeGreaterThan(0n);
      expect(turn.text).toBe(text);
      expect(turn.result).toMatchObject({ outcome: Outcome.COMPLETED, text });
    });

    it("leaves the blocks that were complete", async () => {
      const turn = await run({ prompt: `[[scenario ${JSON.stringify(cutAfterBlock)}]]` });
      expect(turn.all("retracted")).toMatchObject([{ messageIndex: 0, fromBlockIndex: 1 }]);
      expect(turn.text).toBe("The first block is whole. And this is how it goes on.");
      expect(turn.result.text).toBe(turn.answer);
    });

    it("need not have arrived: a stream that is reset is begun anew, and the text is the answer's", async () => {
      const turn = await run({ prompt: "[[scenario stream-reset-once]]" });
      expect(turn.text).toBe("It worked in the end.");
      expect(turn.result).toMatchObject({ outcome: Outcome.COMPLETED, text: turn.text });
    });
  });
}
