/**
 * A wire that can be cut: relays TCP connections to a port, and breaks them after so many bytes of the answer, wherever
 * in a frame that is.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export class CuttingRelay implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** What may still come from the server before the wire breaks; `undefined`: it holds. */
  #leftBytes: number | undefined;
  #cutCount = 0;

  /** A relay to a port of this machine. */
  static async open(port: number): Promise<CuttingRelay> {
    const relay = new CuttingRelay(port);
    relay.#server.listen(0, "127.0.0.1");
    await once(relay.#server, "listening");
    return relay;
  }

  private constructor(port: number) {
    this.#server = createServer((near) => this.#relay(near, connect(port, "127.0.0.1")));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** How often it broke. */
  get cutCount(): number {
    return this.#cutCount;
  }

  /** Breaks every connection once so many more bytes have come from the server. */
  cutAfter(bytes: number): void {
    this.#leftBytes = bytes;
  }

  /** Holds from now on. */
  hold(): void {
    this.#leftBytes = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#breakAll();
    this.#server.close();
    await once(this.#server, "close");
  }

  #relay(near: Socket, far: Socket): void {
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => {}); // `close` follows
      socket.once("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    near.pipe(far);
    far.on("data", (chunk: Buffer) => {
      const left = this.#leftBytes;
      if (left === undefined || chunk.length < left) {
        if (left !== undefined) this.#leftBytes = left - chunk.length;
        if (near.write(chunk)) return;
        far.pause();
        near.once("drain", () => far.resume());
        return;
      }
      this.hold();
      this.#cutCount += 1;
      // What was sent before the break arrives; the rest never does.
      near.write(chunk.subarray(0, left), () => this.#breakAll());
    });
    far.once("end", () => near.end());
  }

  #breakAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
