/**
 * A conversation: what was said so far, sent as history with every turn.
 *
 * Nothing of it is kept at the server, so it can go on at another one, or another day from `messages`.
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { ChatOptions, StreamOptions } from "./call-options.ts";
import type { TurnResult } from "./gen/claude/runner/v1/result_pb.ts";
import {
  type ChatRequestSchema,
  type ChatResponse,
  type HistoryMessage,
  HistoryMessageSchema,
  Role,
  type StreamChatRequestSchema,
} from "./gen/claude/runner/v1/runner_pb.ts";
import type { Turn, TurnParts } from "./turn.ts";

/** What the server takes as history. */
const maxMessageCount = 400;
const maxTextBytes = 4 * 1024 * 1024;

type StreamRequest = MessageInitShape<typeof StreamChatRequestSchema>;
type ChatRequest = MessageInitShape<typeof ChatRequestSchema>;

/** What all turns of a conversation have in common, such as profile and system prompt; `history` is how it begins. */
export type ConversationStart = Omit<ChatRequest, "prompt" | "content" | "$typeName" | "$unknown"> &
  Pick<StreamRequest, "detail">;

/** How a conversation makes its calls. */
export interface ConversationCalls {
  readonly stream: (request: StreamRequest, options: StreamOptions, ended: NonNullable<TurnParts["ended"]>) => Turn;
  readonly chat: (request: ChatRequest, options: ChatOptions) => Promise<ChatResponse>;
}

export class Conversation {
  readonly #calls: ConversationCalls;
  readonly #common: Omit<ConversationStart, "history">;
  #messages: readonly HistoryMessage[];
  #isTurnRunning = false;

  constructor(calls: ConversationCalls, { history = [], ...common }: ConversationStart) {
    this.#calls = calls;
    this.#common = common;
    this.#messages = history.map((message) => create(HistoryMessageSchema, message));
  }

  /**
   * What was said, oldest first: at most 400 messages and 4 MiB of text, beyond which the oldest pairs are dropped. A
   * turn is added when it has ended under status OK; one that failed or was cancelled adds nothing, and so does an answer
   * without text (its structured output counts as text), which no history can hold.
   */
  get messages(): readonly HistoryMessage[] {
    return this.#messages;
  }

  /** The next turn. It begins when it is read, and the one before has to be over by then: read or cancelled. */
  stream(prompt: string, options: StreamOptions = {}): Turn {
    this.#enter();
    const request = { ...this.#common, prompt, history: [...this.#messages] };
    return this.#calls.stream(request, options, (turn, result) => {
      this.#isTurnRunning = false;
      // What a gap has swallowed is in the result.
      if (result !== undefined) this.#add(prompt, turn.hasGap ? result.text : turn.collectedText, result);
    });
  }

  /** The next turn in one call. */
  async chat(prompt: string, options: ChatOptions = {}): Promise<ChatResponse> {
    this.#enter();
    try {
      const { detail: _, ...common } = this.#common;
      const response = await this.#calls.chat({ ...common, prompt, history: [...this.#messages] }, options);
      this.#add(prompt, response.text, response.result);
      return response;
    } finally {
      this.#isTurnRunning = false;
    }
  }

  #enter(): void {
    if (this.#isTurnRunning) {
      throw new Error("the last turn of this conversation is not over: read it to its end, or cancel it");
    }
    this.#isTurnRunning = true;
  }

  #add(prompt: string, text: string, result: TurnResult | undefined): void {
    const answer = text.trim() === "" ? (result?.structuredOutputJson ?? "") : text;
    if (answer.trim() === "") return;
    const said = [
      create(HistoryMessageSchema, { role: Role.USER, text: prompt }),
      create(HistoryMessageSchema, { role: Role.ASSISTANT, text: answer }),
    ];
    this.#messages = withinLimits([...this.#messages, ...said]);
  }
}

function withinLimits(messages: readonly HistoryMessage[]): readonly HistoryMessage[] {
  const encoder = new TextEncoder();
  const sizes = messages.map(({ text }) => encoder.encode(text).length);
  let bytes = sizes.reduce((sum, size) => sum + size, 0);
  let dropped = 0;
  while (dropped < messages.length && (messages.length - dropped > maxMessageCount || bytes > maxTextBytes)) {
    bytes -= (sizes[dropped] ?? 0) + (sizes[dropped + 1] ?? 0);
    dropped += 2;
  }
  return messages.slice(dropped);
}
