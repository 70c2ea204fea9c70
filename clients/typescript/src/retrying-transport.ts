/**
 * A transport that sends refused calls again, as the policy says. Everything else passes through unchanged.
 */

import type { DescMessage, DescMethodStreaming, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type StreamResponse, type Transport, type UnaryResponse } from "@connectrpc/connect";
import { isUnprocessed, RetryBudget, type RetryPolicy, readPushback, retryWaitMs } from "./retry.ts";
import { noteHeaders } from "./turn-id.ts";

type SentHeaders = Parameters<Transport["unary"]>[3];
type SentContext = Parameters<Transport["unary"]>[5];

/** What an attempt came to. */
type Attempted<T> =
  | { readonly kind: "answered"; readonly answer: T }
  | { readonly kind: "failed"; readonly error: ConnectError; readonly sawHeaders: boolean };

/** Retries for unary calls and for streams of answers; the caller's deadline and signal bound all attempts together. */
export function retryingTransport(transport: Transport, policy: RetryPolicy): Transport {
  const budget = new RetryBudget();

  async function insist<T>(
    attempt: (timeoutMs: number | undefined) => Promise<Attempted<T>>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
  ): Promise<T> {
    const endsAtMs = timeoutMs === undefined ? undefined : performance.now() + timeoutMs;
    let backoffCount = 0;
    for (let count = 1; ; count += 1) {
      const attempted = await attempt(endsAtMs === undefined ? undefined : wholeMs(endsAtMs - performance.now()));
      if (attempted.kind === "answered") {
        budget.succeeded();
        return attempted.answer;
      }
      const { error, sawHeaders } = attempted;
      const leftMs = endsAtMs === undefined ? undefined : endsAtMs - performance.now();
      // One that the server has not looked at does not say that it has no room.
      const isRefused = error.code === Code.Unavailable && !isUnprocessed(error);
      if (isRefused) budget.failed();
      const failed = { error, attempt: count, backoffCount, sawHeaders, leftMs };
      const waitMs = !isRefused || budget.allowsRetry ? retryWaitMs(policy, failed, Math.random) : undefined;
      if (waitMs === undefined) throw error;
      backoffCount = readPushback(error.metadata).kind === "after" ? 0 : backoffCount + 1;
      await waited(waitMs, signal);
    }
  }

  return {
    unary<I extends DescMessage, O extends DescMessage>(
      method: DescMethodUnary<I, O>,
      signal: AbortSignal | undefined,
      timeoutMs: number | undefined,
      header: SentHeaders,
      input: MessageInitShape<I>,
      contextValues: SentContext,
    ): Promise<UnaryResponse<I, O>> {
      const attempt = async (leftMs: number | undefined): Promise<Attempted<UnaryResponse<I, O>>> => {
        try {
          const answer = await transport.unary(method, signal, leftMs, header, input, contextValues);
          return { kind: "answered", answer };
        } catch (error) {
          return { kind: "failed", error: ConnectError.from(error), sawHeaders: false };
        }
      };
      return insist(attempt, signal, timeoutMs);
    },

    async stream<I extends DescMessage, O extends DescMessage>(
      method: DescMethodStreaming<I, O>,
      signal: AbortSignal | undefined,
      timeoutMs: number | undefined,
      header: SentHeaders,
      input: AsyncIterable<MessageInitShape<I>>,
      contextValues: SentContext,
    ): Promise<StreamResponse<I, O>> {
      if (method.methodKind !== "server_streaming") {
        return transport.stream(method, signal, timeoutMs, header, input, contextValues);
      }
      // Read once, sent as often as needed.
      const requests = await Array.fromAsync(input);
      const attempt = async (leftMs: number | undefined): Promise<Attempted<StreamResponse<I, O>>> => {
        let sawHeaders = false;
        try {
          const response = await transport.stream(method, signal, leftMs, header, replayed(requests), contextValues);
          sawHeaders = true;
          noteHeaders(response.header, contextValues);
          return { kind: "answered", answer: { ...response, message: await begun(response.message) } };
        } catch (error) {
          return { kind: "failed", error: ConnectError.from(error), sawHeaders };
        }
      };
      return insist(attempt, signal, timeoutMs);
    },
  };
}

/** What a deadline is sent as: servers take no fraction, and nothing for no deadline. */
function wholeMs(leftMs: number): number {
  return Math.max(1, Math.ceil(leftMs));
}

async function* replayed<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

/** The same stream, once its first message or its good end is there. Throws what it fails with before. */
async function begun<T>(messages: AsyncIterable<T>): Promise<AsyncIterable<T>> {
  const iterator = messages[Symbol.asyncIterator]();
  let first: IteratorResult<T> | undefined = await iterator.next();
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        const next = first ?? (await iterator.next());
        first = undefined;
        return next;
      },
    }),
  };
}

/** Ends early, and throws, when the caller does not want the call any more. */
function waited(waitMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const give = () => {
      clearTimeout(timer);
      reject(ConnectError.from(signal?.reason, Code.Canceled));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", give);
      resolve();
    }, waitMs);
    if (signal?.aborted) give();
    else signal?.addEventListener("abort", give, { once: true });
  });
}
