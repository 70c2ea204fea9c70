/**
 * A way to a server that breaks: a connection passes up to its cut and is closed in both directions then. What was said up
 * to there still arrives.
 *
 * The moment matters: before the response headers a client may send a call again, and behind them it must not, unless the
 * server knows the call by its `request_id`.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface CuttingProxy extends AsyncDisposable {
  /** `127.0.0.1:7433`: goes to the server. */
  readonly address: string;
  /** How many connections were cut so far. */
  readonly cutCount: number;
  /** Resolves at the first cut. */
  readonly firstCut: Promise<void>;
}

/**
 * Where a connection is cut: as soon as the server's response headers have passed, when the server has said so many bytes,
 * in the midst of a frame or not, or nowhere.
 */
export type Cut = "headers" | "nowhere" | number;

const frameHeadBytes = 9;
const headersFrame = 0x01;

/** Leads to an HTTP/2 server without TLS on loopback. `cuts`: of the first connections; `otherwise`: of all others. */
export async function openCuttingProxy(
  serverPort: number,
  cuts: readonly Cut[] = [],
  otherwise: Cut = cuts.length === 0 ? "headers" : "nowhere",
): Promise<CuttingProxy> {
  const open = new Set<Socket>();
  let connectionCount = 0;
  let cutCount = 0;
  const firstCut = Promise.withResolvers<void>();
  const listener = createServer((caller) => {
    const cut = cuts[connectionCount] ?? otherwise;
    connectionCount += 1;
    const server = connect(serverPort, "127.0.0.1");
    for (const socket of [caller, server]) {
      open.add(socket);
      socket.on("error", () => {}); // told by its close
      socket.on("close", () => open.delete(socket));
    }
    caller.on("close", () => server.destroy());
    server.on("close", () => caller.end());
    caller.pipe(server);
    const passes = passingUpTo(cut);
    server.on("data", (chunk: Buffer) => {
      const passed = passes(chunk);
      if (passed === undefined) {
        caller.write(chunk);
        return;
      }
      cutCount += 1;
      firstCut.resolve();
      server.destroy();
      // Read on, since a socket that is closed with something unread takes back what it has sent.
      caller.unpipe(server).resume();
      caller.end(passed);
    });
  });
  await once(listener.listen(0, "127.0.0.1"), "listening");
  return {
    address: `127.0.0.1:${(listener.address() as AddressInfo).port}`,
    get cutCount() {
      return cutCount;
    },
    firstCut: firstCut.promise,
    async [Symbol.asyncDispose]() {
      const closed = once(listener, "close");
      listener.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

/** Given what a server says piece by piece: `undefined` as long as all of it passes, then what of the last piece does. */
function passingUpTo(cut: Cut): (chunk: Buffer) => Buffer | undefined {
  switch (cut) {
    case "nowhere":
      return () => undefined;
    case "headers": {
      let said = Buffer.alloc(0);
      return (chunk) => {
        said = Buffer.concat([said, chunk]);
        return holdsHeaders(said) ? chunk : undefined;
      };
    }
    default: {
      let leftBytes = cut;
      return (chunk) => {
        if (chunk.length < leftBytes) {
          leftBytes -= chunk.length;
          return undefined;
        }
        return chunk.subarray(0, leftBytes);
      };
    }
  }
}

/** Whether a whole HEADERS frame is among them. What a server says is frames from its first byte. */
function holdsHeaders(bytes: Buffer): boolean {
  for (let at = 0; at + frameHeadBytes <= bytes.length; ) {
    const end = at + frameHeadBytes + bytes.readUIntBE(at, 3);
    if (bytes[at + 3] === headersFrame) return end <= bytes.length;
    at = end;
  }
  return false;
}
