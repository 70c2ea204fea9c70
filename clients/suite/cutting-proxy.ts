/**
 * A way to a server that breaks as soon as a call has begun: connections pass until the server's response headers have, and
 * are closed in both directions then. What was said up to there still arrives.
 *
 * The moment matters: before the headers a client may send a call again, and behind them it must not.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface CuttingProxy extends AsyncDisposable {
  /** `127.0.0.1:7433`: goes to the server. */
  readonly address: string;
  /** How many connections were cut so far. */
  readonly cutCount: number;
}

const frameHeadBytes = 9;
const headersFrame = 0x01;

/** Leads to an HTTP/2 server without TLS on loopback. */
export async function openCuttingProxy(serverPort: number): Promise<CuttingProxy> {
  const open = new Set<Socket>();
  let cutCount = 0;
  const listener = createServer((caller) => {
    const server = connect(serverPort, "127.0.0.1");
    for (const socket of [caller, server]) {
      open.add(socket);
      socket.on("error", () => {}); // told by its close
      socket.on("close", () => open.delete(socket));
    }
    caller.on("close", () => server.destroy());
    server.on("close", () => caller.end());
    caller.pipe(server);
    let said = Buffer.alloc(0);
    server.on("data", (chunk: Buffer) => {
      said = Buffer.concat([said, chunk]);
      if (!holdsHeaders(said)) {
        caller.write(chunk);
        return;
      }
      cutCount += 1;
      server.destroy();
      // Read on, since a socket that is closed with something unread takes back what it has sent.
      caller.unpipe(server).resume();
      caller.end(chunk);
    });
  });
  await once(listener.listen(0, "127.0.0.1"), "listening");
  return {
    address: `127.0.0.1:${(listener.address() as AddressInfo).port}`,
    get cutCount() {
      return cutCount;
    },
    async [Symbol.asyncDispose]() {
      const closed = once(listener, "close");
      listener.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
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
