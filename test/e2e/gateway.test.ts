/**
 * Answers of gateways that are not quite what the model API sends, through the real CLI: whatever it makes of them, the
 * result, the collected answer and the joined deltas are the same text.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Outcome } from "../../gen/claude/runner/v1/result_pb.ts";
import { readTurn } from "../contract/turn.ts";
import { openScene, type Scene } from "./scene.ts";

type Frame = { readonly type: string; readonly [member: string]: unknown };

let messageCount = 0;
const start = (more: object = {}): Frame => ({
  type: "message_start",
  message: {
    id: `msg_gateway_${messageCount++}`,
    type: "message",
    role: "assistant",
    model: "claude-opus-5-5",
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { input_tokens: 10, output_tokens: 1 },
    ...more,
  },
});
const open = (index: unknown, block: object = { type: "text", text: "" }): Frame => ({
  type: "content_block_start",
  index,
  content_block: block,
});
const delta = (index: unknown, change: object): Frame => ({ type: "content_block_delta", index, delta: change });
const text = (index: unknown, words: string): Frame => delta(index, { type: "text_delta", text: words });
const close = (index: unknown): Frame => ({ type: "content_block_stop", index });
const end = (stopReason: unknown = "end_turn", usage: unknown = { output_tokens: 5 }): Frame[] => [
  { type: "message_delta", delta: { stop_reason: stopReason, stop_sequence: null }, usage },
  { type: "message_stop" },
];
const block = (index: unknown, words: string): Frame[] => [open(index), text(index, words), close(index)];
const thinking = (index: number): Frame[] => [
  open(index, { type: "thinking", thinking: "", signature: "" }),
  delta(index, { type: "thinking_delta", thinking: "hm" }),
  delta(index, { type: "signature_delta", signature: "c2ln" }),
  close(index),
];

/** The bytes of a stream. JSON writes halves of surrogate pairs as escapes, as such gateways do. */
const body = (frames: readonly Frame[]) =>
  frames.map((frame) => `event: ${frame.type}\ndata: ${JSON.stringify(frame)}\n\n`).join("");

/** A prompt whose model calls get these streams, one after the other; a request that does not stream gets two blocks. */
const promptOf = (calls: readonly (readonly Frame[])[]) => {
  const whole = { answer: "message", blocks: ["not ", "streamed"].map((words) => ({ type: "text", text: words })) };
  const steps = calls.map((frames) => ({
    play: { answer: "body", contentType: "text/event-stream", body: body(frames) },
    whenNotStreaming: whole,
  }));
  return `[[scenario ${JSON.stringify({ steps })}]]`;
};

interface Row {
  readonly calls: readonly (readonly Frame[])[];
  readonly answer: string;
  readonly outcome?: Outcome;
}

const rows: Readonly<Record<string, Row>> = {
  "two blocks": {
    calls: [[start(), ...block(0, "First part. "), ...block(1, "Second part."), ...end()]],
    answer: "First part. Second part.",
  },
  "three blocks because of citations": {
    calls: [
      [
        start(),
        ...block(0, "According to "),
        open(1, { type: "text", text: "", citations: [] }),
        text(1, "the source"),
        delta(1, { type: "citations_delta", citation: { type: "char_location", cited_text: "x", document_index: 0 } }),
        close(1),
        ...block(2, ", it rains."),
        ...end(),
      ],
    ],
    answer: "According to the source, it rains.",
  },
  "thinking before, between and behind": {
    calls: [[start(), ...thinking(0), ...block(1, "A "), ...thinking(2), ...block(3, "B"), ...thinking(4), ...end()]],
    answer: "A B",
  },
  "encrypted thinking last": {
    calls: [[start(), ...block(0, "A"), open(1, { type: "redacted_thinking", data: "xx" }), close(1), ...end()]],
    answer: "A",
  },
  "an empty block last": { calls: [[start(), ...block(0, "A"), open(1), close(1), ...end()]], answer: "A" },
  "a blank block last": { calls: [[start(), ...block(0, "A"), ...block(1, "\n"), ...end()]], answer: "A\n" },
  "a server's own tool between": {
    calls: [
      [
        start(),
        ...block(0, "before "),
        open(1, { type: "server_tool_use", id: "srvtoolu_1", name: "web_search", input: {} }),
        delta(1, { type: "input_json_delta", partial_json: '{"query":"x"}' }),
        close(1),
        open(2, { type: "web_search_tool_result", tool_use_id: "srvtoolu_1", content: [] }),
        close(2),
        ...block(3, "after"),
        ...end(),
      ],
    ],
    answer: "before after",
  },
  "its output limit in the middle": {
    calls: [
      [start(), ...block(0, "part one, "), ...end("max_tokens")],
      [start(), ...block(0, "part two"), ...end()],
    ],
    answer: "part one, part two",
  },
  "a stream that ends behind a whole block": {
    calls: [
      [start(), ...block(0, "kept, "), open(1), text(1, "lost")],
      [start(), ...block(0, "continued"), ...end()],
    ],
    answer: "kept, continued",
  },
  "a stream that ends within its first block": { calls: [[start(), open(0), text(0, "lost")]], answer: "not streamed" },
  "no message_stop": { calls: [[start(), ...block(0, "hello"), end()[0]!]], answer: "hello" },
  "no message_delta": {
    calls: [[start(), ...block(0, "hello"), end()[1]!]],
    answer: "hello",
    outcome: Outcome.INCOMPLETE,
  },
  "a last block without an end": {
    calls: [[start(), ...block(0, "one "), open(1), text(1, "two"), ...end()]],
    answer: "one two",
  },
  "no block with an end, ever": { calls: [[start(), open(0), text(0, "hello"), ...end()]], answer: "hello" },
  "text in the first frame": {
    calls: [[start(), open(0, { type: "text", text: "in the start " }), text(0, "and after"), close(0), ...end()]],
    answer: "in the start and after",
  },
  "all text in the first frame": {
    calls: [[start(), open(0, { type: "text", text: "all of it" }), close(0), ...end()]],
    answer: "all of it",
  },
  "text in message_start": {
    calls: [[start({ content: [{ type: "text", text: "here " }] }), ...block(0, "and there"), ...end()]],
    answer: "here and there",
  },
  "a first frame without text": {
    calls: [[start(), open(0, { type: "text" }), text(0, "x"), close(0), ...end()]],
    answer: "x",
  },
  "indexes with gaps": { calls: [[start(), ...block(3, "x"), ...block(7, "y"), ...end()]], answer: "xy" },
  "one index for all blocks": { calls: [[start(), ...block(0, "x"), ...block(0, "y"), ...end()]], answer: "xy" },
  "a block that begins twice": {
    calls: [[start(), open(0), text(0, "x"), open(0), text(0, "y"), close(0), ...end()]],
    answer: "xy",
  },
  "indexes that are fractions": { calls: [[start(), ...block(0.5, "x"), ...block(1.5, "y"), ...end()]], answer: "xy" },
  "no indexes": { calls: [[start(), ...block(undefined, "x"), ...end()]], answer: "x" },
  "interleaved blocks": {
    calls: [[start(), open(0), open(1), text(0, "a"), text(1, "b"), text(0, "c"), close(1), close(0), ...end()]],
    answer: "abc",
  },
  "a delta without a block": {
    calls: [[start(), text(0, "orphan"), ...block(0, "a"), ...end()]],
    answer: "not streamed",
  },
  "one id for all messages": {
    calls: [
      [
        start({ id: "msg_same" }),
        open(0),
        text(0, "lost"),
        { type: "error", error: { type: "api_error", message: "x" } },
      ],
    ],
    answer: "not streamed",
  },
  "an emoji in two halves": {
    calls: [[start(), open(0), text(0, "ob \ud83d"), text(0, "\ude00 ok"), close(0), ...end()]],
    answer: "ob 😀 ok",
  },
  "half an emoji": { calls: [[start(), open(0), text(0, "ob \ud83d"), close(0), ...end()]], answer: "ob \ufffd" },
  "empty deltas": {
    calls: [[start(), open(0), text(0, ""), text(0, "A"), text(0, ""), close(0), ...end()]],
    answer: "A",
  },
  "fractions in its usage": {
    calls: [
      [
        start({ usage: { input_tokens: 10.5, output_tokens: 1 } }),
        ...block(0, "x"),
        ...end("end_turn", { output_tokens: 5.25 }),
      ],
    ],
    answer: "x",
  },
  "usage beyond all bounds": {
    calls: [
      [
        start({ usage: { input_tokens: 10, cache_read_input_tokens: 1e19, output_tokens: 1 } }),
        ...block(0, "x"),
        ...end("end_turn", { output_tokens: 1e20, server_tool_use: { web_search_requests: 3e9 } }),
      ],
    ],
    answer: "x",
  },
  ...Object.fromEntries(
    [
      ["pause_turn", Outcome.INCOMPLETE] as const,
      ["content_filter", Outcome.REFUSED] as const,
      ["length", Outcome.MAX_OUTPUT_TOKENS] as const,
      ["", Outcome.INCOMPLETE] as const,
      [null, Outcome.INCOMPLETE] as const,
      [7, Outcome.INCOMPLETE] as const,
    ].map(([stopReason, outcome]): [string, Row] => [
      `the stop reason ${JSON.stringify(stopReason)}`,
      { calls: [[start(), ...block(0, "half an answer"), ...end(stopReason)]], answer: "half an answer", outcome },
    ]),
  ),
  "usage in words": {
    calls: [
      [start({ usage: { input_tokens: "ten" } }), ...block(0, "x"), ...end("end_turn", { output_tokens: "many" })],
    ],
    answer: "x",
  },
};

describe("an answer of a gateway", () => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await openScene();
  });
  afterAll(() => scene.close());

  it.each(Object.entries(rows))("with %s is whole", async (_name, { calls, answer, outcome }) => {
    const prompt = promptOf(calls);
    const turn = await readTurn(scene.client.streamChat({ prompt }));
    expect(turn.failure).toBeUndefined();
    expect(turn.result).toMatchObject({ outcome: outcome ?? Outcome.COMPLETED, text: answer, textTruncated: false });
    expect(turn.result.textSizeBytes).toBe(BigInt(Buffer.byteLength(answer)));
    expect(turn.answer).toBe(answer);

    const collected = await scene.client.chat({ prompt });
    expect(collected.text).toBe(answer);
  });

  it("leaves the pool's state readable, whatever it counted", async () => {
    const { input_tokens: _, ...odd } = { input_tokens: 0, output_tokens: 1e20, cache_creation_input_tokens: -3.5 };
    await readTurn(
      scene.client.streamChat({ prompt: promptOf([[start({ usage: odd }), ...block(0, "x"), ...end()]]) }),
    );
    const { pool } = await scene.client.getPool({});
    expect(pool?.recentTurns.length).toBeGreaterThan(0);
  });
});
