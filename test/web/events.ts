/** Events of a stream as the generated client gives them, from what matters in a test. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type StreamChatResponse,
  StreamChatResponseSchema,
} from "../../clients/typescript/src/gen/claude/runner/v1/runner_pb.ts";

type Init = MessageInitShape<typeof StreamChatResponseSchema>;

export function event(event: NonNullable<Init["event"]>, parentToolUseId = ""): StreamChatResponse {
  return create(StreamChatResponseSchema, { turnId: "turn-1", parentToolUseId, event });
}

/** A piece of text of the main conversation. */
export const textDelta = (text: string, messageIndex = 0, blockIndex = 0): StreamChatResponse =>
  event({ case: "textDelta", value: { text, messageIndex, blockIndex } });
