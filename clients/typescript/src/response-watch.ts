/**
 * Knows whether a call over gRPC has begun: whether its response headers came. A refusal has none of its own, so behind
 * headers the turn runs, and must not be asked for again when the connection breaks. Connect tells of headers with the
 * answer only, which for a collected turn is at its end.
 *
 * For Node, where a session manager sees the streams.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import { ConnectError, type Interceptor } from "@connectrpc/connect";
import { Http2SessionManager } from "@connectrpc/connect-node";
import { forbidRetry } from "./retry.ts";

/** One attempt of a call. */
interface Attempt {
  hasBegun: boolean;
}

/** The attempt in whose course a stream is opened. */
const attempts = new AsyncLocalStorage<Attempt>();

export class WatchedSessionManager extends Http2SessionManager {
  override async request(...request: Parameters<Http2SessionManager["request"]>): Promise<ClientHttp2Stream> {
    const attempt = attempts.getStore();
    const stream = await super.request(...request);
    stream.once("response", (headers: IncomingHttpHeaders) => {
      if (attempt !== undefined && headers["grpc-status"] === undefined) attempt.hasBegun = true;
    });
    return stream;
  }
}

/** The innermost interceptor: failures of a call that had begun say that it must not be sent again. */
export const watchResponse: Interceptor = (next) => async (request) => {
  const attempt: Attempt = { hasBegun: false };
  const told = (error: unknown) => (attempt.hasBegun ? forbidRetry(ConnectError.from(error)) : error);
  try {
    const response = await attempts.run(attempt, () => next(request));
    return response.stream ? { ...response, message: failing(response.message, told) } : response;
  } catch (error) {
    throw told(error);
  }
};

/** The same messages; what they end with is told in another way. */
async function* failing<T>(messages: AsyncIterable<T>, told: (error: unknown) => unknown): AsyncGenerator<T, void> {
  try {
    yield* messages;
  } catch (error) {
    throw told(error);
  }
}
