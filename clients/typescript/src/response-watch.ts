/**
 * Knows how far a call over gRPC has come. Behind its response headers the turn runs, since a refusal has none of its own: it
 * must not be asked for again when the connection breaks. Connect tells of headers with the answer only, which for a
 * collected turn is at its end. A stream that was refused before them was not looked at: it may be.
 *
 * For Node, where a session manager sees the streams.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from "node:http2";
import { ConnectError, type Interceptor } from "@connectrpc/connect";
import { Http2SessionManager } from "@connectrpc/connect-node";
import { asUnprocessed, forbidRetry } from "./retry.ts";
import { turnIdHeader } from "./turn-id.ts";

/** One attempt of a call. */
interface Attempt {
  /** The response's headers, once they came. */
  headers: IncomingHttpHeaders | undefined;
  /** Its stream, once there is one. */
  stream: ClientHttp2Stream | undefined;
}

/** The attempt in whose course a stream is opened. */
const attempts = new AsyncLocalStorage<Attempt>();

export class WatchedSessionManager extends Http2SessionManager {
  override async request(...request: Parameters<Http2SessionManager["request"]>): Promise<ClientHttp2Stream> {
    const attempt = attempts.getStore();
    const stream = await super.request(...request);
    if (attempt !== undefined) {
      attempt.stream = stream;
      stream.once("response", (headers: IncomingHttpHeaders) => {
        attempt.headers = headers;
      });
    }
    return stream;
  }
}

/** The innermost interceptor: failures of a call say whether it may be sent again, and which turn it was. */
export const watchResponse: Interceptor = (next) => async (request) => {
  const attempt: Attempt = { headers: undefined, stream: undefined };
  const told = (error: unknown) => explained(ConnectError.from(error), attempt);
  try {
    const response = await attempts.run(attempt, () => next(request));
    return response.stream ? { ...response, message: failing(response.message, told) } : response;
  } catch (error) {
    throw told(error);
  }
};

function explained(error: ConnectError, { headers, stream }: Attempt): ConnectError {
  // Refused by the server, or by this side, which had not sent it yet when the server said that the connection ends.
  if (headers === undefined) return stream?.rstCode === constants.NGHTTP2_REFUSED_STREAM ? asUnprocessed(error) : error;
  if (headers["grpc-status"] !== undefined) return error;
  const turnId = headers[turnIdHeader];
  if (typeof turnId === "string") error.metadata.set(turnIdHeader, turnId);
  return forbidRetry(error);
}

/** The same messages; what they end with is told in another way. */
async function* failing<T>(messages: AsyncIterable<T>, told: (error: unknown) => unknown): AsyncGenerator<T, void> {
  try {
    yield* messages;
  } catch (error) {
    throw told(error);
  }
}
