import { describe, expect, it } from "vitest";
import { mapMessage } from "../../../src/cli/mapping/turn-mapper.ts";
import { parseLine } from "../../../src/cli/protocol/cli-messages.ts";
import { turnEnd } from "../../../src/cli/turn/end-of-turn.ts";
import type { TurnEvent } from "../../../src/turn-event.ts";
import { newTurn } from "../captures.ts";

/** The structured output of a turn whose model wrote these inputs, one try after the other, and whose result has `given`. */
function structured(tries: readonly string[], given: unknown, isStreamed = true) {
  const mapped = newTurn("text");
  const events: TurnEvent[] = [];
  const stream = (event: object) => ({ type: "stream_event", event, parent_tool_use_id: null });
  for (const [at, written] of tries.entries()) {
    const id = `msg_${at}`;
    const use = { type: "tool_use", id: `toolu_${at}`, name: "StructuredOutput" };
    const whole = { ...use, input: parsed(written) };
    const lines = [
      ...(isStreamed
        ? [
            stream({ type: "message_start", message: { id } }),
            stream({ type: "content_block_start", index: 0, content_block: { ...use, input: {} } }),
            ...[written.slice(0, 5), written.slice(5)].map((piece) =>
              stream({
                type: "content_block_delta",
                index: 0,
                delta: { type: "input_json_delta", partial_json: piece },
              }),
            ),
          ]
        : []),
      { type: "assistant", message: { id, content: [whole] }, parent_tool_use_id: null },
    ];
    for (const line of lines) mapMessage(mapped, parseLine(JSON.stringify(line))!, events);
  }
  const result = parseLine(
    JSON.stringify({ type: "result", is_error: false, structured_output: given, stop_reason: "tool_use" }),
  )!.body;
  const end = turnEnd({
    mapped,
    result,
    charge: undefined,
    cause: undefined,
    death: undefined,
    wantsStructuredOutput: true,
    wallNowMs: 0,
    isUsable: true,
  });
  return { json: end.structuredOutputJson, text: end.text, outcome: end.outcome };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return { __unparsedToolInput: { raw: text } };
  }
}

describe("the text of a structured output", () => {
  it.each([
    '{"id": 9007199254740993}',
    '{"big":123456789012345678901234567890,"tiny":1.00}',
    '{"a":-0,"b":1e400}',
    '{"a":1,"a":2}',
    '{"__proto__":{"x":1},"constructor":2}',
    '{"b":1,"a":2,"10":3}',
  ])("is what the model wrote: %s", (written) => {
    expect(structured([written], JSON.parse(written))).toEqual({ json: written, text: written, outcome: "completed" });
  });

  it("is that of the try that was taken", () => {
    const tries = ['{"nope": 0}', '{"id": 9007199254740993}'];
    expect(structured(tries, JSON.parse(tries[1]!)).json).toBe(tries[1]);
  });

  it("is Claude Code's own account where that says something else, or nothing was streamed", () => {
    expect(structured(['{"id":1}'], { id: 1, more: true }).json).toBe('{"id":1,"more":true}');
    expect(structured(['{"id":'], { id: 1 }).json).toBe('{"id":1}');
    expect(structured(['{"id": 1.0}'], { id: 1 }, false).json).toBe('{"id":1}');
  });
});
