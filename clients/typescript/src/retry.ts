/**
 * Whether a refused call is sent again, and after how long. Decides only; `retrying-transport.ts` does it.
 *
 * The rules are those that gRPC runtimes have built in, which Connect has not: https://github.com/grpc/proposal/blob/master/A6-client-retries.md.
 */
import { Code, ConnectError } from "@connectrpc/connect";

export interface RetryPolicy {
  /** How often a call is sent, the first time included. Default 4. */
  readonly maxAttempts: number;
  /** The wait before the second attempt, in milliseconds, give or take a fifth. Default 200. It doubles each time. */
  readonly initialBackoffMs: number;
  /** The longest wait that is our own choice, in milliseconds. Default 10 000. */
  readonly maxBackoffMs: number;
}

export const defaultRetryPolicy: RetryPolicy = { maxAttempts: 4, initialBackoffMs: 200, maxBackoffMs: 10_000 };

/** What the server says about a retry. */
export type Pushback =
  /** Nothing: the policy decides. */
  | { readonly kind: "unsaid" }
  /** Exactly then, in milliseconds from now. */
  | { readonly kind: "after"; readonly waitMs: number }
  | { readonly kind: "never" };

const pushbackHeader = "grpc-retry-pushback-ms";
/** The largest wait that can be said. */
const maxWaitMs = 2 ** 31 - 1;

/** A number from 0 is a wait; anything else, a negative or an unreadable value, says not to retry. */
export function readPushback(metadata: Headers): Pushback {
  const text = metadata.get(pushbackHeader);
  if (text === null) return { kind: "unsaid" };
  const waitMs = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  return waitMs <= maxWaitMs ? { kind: "after", waitMs } : { kind: "never" };
}

/** Notes in the error of a call that had begun that it must not be sent again, unless the server itself says when. */
export function forbidRetry(error: ConnectError): ConnectError {
  if (!error.metadata.has(pushbackHeader)) error.metadata.set(pushbackHeader, "-1");
  return error;
}

/** Failures of calls that the server has not looked at, as the transport knows for sure. */
const unprocessed = new WeakSet<ConnectError>();

/** Notes that the server has not looked at a call, and will not: it may be sent again at once, whatever it is. */
export function asUnprocessed(error: ConnectError): ConnectError {
  const unavailable = new ConnectError(error.rawMessage, Code.Unavailable, error.metadata, undefined, error.cause);
  unprocessed.add(unavailable);
  return unavailable;
}

export function isUnprocessed(error: ConnectError): boolean {
  return unprocessed.has(error);
}

export interface FailedAttempt {
  readonly error: ConnectError;
  /** Which attempt it was, from 1. */
  readonly attempt: number;
  /** How many waits were our own choice since the server last said when. */
  readonly backoffCount: number;
  /**
   * Whether response headers had come. Over gRPC a refusal has none: behind headers the turn is running. Connect and
   * gRPC-Web send headers with refusals too, so there only the server's own word counts.
   */
  readonly sawHeaders: boolean;
  /** Milliseconds until the call's deadline; `undefined`: it has none. */
  readonly leftMs: number | undefined;
}

/** How long to wait before the next attempt, in milliseconds; `undefined`: there is none. `random` gives 0 to 1. */
export function retryWaitMs(policy: RetryPolicy, failed: FailedAttempt, random: () => number): number | undefined {
  const { error, attempt, backoffCount, sawHeaders, leftMs } = failed;
  // Once at once, as gRPC has it: a connection that is closed for good is not to keep anybody.
  if (isUnprocessed(error) && attempt === 1) return 0;
  if (error.code !== Code.Unavailable || attempt >= policy.maxAttempts) return undefined;
  const pushback = readPushback(error.metadata);
  if (pushback.kind === "never" || (pushback.kind === "unsaid" && sawHeaders)) return undefined;
  const waitMs =
    pushback.kind === "after"
      ? pushback.waitMs
      : Math.min(policy.initialBackoffMs * 2 ** backoffCount, policy.maxBackoffMs) * (0.8 + 0.4 * random());
  // A refusal that says when to come again tells more than a deadline that passed in waiting.
  return leftMs === undefined || waitMs < leftMs ? waitMs : undefined;
}

/**
 * Keeps a client from making an overloaded server's day worse: every failure that could be retried costs one of ten
 * tokens, every success gives back a tenth, and with half of them gone nothing is retried.
 */
export class RetryBudget {
  static readonly #maxTokens = 10;
  #tokens = RetryBudget.#maxTokens;

  succeeded(): void {
    this.#tokens = Math.min(RetryBudget.#maxTokens, this.#tokens + 0.1);
  }

  failed(): void {
    this.#tokens = Math.max(0, this.#tokens - 1);
  }

  get allowsRetry(): boolean {
    return this.#tokens > RetryBudget.#maxTokens / 2;
  }
}
