import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { ClaudeRunner, StreamChatResponseSchema } from "../../../gen/claude/runner/v1/runner_pb.ts";
import {
  AttachTurnRequestSchema,
  AttachTurnResponseSchema,
  TurnService,
} from "../../../gen/claude/runner/v1/turn_pb.ts";
import { sequenceOf, textStreamRules } from "../../../src/server/web/text-stream-methods.ts";

const streamChat = textStreamRules.get(ClaudeRunner.method.streamChat)!;
const attachTurn = textStreamRules.get(TurnService.method.attachTurn)!;

describe("an event of StreamChat", () => {
  it("is called as in JSON, whatever kind it is, and never as a failure", () => {
    const { fields } = StreamChatResponseSchema.oneofs[0]!;
    expect(fields.length).toBeGreaterThan(15);
    for (const { localName, jsonName, message } of fields) {
      if (localName === "heartbeat") continue;
      const event = { case: localName, value: create(message!) } as MessageInitShape<
        typeof StreamChatResponseSchema
      >["event"];
      expect(streamChat.labelOf({ sequence: 7, event })).toEqual({ kind: "event", name: jsonName, id: 7 });
      expect(jsonName).not.toBe("error");
    }
  });

  it("without a kind is a message", () => {
    expect(streamChat.labelOf({ sequence: 3 })).toEqual({ kind: "event", name: "message", id: 3 });
    expect(streamChat.labelOf(create(StreamChatResponseSchema))).toEqual({ kind: "event", name: "message" });
  });
});

describe("a message of AttachTurn", () => {
  it("is called as what it holds, and an event in it as that event, with its number", () => {
    const labelOf = (message: MessageInitShape<typeof AttachTurnResponseSchema>["message"]) =>
      attachTurn.labelOf(create(AttachTurnResponseSchema, { message }));
    expect(labelOf({ case: "state", value: { id: "turn" } })).toEqual({ kind: "event", name: "state" });
    expect(labelOf({ case: "gap", value: { firstSequence: 1, lastSequence: 4 } })).toEqual({
      kind: "event",
      name: "gap",
    });
    const text = { case: "textDelta", value: { text: "Hello" } } as const;
    expect(labelOf({ case: "event", value: { sequence: 5, event: text } })).toEqual({
      kind: "event",
      name: "textDelta",
      id: 5,
    });
    const heartbeat = { case: "heartbeat", value: {} } as const;
    expect(labelOf({ case: "event", value: { sequence: 5, event: heartbeat } })).toEqual({ kind: "heartbeat" });
    expect(labelOf({ case: "replayComplete", value: { lastSequence: 5 } })).toEqual({
      kind: "event",
      name: "replayComplete",
    });
    expect(labelOf({ case: undefined })).toEqual({ kind: "event", name: "message" });
  });

  it("follows the event that the reader has, whatever the request said when it was sent first", () => {
    const request = create(AttachTurnRequestSchema, { afterSequence: 3 });
    attachTurn.goOnAfter(request, 12);
    expect(request.afterSequence).toBe(12);
  });
});

describe("the id of the last event", () => {
  it("is the number of an event", () => {
    expect(["0", "1", "0012", "2147483647"].map(sequenceOf)).toEqual([0, 1, 12, 2_147_483_647]);
  });

  it.each(["2147483648", "-1", "1.5", "1e3", "0x1", " 1", "one", "1, 2", "9".repeat(400)])("is refused: %s", (id) => {
    expect(() => sequenceOf(id)).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST" }));
  });
});
