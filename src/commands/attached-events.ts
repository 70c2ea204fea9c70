/**
 * The events of turns that the server keeps: of one that is begun here, in a session, and of one that is read again.
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import {
  ClaudeRunner,
  OnDisconnect,
  type StreamChatRequestSchema,
  type StreamChatResponse,
  StreamChatResponseSchema,
} from "../../gen/claude/runner/v1/runner_pb.ts";
import { type AttachTurnRequest, TurnService } from "../../gen/claude/runner/v1/turn_pb.ts";
import { type Clock, systemClock } from "../clock.ts";
import { type RejoinOptions, rejoining } from "./rejoin.ts";

/** By its id, or by that of its request. */
export type NamedTurn = Exclude<AttachTurnRequest["turn"], { readonly case: undefined }>;

export interface AttachedOptions extends Pick<RejoinOptions, "signal" | "say" | "wait" | "afterSequence"> {
  readonly transport: Transport;
  readonly turn: NamedTurn;
}

/** Reads a turn again. */
export function attachedEvents({ transport, turn, ...reading }: AttachedOptions): AsyncIterable<StreamChatResponse> {
  return rejoining({ ...reading, open: (after) => attach(transport, turn, after, reading.signal) });
}

async function* attach(
  transport: Transport,
  turn: NamedTurn,
  afterSequence: number,
  signal: AbortSignal,
): AsyncIterable<StreamChatResponse> {
  const client = createClient(TurnService, transport);
  let turnId = "";
  for await (const { message } of client.attachTurn({ turn, afterSequence }, { signal })) {
    if (message.case === "state") turnId = message.value.id;
    if (message.case === "event") yield message.value;
    // As a call that is repeated by its request id has it.
    if (message.case === "gap") {
      const { value } = message;
      yield create(StreamChatResponseSchema, { sequence: value.lastSequence, turnId, event: { case: "gap", value } });
    }
  }
}

export interface BegunOptions extends Pick<RejoinOptions, "say" | "wait"> {
  readonly transport: Transport;
  readonly request: MessageInitShape<typeof StreamChatRequestSchema>;
  /** The caller's name for the request. */
  readonly requestId: string;
  /** Aborting it stops the turn, whose result still comes. */
  readonly stop: AbortSignal;
  readonly clock?: Clock;
}

/** How long the result of a stopped turn is waited for, in milliseconds. */
const stopGraceMs = 5_000;

/** Begins a turn that goes on without this program, and reads it to its end. */
export async function* begunEvents(options: BegunOptions): AsyncGenerator<StreamChatResponse, void> {
  const { transport, requestId, stop, say, wait, clock = systemClock } = options;
  const request = { ...options.request, requestId, onDisconnect: OnDisconnect.CONTINUE };
  const turn = { case: "requestId" as const, value: requestId };
  const reading = new AbortController();
  const { signal } = reading;
  let turnId: string | undefined;
  const onStop = async () => {
    try {
      await stopTurn(transport, turnId, requestId);
      clock.after(stopGraceMs, () => reading.abort());
    } catch {
      say(`the server could not be asked to stop the turn, which goes on${turnId === undefined ? "" : `: ${turnId}`}`);
      reading.abort();
    }
  };
  stop.addEventListener("abort", onStop, { once: true });
  const begin = () =>
    createClient(ClaudeRunner, transport).streamChat(request, {
      signal,
      onHeader: (headers) => {
        turnId = headers.get("claude-runner-turn-id") ?? turnId;
      },
    });
  try {
    yield* rejoining({
      afterSequence: 0,
      // Nothing came yet: perhaps the server never had it. Under the same request id it is never run twice.
      open: (after) => (after === 0 ? begin() : attach(transport, turn, after, signal)),
      signal,
      say,
      ...(wait && { wait }),
    });
  } finally {
    stop.removeEventListener("abort", onStop);
  }
}

async function stopTurn(transport: Transport, turnId: string | undefined, requestId: string): Promise<void> {
  const client = createClient(TurnService, transport);
  const limit = { timeoutMs: stopGraceMs };
  const id = turnId ?? (await client.getTurn({ turn: { case: "requestId", value: requestId } }, limit)).turn?.id;
  if (id !== undefined) await client.interruptTurn({ turnId: id }, limit);
}
