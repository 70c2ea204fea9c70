/**
 * How a client makes its calls: until it is closed, and with failures of one type.
 */
import {
  type Client,
  Code,
  type CallOptions as ConnectCallOptions,
  ConnectError,
  createClient,
  type Transport,
} from "@connectrpc/connect";
import { firstOf } from "./abort.ts";
import type { CallOptions } from "./call-options.ts";
import { ClaudeRunnerError } from "./error.ts";
import { PoolService } from "./gen/claude/runner/v1/pool_pb.ts";
import { ClaudeRunner } from "./gen/claude/runner/v1/runner_pb.ts";
import { SessionService } from "./gen/claude/runner/v1/session_pb.ts";
import { TurnService } from "./gen/claude/runner/v1/turn_pb.ts";
import type { RetryPolicy } from "./retry.ts";
import { retryingTransport } from "./retrying-transport.ts";

export class Calls {
  readonly runner: Client<typeof ClaudeRunner>;
  readonly sessions: Client<typeof SessionService>;
  readonly turns: Client<typeof TurnService>;
  readonly pool: Client<typeof PoolService>;
  /** Without retry: what is created, copied or deleted twice is something else. */
  readonly sessionsOnce: Client<typeof SessionService>;
  /** Without retry, for those who try again by themselves. */
  readonly turnsOnce: Client<typeof TurnService>;
  readonly #closed = new AbortController();
  /** What is under way and has to get through before the connection closes. */
  readonly #leaving = new Set<Promise<unknown>>();
  readonly #onClose: () => void;

  constructor(transport: Transport, retry: RetryPolicy | false, onClose: () => void) {
    const retrying = retry === false ? transport : retryingTransport(transport, retry);
    this.runner = createClient(ClaudeRunner, retrying);
    this.sessions = createClient(SessionService, retrying);
    this.sessionsOnce = createClient(SessionService, transport);
    this.turns = createClient(TurnService, retrying);
    this.pool = createClient(PoolService, retrying);
    this.turnsOnce = createClient(TurnService, transport);
    this.#onClose = onClose;
  }

  /** Aborted when the client is closed. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** Makes a call with one answer. */
  async once<T>({ signal, ...options }: CallOptions, call: (options: ConnectCallOptions) => Promise<T>): Promise<T> {
    const { abort, unlink } = firstOf([this.closed, signal]);
    try {
      abort.signal.throwIfAborted();
      return await call({ ...options, signal: abort.signal });
    } catch (error) {
      throw ClaudeRunnerError.from(error);
    } finally {
      unlink();
    }
  }

  /** Keeps the connection open until this is over, also when the client is closed. */
  async beforeClosing<T>(leaving: Promise<T>): Promise<T> {
    this.#leaving.add(leaving);
    try {
      return await leaving;
    } finally {
      this.#leaving.delete(leaving);
    }
  }

  /** Ends all calls, and the connection once what they leave at the server is ended too. Twice is fine. */
  close(): void {
    if (this.closed.aborted) return;
    this.#closed.abort(new ConnectError("the client is closed", Code.Canceled));
    if (this.#leaving.size === 0) this.#onClose();
    else void Promise.allSettled(this.#leaving).then(() => this.#onClose());
  }
}
