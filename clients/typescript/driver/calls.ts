/**
 * The commands that are calls of the client.
 */
import type {
  AttachCommand,
  ChatAnswer,
  ChatCommand,
  ConversationAnswer,
  ConversationCommand,
  InfoAnswer,
  InfoCommand,
  PoolAnswer,
  PoolCommand,
  StreamAnswer,
  StreamCommand,
  TextAnswer,
  TextCommand,
} from "../../suite/protocol.ts";
import {
  ChatRequestSchema,
  ChatResponseSchema,
  GetInfoResponseSchema,
  GetPoolResponseSchema,
  StartedSchema,
  StreamChatRequestSchema,
  type Turn,
} from "../src/node.ts";
import { textAnswer } from "./answers.ts";
import type { Connection, Connections } from "./connections.ts";
import { answered, failureOf, json, parsed } from "./messages.ts";
import { SeenEvents } from "./seen-events.ts";

export async function stream(command: StreamCommand, connections: Connections): Promise<StreamAnswer> {
  const connection = connections.to(command.target, { retry: command.retry });
  connection.attemptCount = 0;
  const abort = new AbortController();
  const turn = connection.client.stream(parsed(StreamChatRequestSchema, command.request), {
    signal: abort.signal,
    ...(command.timeoutMs !== undefined && { timeoutMs: command.timeoutMs }),
    ...(command.headers !== undefined && { headers: command.headers }),
    ...(command.rejoin !== undefined && { rejoin: command.rejoin }),
  });
  let textDeltaCount = 0;
  return seenOf(turn, new SeenEvents(), connection, (kind) => {
    if (kind === "textDelta") textDeltaCount += 1;
    if (textDeltaCount === command.cancelAfterTextDeltas) abort.abort();
    return textDeltaCount === command.leaveAfterTextDeltas;
  });
}

export async function attach(command: AttachCommand, connections: Connections): Promise<StreamAnswer> {
  const connection = connections.to(command.target);
  connection.attemptCount = 0;
  const { turnId, requestId = "", afterSequence } = command;
  const which = turnId === undefined ? { requestId } : turnId;
  const turn = connection.client.attach(which, { ...(afterSequence !== undefined && { afterSequence }) });
  return seenOf(turn, new SeenEvents(afterSequence), connection, () => false);
}

/** Reads a turn until `isEnough` says so. */
async function seenOf(
  turn: Turn,
  seen: SeenEvents,
  connection: Connection,
  isEnough: (kind: string | undefined) => boolean,
): Promise<StreamAnswer> {
  const error = await failureOf(async () => {
    for await (const response of turn) {
      seen.note(response);
      if (isEnough(response.event.case)) break;
    }
  });
  return {
    ...seen.answer(turn.unknownEventCount),
    ...textAnswer(turn.collectedText),
    turnId: turn.turnId,
    ...(turn.started !== undefined && { started: json(StartedSchema, turn.started) }),
    attemptCount: connection.attemptCount,
    ...error,
  };
}

export async function text(command: TextCommand, connections: Connections): Promise<TextAnswer> {
  const turn = connections.to(command.target).client.stream(parsed(StreamChatRequestSchema, command.request));
  const pieces: string[] = [];
  const error = await failureOf(async () => {
    for await (const piece of turn.text()) pieces.push(piece);
  });
  return { pieceCount: pieces.length, ...textAnswer(pieces.join("")), ...error };
}

export async function chat(command: ChatCommand, connections: Connections): Promise<ChatAnswer> {
  const { client } = connections.to(command.target);
  const options = { ...(command.idempotent !== undefined && { idempotent: command.idempotent }) };
  return answered(ChatResponseSchema, client.chat(parsed(ChatRequestSchema, command.request), options));
}

export async function conversation(
  { target, prompts }: ConversationCommand,
  connections: Connections,
): Promise<ConversationAnswer> {
  const talk = connections.to(target).client.conversation();
  const turns: { text: string; seededMessageCount: number }[] = [];
  const error = await failureOf(async () => {
    for (const prompt of prompts) {
      const turn = talk.stream(prompt);
      await turn.result();
      turns.push({ text: turn.collectedText, seededMessageCount: turn.started?.seededMessageCount ?? 0 });
    }
  });
  return { turns, ...error };
}

export function info({ target }: InfoCommand, connections: Connections): Promise<InfoAnswer> {
  return answered(GetInfoResponseSchema, connections.to(target).client.info());
}

export function pool({ target }: PoolCommand, connections: Connections): Promise<PoolAnswer> {
  return answered(GetPoolResponseSchema, connections.to(target).client.pool());
}
