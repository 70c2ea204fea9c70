/** What Claude Code has of an answer, on recorded turns of the real CLI. */
import { describe, expect, it } from "vitest";
import { mapMessage } from "../../../src/cli/mapping/turn-mapper.ts";
import { parseLine } from "../../../src/cli/protocol/cli-messages.ts";
import { captureNames, newTurn, turnsOf } from "../captures.ts";

const heldIn = (name: string) => turnsOf(name).map(({ end }) => [end.answerBlocks, end.answerBeside]);
const reply = "Hello there, general reply.";

/** A block as its stream and its line, the line last but one as the CLI does it. */
function blockLines(index: number, block: object, uuid: string) {
  return [
    { type: "stream_event", event: { type: "content_block_start", index, content_block: block } },
    { type: "assistant", uuid, message: { id: "m1", model: "m", content: [block] } },
    { type: "stream_event", event: { type: "content_block_stop", index } },
  ];
}

function played(lines: readonly object[]) {
  const turn = newTurn();
  const start = { type: "stream_event", event: { type: "message_start", message: { id: "m1", model: "m" } } };
  for (const line of [start, ...lines]) mapMessage(turn, parseLine(JSON.stringify(line))!, []);
  return turn.held;
}

describe("the answer as Claude Code has it", () => {
  it.each([
    ["text-happy", [[[reply], "nothing"]]],
    ["text-thinking", [[["Answer after thinking."], "thinking"]]],
    ["retry-then-success", Array(2).fill([["Recovered after the retry."], "nothing"])],
    ["structured-output", [[[], "more"]]],
  ])("is its texts, and what is beside them: %s", (name, held) => {
    expect(heldIn(name)).toEqual(held);
  });

  it.each(["stream-abandoned-nonstreaming", "stream-abandoned-three-times"])(
    "has nothing of what broke off: %s",
    (name) => {
      expect(heldIn(name)).toEqual([[[reply], "nothing"]]);
    },
  );

  it("has words of Claude Code's own between the parts of an answer that was cut", () => {
    expect(heldIn("stream-cut-after-complete-block")).toEqual([[["Running.", "Done step 1"], "more"]]);
    expect(heldIn("max-tokens-and-context-window")[0]).toEqual([Array(4).fill("truncated text"), "more"]);
  });

  it("has an empty list of citations beside a text that had some, and the model API's own tools", () => {
    const kinds = heldIn("text-content-kinds");
    expect(kinds).toContainEqual([["The grass is green."], "more"]);
    expect(kinds).toContainEqual([["Found."], "more"]);
  });

  it.each(captureNames)("is the same at each level of detail, and never has an empty text: %s", (name) => {
    const held = (detail: "text" | "full") =>
      turnsOf(name, detail).map(({ end }) => [end.answerBlocks, end.answerBeside]);
    expect(held("text")).toEqual(held("full"));
    expect(turnsOf(name).flatMap(({ end }) => end.answerBlocks)).not.toContain("");
  });

  it("leaves out blocks that are retracted after their lines came, and what was beside the words with them", () => {
    const held = played([
      ...blockLines(0, { type: "text", text: "kept" }, "u0"),
      ...blockLines(1, { type: "thinking", thinking: "lost" }, "u1"),
      ...blockLines(2, { type: "text", text: "lost" }, "u2"),
      {
        type: "stream_event",
        event: { type: "message_stop" },
        abandoned_blocks: { api_message_id: "m1", from_block_index: 1 },
      },
    ]);
    expect([held.texts, held.beside]).toEqual([["kept"], "nothing"]);
  });

  it("is what the line has, not what a gateway streamed where Claude Code does not read", () => {
    const [start, , stop] = blockLines(0, { type: "text", text: "first frame, " }, "u0");
    const delta = { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "the rest" } };
    const line = {
      type: "assistant",
      uuid: "u0",
      message: { id: "m1", content: [{ type: "text", text: "the rest" }] },
    };
    expect(played([start!, { type: "stream_event", event: delta }, line, stop!]).texts).toEqual(["the rest"]);
  });
});

describe("how full the context is after a turn", () => {
  it("is what the last model call took in and gave out, of the window of its model", () => {
    const [end] = turnsOf("text-happy").map((turn) => turn.end);
    // 1000 input, 300 read from the cache, 200 written to it, 50 output.
    expect([end?.contextTokens, end?.contextWindowTokens]).toEqual([1_550, 1_000_000]);
    const [fallback] = turnsOf("model-fallback-overloaded").map((turn) => turn.end);
    expect(fallback?.contextWindowTokens).toBe(200_000);
  });

  it("is of the last call only, when a turn made several", () => {
    const [end] = turnsOf("tools-edit-cycle-and-parallel").map((turn) => turn.end);
    expect(end?.modelCallCount).toBeGreaterThan(1);
    expect(end?.contextTokens).toBe(1_550);
  });

  it("is unknown when no model answered", () => {
    const [end] = turnsOf("error-no-credential").map((turn) => turn.end);
    expect([end?.contextTokens, end?.contextWindowTokens]).toEqual([0, 0]);
  });
});
