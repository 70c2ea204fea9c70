/**
 * The commands that are calls of the client.
 */
import { type DescMessage, fromJson, type JsonValue, type MessageShape, toJson } from "@bufbuild/protobuf";
import type {
  CallError,
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
  StreamChatResponseSchema,
  TurnResultSchema,
} from "../src/node.ts";
import { callError, textAnswer } from "./answers.ts";
import type { Connections } from "./connections.ts";

/** The kinds of events by their names in TypeScript, as the contract spells them. */
const protoNames = new Map(StreamChatResponseSchema.oneofs[0]?.fields.map(({ localName, name }) => [localName, name]));

export async function stream(command: StreamCommand, connections: Connections): Promise<StreamAnswer> {
  const connection = connections.to(command.target, { retry: command.retry });
  connection.attemptCount = 0;
  const abort = new AbortController();
  const turn = connection.client.stream(parsed(StreamChatRequestSchema, command.request), {
    signal: abort.signal,
    ...(command.timeoutMs !== undefined && { timeoutMs: command.timeoutMs }),
    ...(command.headers !== undefined && { headers: command.headers }),
  });
  const kinds: Record<string, number> = {};
  let firstKind = "";
  let lastKind = "";
  let lastSequence = 0;
  let knownCount = 0;
  let isRising = true;
  let textDeltaCount = 0;
  let error: CallError | undefined;
  let result: object | undefined;
  try {
    for await (const { sequence, event } of turn) {
      const kind = protoNames.get(event.case ?? "") ?? "";
      kinds[kind] = (kinds[kind] ?? 0) + 1;
      firstKind ||= kind;
      lastKind = kind;
      knownCount += 1;
      isRising &&= sequence > lastSequence;
      lastSequence = sequence;
      if (event.case === "result") result = json(TurnResultSchema, event.value);
      if (event.case === "textDelta") textDeltaCount += 1;
      if (textDeltaCount === command.cancelAfterTextDeltas) abort.abort();
      if (textDeltaCount === command.leaveAfterTextDeltas) break;
    }
  } catch (failure) {
    error = callError(failure);
  }
  const { unknownEventCount: unknownCount } = turn;
  return {
    kinds,
    firstKind,
    lastKind,
    unknownCount,
    // The loop does not see unknown events: their numbers are those that it misses. Of a turn that was cancelled some
    // may be behind the last one seen.
    gapFree: isRising && lastSequence <= knownCount + unknownCount && knownCount <= lastSequence,
    eventCount: knownCount + unknownCount,
    ...textAnswer(turn.collectedText),
    turnId: turn.turnId,
    ...(turn.started !== undefined && { started: json(StartedSchema, turn.started) }),
    ...(result !== undefined && { result }),
    attemptCount: connection.attemptCount,
    ...(error !== undefined && { error }),
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
  return answered(ChatResponseSchema, client.chat(parsed(ChatRequestSchema, command.request)));
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

async function answered<D extends DescMessage>(schema: D, call: Promise<MessageShape<D>>) {
  try {
    return { response: json(schema, await call) };
  } catch (error) {
    return { error: callError(error) };
  }
}

async function failureOf(act: () => Promise<void>): Promise<{ readonly error?: CallError }> {
  try {
    await act();
    return {};
  } catch (error) {
    return { error: callError(error) };
  }
}

function parsed<D extends DescMessage>(schema: D, value: object): MessageShape<D> {
  return fromJson(schema, value as JsonValue);
}

function json<D extends DescMessage>(schema: D, message: MessageShape<D>): object {
  return toJson(schema, message) as object;
}
