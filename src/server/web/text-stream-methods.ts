/**
 * The methods whose streams are served as text, and what each message is called there: its event, its number, and where
 * a reader that comes back goes on. A further method is a further entry.
 */
import type {
  DescMessage,
  DescMethod,
  DescMethodServerStreaming,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { ClaudeRunner, type StreamChatResponseSchema } from "../../../gen/claude/runner/v1/runner_pb.ts";
import { TurnService } from "../../../gen/claude/runner/v1/turn_pb.ts";
import { RunnerError } from "../../runner-error.ts";

/** What a reader sees of a message before it reads it. */
export type Label =
  | { readonly kind: "heartbeat" }
  /** `id` is absent for a message that is no event of a turn: a reader keeps the one it has. */
  | { readonly kind: "event"; readonly name: string; readonly id?: number };

export interface TextStreamRules {
  readonly labelOf: (response: unknown) => Label;
  /** Makes the request one for what follows the event that its reader has. Throws INVALID_REQUEST where that is not possible. */
  readonly goOnAfter: (request: unknown, sequence: number) => void;
}

/** The rules of the methods that are served as text, by the method. */
export const textStreamRules: ReadonlyMap<DescMethod, TextStreamRules> = new Map([
  rulesOf(ClaudeRunner.method.streamChat, {
    labelOf: labelOfEvent,
    // Libraries for server-sent events send a request again by themselves when its connection breaks.
    goOnAfter({ requestId }) {
      if (requestId !== "") return;
      throw refused(
        "StreamChat would run the turn a second time; read the first one with claude.runner.v1.TurnService/AttachTurn, " +
          "or set request_id",
      );
    },
  }),
  rulesOf(TurnService.method.attachTurn, {
    labelOf: ({ message }) =>
      message?.case === "event" ? labelOfEvent(message.value) : { kind: "event", name: message?.case ?? unnamed },
    goOnAfter(request, sequence) {
      request.afterSequence = sequence;
    },
  }),
]);

/** The name that server-sent events have by default. */
const unnamed = "message";

function labelOfEvent({ event, sequence = 0 }: MessageInitShape<typeof StreamChatResponseSchema>): Label {
  if (event?.case === "heartbeat") return { kind: "heartbeat" };
  return { kind: "event", name: event?.case ?? unnamed, ...(sequence > 0 && { id: sequence }) };
}

/** The number in a `Last-Event-ID` header. Throws INVALID_REQUEST when it is none of a turn's. */
export function sequenceOf(lastEventId: string): number {
  const sequence = /^\d{1,10}$/.test(lastEventId) ? Number(lastEventId) : Number.NaN;
  if (sequence <= 0x7fff_ffff) return sequence;
  throw refused("it must be the `id` of an event of the turn");
}

function refused(why: string): RunnerError {
  return new RunnerError("INVALID_REQUEST", `the header last-event-id cannot be followed: ${why}`, {
    facts: { header: "last-event-id" },
  });
}

interface RulesOf<I extends DescMessage, O extends DescMessage> {
  readonly labelOf: (response: MessageInitShape<O>) => Label;
  readonly goOnAfter: (request: MessageShape<I>, sequence: number) => void;
}

function rulesOf<I extends DescMessage, O extends DescMessage>(
  method: DescMethodServerStreaming<I, O>,
  rules: RulesOf<I, O>,
): [DescMethod, TextStreamRules] {
  return [method, rules as unknown as TextStreamRules];
}
