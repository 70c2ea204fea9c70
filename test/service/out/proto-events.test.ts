import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type StreamChatResponse as Response,
  StreamChatResponseSchema,
} from "../../../gen/claude/runner/v1/runner_pb.ts";
import type { Json } from "../../../src/json-value.ts";
import type { Detail } from "../../../src/turn.ts";
import type { TurnEvent } from "../../../src/turn-event.ts";
import { Encoded } from "./encoded.ts";

const MiB = 1024 * 1024;
const position = { messageIndex: 0, blockIndex: 0 };

const size = (response: Response) =>
  toBinary(StreamChatResponseSchema, create(StreamChatResponseSchema, response)).length;
const cases = (responses: Response[]) => responses.map(({ event }) => event?.case);

const toolUse = (input: Json, inputJson = JSON.stringify(input)): TurnEvent => ({
  kind: "toolUse",
  toolUseId: "t1",
  toolName: "Bash",
  input,
  inputJson,
  messageIndex: 0,
  unparsable: false,
});
const toolResult = (more: Partial<Extract<TurnEvent, { kind: "toolResult" }>>): TurnEvent => ({
  kind: "toolResult",
  toolUseId: "t1",
  isError: false,
  content: [],
  output: undefined,
  permissionDecision: "",
  permissionSource: "",
  nonExecutionKind: "",
  elidedBytes: 0,
  ...more,
});

describe("long things come in slices below 1 MiB", () => {
  const long = `${"ä€😀x".repeat(400_000)}`;
  test.each<[string, TurnEvent, (response: Response) => string]>([
    [
      "text",
      { kind: "textDelta", text: long, ...position },
      ({ event }) => (event?.case === "textDelta" ? (event.value.text ?? "") : ""),
    ],
    [
      "thinking",
      { kind: "thinkingDelta", thinking: long, ...position },
      ({ event }) => (event?.case === "thinkingDelta" ? (event.value.thinking ?? "") : ""),
    ],
    [
      "tool input",
      toolUse({ a: long }),
      ({ event }) => (event?.case === "toolUse" ? (event.value.inputJson ?? "") : ""),
    ],
    [
      "notices",
      { kind: "notice", level: "info", noticeKind: "x", text: long },
      ({ event }) => (event?.case === "notice" ? (event.value.text ?? "") : ""),
    ],
  ])("%s: the slices together are the whole", (_what, event, textOf) => {
    const responses = new Encoded().responses(event);
    expect(responses.length).toBeGreaterThan(1);
    for (const response of responses) expect(size(response)).toBeLessThan(MiB);
    const whole = responses.map(textOf).join("");
    expect(whole === long || whole === JSON.stringify({ a: long })).toBe(true);
  });

  test("a tool's answer: what the model read is whole, what the tool reported beside it is cut and says by how much", () => {
    const responses = new Encoded().responses(
      toolResult({
        content: [
          { kind: "text", text: long },
          { kind: "other", value: { a: long } },
        ],
        output: {
          kind: "bash",
          stdout: long,
          stderr: "",
          interrupted: false,
          isImage: false,
          backgroundTaskId: "",
          persistedSizeBytes: 0,
        },
      }),
    );
    const read = responses
      .flatMap(({ event }) => (event?.case === "toolResult" ? (event.value.content ?? []) : []))
      .map(({ content }) => (content?.case === "text" ? content.value : ""));
    expect(read.join("")).toBe(long + JSON.stringify({ a: long }));
    const first = responses[0]!.event;
    if (first?.case !== "toolResult" || first.value.output?.case !== "bash") throw new Error("no output");
    expect(Buffer.byteLength(first.value.output.value.stdout ?? "") + Number(first.value.elidedBytes)).toBe(
      Buffer.byteLength(long),
    );
  });

  test("a line: its pieces follow with offset and total, and together are the line", () => {
    const responses = new Encoded("full").responses({ kind: "blockStop", ...position, raw: long });
    expect(cases(responses)).toEqual(["blockStop", ...Array.from({ length: responses.length - 1 }, () => "unknown")]);
    let offset = 0n;
    for (const { rawJson } of responses) {
      expect(rawJson?.offsetBytes).toBe(offset);
      expect(rawJson?.totalBytes).toBe(BigInt(Buffer.byteLength(long)));
      offset += BigInt(Buffer.byteLength(rawJson?.json ?? ""));
    }
    expect(responses.map(({ rawJson }) => rawJson?.json).join("")).toBe(long);
  });
});

test("no event is larger than 1 MiB, whatever a tool takes and answers", () => {
  const json = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Json>;
  const nasty = fc.constantFrom<Json>(
    Array.from({ length: 40_000 }, () => 1),
    { a: "x".repeat(600_000) },
    { a: Array.from({ length: 20_000 }, () => ({})) },
  );
  const text = fc.oneof(fc.string(), fc.constantFrom("\u0000".repeat(300_000), "😀".repeat(100_000)));
  fc.assert(
    fc.property(
      fc.oneof(json, nasty),
      fc.array(
        fc.oneof(
          text.map((t) => ({ kind: "text" as const, text: t })),
          fc.oneof(json, nasty).map((value) => ({ kind: "other" as const, value })),
        ),
        { maxLength: 5 },
      ),
      (value, content) => {
        const events: TurnEvent[] = [
          { ...toolUse(value), raw: JSON.stringify(value) },
          { ...toolResult({ content, output: { kind: "other", value } }), raw: JSON.stringify(content) },
          {
            kind: "assistantBlock",
            messageIndex: 0,
            messageId: "m",
            model: "m",
            block: { kind: "other", value },
            synthetic: false,
            aborted: false,
            error: "",
            raw: JSON.stringify(value),
          },
        ];
        const numbered = new Encoded("full");
        const responses = events.flatMap((event) => numbered.responses(event));
        for (const response of responses) expect(size(response)).toBeLessThanOrEqual(MiB);
        expect(responses.map(({ sequence }) => sequence)).toEqual(responses.map((_, at) => at + 1));
      },
    ),
    { numRuns: 30 },
  );
});

describe("detail", () => {
  const events: TurnEvent[] = [
    { kind: "textDelta", text: "a", ...position },
    { kind: "thinkingDelta", thinking: "a", ...position },
    { kind: "retracted", messageIndex: 0, fromBlockIndex: 0, messageId: "m", textBytes: 1, cause: "streamBroken" },
    { kind: "unknown", name: "system/new_thing", internal: false },
    { kind: "unknown", name: "command_lifecycle", internal: true },
  ];
  test.each<[Detail, string[]]>([
    ["text", ["textDelta", "retracted"]],
    ["standard", ["textDelta", "thinkingDelta", "retracted", "unknown"]],
    ["full", ["textDelta", "thinkingDelta", "retracted", "unknown", "unknown"]],
  ])("%s", (detail, expected) => {
    const numbered = new Encoded(detail);
    expect(cases(events.flatMap((event) => numbered.responses(event)))).toEqual(expected);
  });
});

test("the envelope counts, and names the turn and the sub-agent", () => {
  const numbered = new Encoded();
  const [first] = numbered.responses({ kind: "textDelta", text: "a", ...position, parentToolUseId: "tool" });
  const [second] = numbered.responses({ kind: "textDelta", text: "b", ...position });
  expect(first).toMatchObject({
    sequence: 1,
    turnId: "00000000-0000-4000-8000-000000000001",
    parentToolUseId: "tool",
    createTime: { seconds: 1_700_000_000n, nanos: 123_000_000 },
  });
  expect(second).toMatchObject({ sequence: 2, parentToolUseId: "" });
  expect(numbered.lastSequence).toBe(2);
});

test("a tool's input is carried as a structure only where that is small, and exactly always", () => {
  const exact = '{"id": 12345678901234567890, "b":1}';
  const [response] = new Encoded().responses(toolUse(JSON.parse(exact) as Json, exact));
  expect(response!.event).toMatchObject({ case: "toolUse", value: { inputJson: exact, input: { b: 1 } } });
});
