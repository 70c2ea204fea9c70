/**
 * The client of one server: turns, collected turns, conversations, sessions, and what the server tells about itself.
 *
 * Works on any Connect transport, in Node and in browsers: `@claude-runner/client/node` and `/web` make one.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import type { CallOptions, ChatOptions, StreamOptions } from "./call-options.ts";
import { Calls } from "./calls.ts";
import { continuing } from "./continuing.ts";
import { Conversation, type ConversationStart } from "./conversation.ts";
import { ClaudeRunnerError } from "./error.ts";
import type { GetPoolRequestSchema, GetPoolResponse } from "./gen/claude/runner/v1/pool_pb.ts";
import type {
  ChatRequestSchema,
  ChatResponse,
  Detail,
  GetInfoResponse,
  StreamChatRequestSchema,
} from "./gen/claude/runner/v1/runner_pb.ts";
import type {
  CreateSessionRequestSchema,
  ListSessionsRequestSchema,
  Session as SessionRecord,
} from "./gen/claude/runner/v1/session_pb.ts";
import type {
  GetTurnResponse,
  InterruptTurnResponse,
  ListTurnsRequestSchema,
  Turn as TurnRecord,
  TurnView,
} from "./gen/claude/runner/v1/turn_pb.ts";
import { chatAgain } from "./idempotent-chat.ts";
import { sessionPages, turnPages } from "./lists.ts";
import { type RejoiningTurn, rejoiningEvents } from "./rejoining-turn.ts";
import { defaultRetryPolicy, type RetryPolicy } from "./retry.ts";
import { Session, type SessionOptions, there } from "./session.ts";
import { Turn, type TurnParts } from "./turn.ts";
import { naming } from "./turn-id.ts";
import { named, type TurnName } from "./turn-name.ts";

export interface ClientOptions {
  /**
   * How calls that the server had no room for are repeated: never once something of the response was seen, and when the
   * server says. Default `defaultRetryPolicy`; `false` switches it off.
   */
  readonly retry?: RetryPolicy | false;
  /** Told once when the client is closed, to close what the transport holds. */
  readonly onClose?: () => void;
}

/** A prompt, or a request with all that can be asked for. */
export type StreamInput = string | MessageInitShape<typeof StreamChatRequestSchema>;
/** A prompt, or a request with all that can be asked for. */
export type ChatInput = string | MessageInitShape<typeof ChatRequestSchema>;

/** From where on a turn is read, and how much of it. */
export interface AttachOptions extends CallOptions {
  /** The last event that the caller has: the next one comes first. Default 0: from the beginning. */
  readonly afterSequence?: number;
  /** Default: all that was recorded. */
  readonly detail?: Detail;
}

export class ClaudeRunnerClient implements Disposable {
  readonly #calls: Calls;

  constructor(transport: Transport, { retry = defaultRetryPolicy, onClose = () => {} }: ClientOptions = {}) {
    this.#calls = new Calls(transport, retry, onClose);
  }

  /** A turn. It begins when it is read. */
  stream(input: StreamInput, options: StreamOptions = {}): Turn {
    return this.#turn(input, options);
  }

  /** A whole turn in one call. An answer of more than 3 MiB fails with RESPONSE_TOO_LARGE: stream it. */
  async chat(input: ChatInput, { idempotent = false, ...options }: ChatOptions = {}): Promise<ChatResponse> {
    const request = typeof input === "string" ? { prompt: input } : input;
    const calls = this.#calls;
    if (!idempotent) return calls.once(options, (called) => calls.runner.chat(request, called));
    try {
      return await calls.beforeClosing(chatAgain(continuing(request), calls, options));
    } catch (error) {
      throw ClaudeRunnerError.from(error);
    }
  }

  /** What the server is, and which profiles, models and limits this caller may use. Costs nothing. */
  info(options: CallOptions = {}): Promise<GetInfoResponse> {
    return this.#calls.once(options, (called) => this.#calls.runner.getInfo({}, called));
  }

  /** What the server's workers do now. */
  pool(
    request: MessageInitShape<typeof GetPoolRequestSchema> = {},
    options: CallOptions = {},
  ): Promise<GetPoolResponse> {
    return this.#calls.once(options, (called) => this.#calls.pool.getPool(request, called));
  }

  /** A conversation whose turns know what was said before. It is kept here, not at the server. */
  conversation(start: ConversationStart = {}): Conversation {
    return new Conversation(
      {
        stream: (request, options, ended) => this.#turn(request, options, { ended }),
        chat: (request, options) => this.chat(request, options),
      },
      start,
    );
  }

  /** A handle of a conversation that the server keeps. Nothing is sent; the session need not be there yet. */
  session(id: string, options: SessionOptions = {}): Session {
    return new Session(
      id,
      {
        calls: this.#calls,
        stream: (request, called, begun) => this.#turn(request, called, { begun }),
        chat: (request, called) => this.chat(request, called),
      },
      options,
    );
  }

  /** Creates an empty session; `session` with its id goes on with it. */
  async createSession(
    request: MessageInitShape<typeof CreateSessionRequestSchema> = {},
    options: CallOptions = {},
  ): Promise<SessionRecord> {
    const { session } = await this.#calls.once(options, (called) =>
      this.#calls.sessionsOnce.createSession(request, called),
    );
    return there(session);
  }

  /** All sessions that the request asks for, page by page, the one that changed last first. The deadline is each page's. */
  sessions(
    request: MessageInitShape<typeof ListSessionsRequestSchema> = {},
    options: CallOptions = {},
  ): AsyncIterable<SessionRecord> {
    return sessionPages(this.#calls, request, options);
  }

  /**
   * All turns that the request asks for, page by page: those of a session from its first turn on, all others the newest
   * first. The deadline is that of each page.
   */
  turns(
    request: MessageInitShape<typeof ListTurnsRequestSchema> = {},
    options: CallOptions = {},
  ): AsyncIterable<TurnRecord> {
    return turnPages(this.#calls, request, options);
  }

  /** How far a turn has come, what came of it and what it cost; with TURN_VIEW_FULL also what was said. */
  getTurn(
    turn: TurnName,
    { view, ...options }: CallOptions & { readonly view?: TurnView } = {},
  ): Promise<GetTurnResponse> {
    const request = { turn: named(turn), ...(view !== undefined && { view }) };
    return this.#calls.once(options, (called) => this.#calls.turns.getTurn(request, called));
  }

  /** Stops a turn, whoever began it. Resolves when it has ended. */
  interruptTurn(turnId: string, options: CallOptions = {}): Promise<InterruptTurnResponse> {
    return this.#calls.once(options, (called) => this.#calls.turns.interruptTurn({ turnId }, called));
  }

  /**
   * Reads a turn that runs or has run. It is read like a turn of one's own, ends like one, and is rejoined when its connection
   * breaks. But leaving or cancelling it stops the reading only, not the turn.
   */
  attach(turn: TurnName, { afterSequence = 0, detail, ...options }: AttachOptions = {}): Turn {
    const attach = { turn: named(turn), afterSequence, ...(detail !== undefined && { detail }) };
    return this.#rejoining({ attach }, options);
  }

  /**
   * Cancels what is running and closes the connection. Later calls fail. Turns that would go on without their callers are
   * interrupted first, in the background and within 5 seconds. Twice is fine.
   */
  close(): void {
    this.#calls.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #turn(input: StreamInput, { rejoin = false, ...options }: StreamOptions, told: Told = {}): Turn {
    const request = typeof input === "string" ? { prompt: input } : input;
    if (rejoin) return this.#rejoining({ begin: continuing(request) }, options, told);
    const { signal, ...called } = options;
    return new Turn({
      open: (aborted, isNamed) =>
        this.#calls.runner.streamChat(request, { ...called, ...naming(isNamed), signal: aborted }),
      signals: [this.#calls.closed, signal],
      ...told,
    });
  }

  #rejoining(turn: RejoiningTurn, { signal, ...options }: CallOptions, told: Told = {}): Turn {
    const parts = { calls: this.#calls, options };
    return new Turn({
      open: (aborted, isNamed) => rejoiningEvents(turn, parts, aborted, isNamed),
      signals: [this.#calls.closed, signal],
      ...told,
    });
  }
}

/** Who is told of a turn. */
type Told = Pick<TurnParts, "begun" | "ended">;
