/**
 * The client of one server: turns, collected turns, conversations, and what the server tells about itself.
 *
 * Works on any Connect transport, in Node and in browsers: `@claude-runner/client/node` and `/web` make one.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  Code,
  type CallOptions as ConnectCallOptions,
  ConnectError,
  createClient,
  type Transport,
} from "@connectrpc/connect";
import { firstOf } from "./abort.ts";
import { Conversation, type ConversationStart } from "./conversation.ts";
import { ClaudeRunnerError } from "./error.ts";
import { type GetPoolRequestSchema, type GetPoolResponse, PoolService } from "./gen/claude/runner/v1/pool_pb.ts";
import {
  type ChatRequestSchema,
  type ChatResponse,
  ClaudeRunner,
  type GetInfoResponse,
  type StreamChatRequestSchema,
} from "./gen/claude/runner/v1/runner_pb.ts";
import { defaultRetryPolicy, type RetryPolicy } from "./retry.ts";
import { retryingTransport } from "./retrying-transport.ts";
import { Turn, type TurnParts } from "./turn.ts";

export interface ClientOptions {
  /**
   * How calls that the server had no room for are repeated: never once something of the response was seen, and when the
   * server says. Default `defaultRetryPolicy`; `false` switches it off.
   */
  readonly retry?: RetryPolicy | false;
  /** Told once when the client is closed, to close what the transport holds. */
  readonly onClose?: () => void;
}

/** What may be said about a single call. */
export interface CallOptions {
  /** Cancels the call. */
  readonly signal?: AbortSignal;
  /** The deadline, in milliseconds from now, retries included. Default: the server's own. */
  readonly timeoutMs?: number;
  /** Sent beside the token. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A prompt, or a request with all that can be asked for. */
export type StreamInput = string | MessageInitShape<typeof StreamChatRequestSchema>;
/** A prompt, or a request with all that can be asked for. */
export type ChatInput = string | MessageInitShape<typeof ChatRequestSchema>;

export class ClaudeRunnerClient implements Disposable {
  readonly #transport: Transport;
  readonly #onClose: () => void;
  readonly #closed = new AbortController();

  constructor(transport: Transport, { retry = defaultRetryPolicy, onClose = () => {} }: ClientOptions = {}) {
    this.#transport = retry === false ? transport : retryingTransport(transport, retry);
    this.#onClose = onClose;
  }

  /** A turn. It begins when it is read. */
  stream(input: StreamInput, options: CallOptions = {}): Turn {
    return this.#turn(input, options);
  }

  /** A whole turn in one call. An answer of more than 3 MiB fails with RESPONSE_TOO_LARGE: stream it. */
  chat(input: ChatInput, options: CallOptions = {}): Promise<ChatResponse> {
    const request = typeof input === "string" ? { prompt: input } : input;
    return this.#once(options, (called) => createClient(ClaudeRunner, this.#transport).chat(request, called));
  }

  /** What the server is, and which profiles, models and limits this caller may use. Costs nothing. */
  info(options: CallOptions = {}): Promise<GetInfoResponse> {
    return this.#once(options, (called) => createClient(ClaudeRunner, this.#transport).getInfo({}, called));
  }

  /** What the server's workers do now. */
  pool(
    request: MessageInitShape<typeof GetPoolRequestSchema> = {},
    options: CallOptions = {},
  ): Promise<GetPoolResponse> {
    return this.#once(options, (called) => createClient(PoolService, this.#transport).getPool(request, called));
  }

  /** A conversation whose turns know what was said before. It is kept here, not at the server. */
  conversation(start: ConversationStart = {}): Conversation {
    return new Conversation(
      {
        stream: (request, options, ended) => this.#turn(request, options, ended),
        chat: (request, options) => this.chat(request, options),
      },
      start,
    );
  }

  /** Cancels what is running and closes the connection. Later calls fail. Twice is fine. */
  close(): void {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort(new ConnectError("the client is closed", Code.Canceled));
    this.#onClose();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #turn(input: StreamInput, { signal, ...options }: CallOptions, ended?: TurnParts["ended"]): Turn {
    const request = typeof input === "string" ? { prompt: input } : input;
    return new Turn({
      open: (aborted) =>
        createClient(ClaudeRunner, this.#transport).streamChat(request, { ...options, signal: aborted }),
      signals: [this.#closed.signal, signal],
      ...(ended !== undefined && { ended }),
    });
  }

  async #once<T>({ signal, ...options }: CallOptions, call: (options: ConnectCallOptions) => Promise<T>): Promise<T> {
    const { abort, unlink } = firstOf([this.#closed.signal, signal]);
    try {
      abort.signal.throwIfAborted();
      return await call({ ...options, signal: abort.signal });
    } catch (error) {
      throw ClaudeRunnerError.from(error);
    } finally {
      unlink();
    }
  }
}
