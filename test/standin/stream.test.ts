import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type BlockInput, type MessageAnswer, parseScenario } from "../../src/standin/scenario.ts";
import { bytesOf, cutIntoWords, firstEvent, framesOf, lastEvents, wholeMessage } from "../../src/standin/stream.ts";

const facts = { messageId: "msg_1", model: "claude-test", requestBytes: 400 };

function answerOf(blocks: readonly BlockInput[], options: object = {}): MessageAnswer {
  const scenario = parseScenario({ steps: [{ play: { answer: "message", blocks, ...options } }] });
  return scenario.steps[0]!.play as MessageAnswer;
}

/** The data of each event. */
function eventsOf(text: string): { readonly type: string; readonly [member: string]: unknown }[] {
  return text
    .split("\n\n")
    .filter((event) => event !== "")
    .map((event) => JSON.parse(event.slice(event.indexOf("data: ") + 6)));
}

function deltasOf(answer: MessageAnswer): unknown[] {
  return eventsOf(bytesOf(answer).toString()).flatMap((event) => ("delta" in event ? [event.delta] : []));
}

describe("text", () => {
  test("loses nothing when it is cut into words", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        expect(cutIntoWords(text).join("")).toBe(text);
      }),
    );
    fc.assert(
      fc.property(fc.array(fc.constantFrom(" ", "\n", "a", "bc ", "é,", "\t\t")), (parts) => {
        const text = parts.join("");
        const pieces = cutIntoWords(text);
        expect(pieces.join("")).toBe(text);
        expect(pieces).not.toContain("");
      }),
    );
  });

  test("comes a few words at a time", () => {
    expect(cutIntoWords("one two three four five")).toEqual(["one two three", " four five"]);
  });

  test("can be cut by length, without splitting a character in two", () => {
    expect(deltasOf(answerOf([{ type: "text", text: "a🙂bc", deltas: 2 }]))).toEqual([
      { type: "text_delta", text: "a🙂" },
      { type: "text_delta", text: "bc" },
    ]);
  });

  test("can be given piece by piece", () => {
    expect(deltasOf(answerOf([{ type: "text", deltas: ["x", "", "y"] }]))).toHaveLength(3);
  });

  test("of a load has as many pieces of as many characters as were asked for", () => {
    const deltas = deltasOf(answerOf([{ type: "text", load: { deltaCount: 1000, deltaChars: 8 } }])) as {
      text: string;
    }[];
    expect(deltas).toHaveLength(1000);
    expect(new Set(deltas.map(({ text }) => text.length))).toEqual(new Set([8]));
    expect(new Set(deltas.map(({ text }) => text)).size).toBe(1000);
  });
});

describe("a streamed answer", () => {
  test("has its events in the API's order", () => {
    const answer = answerOf([
      { type: "thinking", thinking: "hm" },
      { type: "tool_use", name: "Bash", input: { command: "true" } },
    ]);
    const text = firstEvent(answer, facts) + bytesOf(answer).toString() + lastEvents(answer, facts);
    expect(eventsOf(text).map(({ type }) => type)).toEqual([
      "message_start",
      "content_block_start",
      "content_block_delta",
      "content_block_delta",
      "content_block_stop",
      "content_block_start",
      "content_block_delta",
      "content_block_stop",
      "message_delta",
      "message_stop",
    ]);
  });

  test("says the same whether it is made in one piece or frame by frame", () => {
    const answer = answerOf([{ type: "text", text: "one two three four five six" }]);
    expect(
      framesOf(answer)
        .map(({ text }) => text)
        .join(""),
    ).toBe(bytesOf(answer).toString());
  });

  test("gives each use of a tool a new id", () => {
    const answer = answerOf([{ type: "tool_use", name: "Bash" }]);
    expect(bytesOf(answer).toString()).not.toBe(bytesOf(answer).toString());
  });

  test("is encoded once when nothing in it is new", () => {
    const answer = answerOf([{ type: "text", text: "the same" }]);
    expect(bytesOf(answer)).toBe(bytesOf(answer));
  });

  test("may hold tool input that is no JSON", () => {
    const deltas = deltasOf(answerOf([{ type: "tool_use", name: "Bash", inputJson: '{"a' }]));
    expect(deltas).toEqual([{ type: "input_json_delta", partial_json: '{"a' }]);
  });

  test("counts the tokens that it was told to, and estimates the others", () => {
    const answer = answerOf([{ type: "text", text: "12345678" }], { usage: { inputTokens: 7 } });
    const [delta] = eventsOf(lastEvents(answer, facts));
    expect(delta).toMatchObject({ usage: { input_tokens: 7, output_tokens: 3, cache_read_input_tokens: 0 } });
  });
});

test("an answer that does not stream is the same message as one document", () => {
  const answer = answerOf(
    [
      { type: "text", load: { deltaCount: 2, deltaChars: 3 } },
      { type: "tool_use", id: "toolu_1", name: "Bash", input: { command: "true" } },
    ],
    { stopReason: "tool_use" },
  );
  expect(JSON.parse(wholeMessage(answer, facts))).toMatchObject({
    id: "msg_1",
    model: "claude-test",
    role: "assistant",
    content: [
      { type: "text", text: "0 l1 l" },
      { type: "tool_use", id: "toolu_1", name: "Bash", input: { command: "true" } },
    ],
    stop_reason: "tool_use",
  });
});
