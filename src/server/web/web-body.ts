/**
 * The bytes of a request on the web port as they arrive: counted, and given up when the call is over.
 */

import type { WebRequest } from "../calls/http-exchange.ts";
import type { RequestReading } from "../calls/request-bytes.ts";

export interface BodyOptions {
  readonly reading: RequestReading;
  /** Whether its bytes count as held until the message is decoded; a stream of messages holds one at a time. */
  readonly isCounted: boolean;
  readonly signal: AbortSignal;
}

/** Rejects with the signal's reason when the call is over, and with a RunnerError when too much is being read. */
export async function* bodyChunks(
  request: WebRequest,
  { reading, isCounted, signal }: BodyOptions,
): AsyncGenerator<Uint8Array, void> {
  // Whoever stops reading must not destroy the request: over HTTP/1.1 its socket would stay paused for ever.
  const chunks: AsyncIterator<Uint8Array> = request.iterator({ destroyOnReturn: false });
  // One listener for the whole body: a race against one promise would keep something of every chunk.
  let fail = (_: unknown) => {};
  const onAbort = () => fail(signal.reason);
  signal.addEventListener("abort", onAbort);
  try {
    for (;;) {
      signal.throwIfAborted();
      const chunk = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
        fail = reject;
        chunks.next().then(resolve, reject);
      });
      if (chunk.done) return;
      if (isCounted) reading.add(chunk.value.byteLength);
      yield chunk.value;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    void chunks.return?.()?.catch(() => {});
  }
}
