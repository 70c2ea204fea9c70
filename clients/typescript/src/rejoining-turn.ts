/**
 * The events of a turn that outlives its connection: a turn of one's own, which is interrupted when its caller leaves it, or
 * one that somebody else has begun, which goes on.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { firstOf } from "./abort.ts";
import type { CallOptions } from "./call-options.ts";
import type { Calls } from "./calls.ts";
import { Deadline } from "./deadline.ts";
import { Detail, type StreamChatRequestSchema, type StreamChatResponse } from "./gen/claude/runner/v1/runner_pb.ts";
import type { AttachTurnRequestSchema, AttachTurnResponse } from "./gen/claude/runner/v1/turn_pb.ts";
import { giveUp } from "./give-up.ts";
import { type RejoinTime, realTime, rejoined } from "./rejoin.ts";
import { naming } from "./turn-id.ts";

type BeginningRequest = MessageInitShape<typeof StreamChatRequestSchema> & { readonly requestId: string };

/** Either the request that begins the turn, with its `request_id`, or the request to read it. */
export type RejoiningTurn =
  | { readonly begin: BeginningRequest }
  | { readonly attach: MessageInitShape<typeof AttachTurnRequestSchema> };

export interface RejoiningParts {
  readonly calls: Calls;
  readonly options: Omit<CallOptions, "signal">;
  readonly time?: RejoinTime;
}

/** `signal`: aborted when nobody reads any more. `named`: told of the turn's id, as soon as that is known. */
export async function* rejoiningEvents(
  turn: RejoiningTurn,
  { calls, options: { headers = {}, timeoutMs }, time = realTime }: RejoiningParts,
  signal: AbortSignal,
  named: (turnId: string) => void,
): AsyncGenerator<StreamChatResponse, void> {
  const deadline = new Deadline(timeoutMs);
  const { abort, unlink } = firstOf([signal, deadline.signal]);
  let turnId = "";
  const know = (id: string) => {
    if (id === "") return;
    turnId = id;
    named(id);
  };
  let isOver = false;
  let leaving: Promise<void> | undefined;
  const leave = () => {
    if (isOver || !("begin" in turn)) return;
    leaving ??= calls.beforeClosing(giveUp(calls.turns, { turnId, requestId: turn.begin.requestId, headers }));
  };
  abort.signal.addEventListener("abort", leave, { once: true });
  const attach = "attach" in turn ? turn.attach : readingOf(turn.begin);
  const rest = () => ({ headers, ...deadline.callOptions });
  const events = rejoined(
    {
      ...("begin" in turn && {
        send: (ended: AbortSignal) =>
          calls.runner.streamChat(turn.begin, { ...rest(), ...naming(know), signal: ended }),
      }),
      attach: (afterSequence, ended) =>
        stated(calls.turnsOnce.attachTurn({ ...attach, afterSequence }, { ...rest(), signal: ended }), know),
    },
    {
      signal: abort.signal,
      time,
      ...("attach" in turn && { from: { call: "attach", afterSequence: turn.attach.afterSequence ?? 0 } }),
    },
  );
  try {
    let hasEvent = false;
    for await (const response of events) {
      know(response.turnId);
      // While a turn waits, only those who are attached get any: a stream begins with `started`.
      if (response.event.case === "heartbeat" && !hasEvent) continue;
      hasEvent = true;
      isOver ||= response.event.case === "result";
      yield response;
    }
  } catch (error) {
    if (abort.signal.aborted) throw ConnectError.from(abort.signal.reason, Code.Canceled);
    // The deadline by the server's clock, which leaves the turn.
    if (ConnectError.from(error).code === Code.DeadlineExceeded) leave();
    throw error;
  } finally {
    abort.signal.removeEventListener("abort", leave);
    unlink();
    deadline.clear();
    await leaving;
  }
}

/** How one's own turn is read again. Who says no detail is given all that was recorded, which may be more than was asked for. */
function readingOf({ requestId, detail = Detail.UNSPECIFIED }: BeginningRequest) {
  return {
    turn: { case: "requestId" as const, value: requestId },
    detail: detail === Detail.UNSPECIFIED ? Detail.STANDARD : detail,
  };
}

/** The same messages; tells of the turn's id, which the first one has. */
async function* stated(
  messages: AsyncIterable<AttachTurnResponse>,
  named: (turnId: string) => void,
): AsyncGenerator<AttachTurnResponse, void> {
  for await (const response of messages) {
    if (response.message.case === "state") named(response.message.value.id);
    yield response;
  }
}
