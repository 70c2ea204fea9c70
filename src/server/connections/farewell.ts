/**
 * The end of an HTTP/2 connection that costs no call: GOAWAY twice, as the protocol has it.
 *
 * The first one names no last stream. A call that the client has sent by then, and a round trip later every one that it
 * could send before it knew, is still served. The second one names the last of them; when they have ended, so does the
 * connection. Node's `close` alone is the second one: what is on its way meanwhile is dropped, and not every client
 * sends such a call again.
 */
import { constants, type ServerHttp2Session } from "node:http2";
import type { Clock } from "../../clock.ts";

/** The highest number that a client's stream can have. */
const noLastStream = 2 ** 31 - 1;
/** How long the answer to the ping between the two may take, in milliseconds. */
const roundTripTimeoutMs = 5_000;

/** Says it, and resolves when the connection takes no further calls. */
export function sayFarewell(session: ServerHttp2Session, clock: Clock): Promise<void> {
  if (session.destroyed || session.closed) return Promise.resolve();
  return new Promise((resolve) => {
    const close = () => {
      cancelTimer();
      if (!session.destroyed) session.close();
      resolve();
    };
    const cancelTimer = clock.after(roundTripTimeoutMs, close);
    session.once("close", close);
    session.goaway(constants.NGHTTP2_NO_ERROR, noLastStream);
    // Too many pings are unanswered already: there is no round trip to wait for.
    if (!session.ping(close)) close();
  });
}
