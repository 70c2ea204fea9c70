/**
 * A response that is encoded by hand is what the general way would make of its message.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { StreamChatResponseSchema } from "../../../gen/claude/runner/v1/runner_pb.ts";
import { type Head, responseBytes, type TextDelta } from "../../../src/service/out/wire.ts";
import { int32, timestamp } from "../../../src/service/protobuf.ts";

const turnId = "00000000-0000-4000-8000-000000000001";
const anyText = fc.oneof(fc.string({ unit: "binary" }), fc.string({ unit: "grapheme" }), fc.constant("\ud800 alone"));
const anyCount = fc.oneof(
  fc.nat(300),
  fc.constantFrom(0, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 2 ** 31 - 1),
  fc.constantFrom(-1, 1.5, 2 ** 31, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY),
);
const anyDelta: fc.Arbitrary<TextDelta> = fc.record(
  {
    kind: fc.constant("textDelta" as const),
    text: anyText,
    blockIndex: anyCount,
    messageIndex: anyCount,
    parentToolUseId: anyText,
  },
  { requiredKeys: ["kind", "text", "blockIndex", "messageIndex"] },
);
const anyHead: fc.Arbitrary<Head> = fc.record({
  sequence: fc.oneof(fc.integer({ min: 1, max: 2 ** 31 - 1 }), fc.constantFrom(1, 127, 128, 16_384)),
  createdAtMs: fc.oneof(
    fc.integer({ min: 0, max: 4_102_444_800_000 }),
    fc.constantFrom(0, 1_000, 1_700_000_000_123.25),
  ),
  turnId: fc.constant(turnId),
});

function generally(
  { sequence, createdAtMs }: Head,
  { text, blockIndex, messageIndex, parentToolUseId = "" }: TextDelta,
) {
  const value = { text, blockIndex: int32(blockIndex), messageIndex: int32(messageIndex) };
  const createTime = timestamp(createdAtMs);
  const event = { case: "textDelta" as const, value };
  return create(StreamChatResponseSchema, { sequence, createTime, turnId, parentToolUseId, event });
}

test("a piece of text is the same byte for byte, whatever stands in it and whichever time it is", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(anyHead, anyDelta), { minLength: 1, maxLength: 5 }), (pieces) => {
      // One for all pieces, as for a turn: what it keeps between two must not show.
      const bytes = responseBytes(turnId);
      for (const [head, delta] of pieces) {
        expect(bytes.textDelta(head, delta).equals(toBinary(StreamChatResponseSchema, generally(head, delta)))).toBe(
          true,
        );
      }
    }),
    { numRuns: 500 },
  );
});

test("anything else is encoded in the general way", () => {
  const response = { sequence: 3, turnId, event: { case: "blockStop" as const, value: { blockIndex: 2 } } };
  const message = create(StreamChatResponseSchema, response);
  expect(responseBytes(turnId).response(response).equals(toBinary(StreamChatResponseSchema, message))).toBe(true);
});
