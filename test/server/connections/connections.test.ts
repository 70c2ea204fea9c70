import { EventEmitter } from "node:events";
import type { ServerHttp2Session } from "node:http2";
import type { Server, Socket } from "node:net";
import { setImmediate as nextTask } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { TrustedProxies } from "../../../src/policy/addresses.ts";
import { Connections } from "../../../src/server/connections/connections.ts";
import { FakeClock } from "../../fake-clock.ts";

class FakeSocket extends EventEmitter {
  static lastPort = 1024;
  readonly localAddress = "127.0.0.1";
  readonly remotePort = ++FakeSocket.lastPort;
  destroyed = false;
  readonly remoteAddress: string;
  constructor(remoteAddress: string) {
    super();
    this.remoteAddress = remoteAddress;
  }
  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.emit("close");
  }
}

function setUp({ maxCount = 20, proxies = [] as string[] } = {}) {
  const clock = new FakeClock();
  const logged: object[] = [];
  const connections = new Connections({
    maxCount,
    anonymousIdleTimeoutMs: 20_000,
    proxies: new TrustedProxies(proxies, "x-forwarded-for"),
    clock,
    log: { info() {}, error() {}, warn: (fields: object) => void logged.push(fields) },
    portName: "grpc",
  });
  const server = new EventEmitter();
  connections.guard(server as unknown as Server);
  const open = (address: string) => {
    const socket = new FakeSocket(address);
    server.emit("connection", socket as unknown as Socket);
    return socket;
  };
  const busy = (address: string) => {
    const socket = open(address);
    connections.of(socket).began();
    return socket;
  };
  const alive = (sockets: readonly FakeSocket[]) => sockets.filter(({ destroyed }) => !destroyed).length;
  return { clock, connections, logged, open, busy, alive };
}

const times = <T>(count: number, make: (at: number) => T) => Array.from({ length: count }, (_, at) => make(at));

describe("the connections of one address", () => {
  it("are at most as many as are left free for others", () => {
    const { busy, alive } = setUp();
    expect(alive(times(30, () => busy("192.0.2.1")))).toBe(10);
    expect(alive(times(30, () => busy("192.0.2.2")))).toBe(5);
    expect(busy("192.0.2.3").destroyed).toBe(false);
  });

  it("are counted by /64 for IPv6", () => {
    const { busy, alive } = setUp();
    expect(alive(times(30, (at) => busy(`2001:db8::${at + 1}`)))).toBe(10);
    expect(busy("2001:db8:0:1::1").destroyed).toBe(false);
  });

  it("are free again as soon as they have ended", () => {
    const { busy, alive } = setUp();
    for (let round = 0; round < 5; round += 1) {
      const sockets = times(10, () => busy("192.0.2.1"));
      expect(alive(sockets)).toBe(10);
      for (const socket of sockets) socket.destroy();
    }
  });

  it("make way for a new one, the one that has rested longest first, unless they work or have shown a token", () => {
    const { connections, open } = setUp();
    const sockets = times(10, () => open("192.0.2.1"));
    connections.of(sockets[0]!).began();
    connections.of(sockets[1]!).authenticated();
    connections.of(sockets[2]!).began()(); // rests since just now
    for (let more = 0; more < 7; more += 1) expect(open("192.0.2.1").destroyed).toBe(false);
    expect(sockets.map(({ destroyed }) => destroyed)).toEqual([false, false, false, ...Array(7).fill(true)]);
    expect(open("192.0.2.1").destroyed).toBe(false);
    expect(sockets[2]?.destroyed).toBe(true);
  });

  it("are told of in the log, once in a while and not once each", async () => {
    const { clock, logged, busy } = setUp();
    times(30, () => busy("192.0.2.1"));
    expect(logged).toEqual([{ port: "grpc", address: "192.0.2.1", refusedCount: 1, limit: 10, maxPerPort: 20 }]);
    await clock.advance(60_000);
    busy("192.0.2.1");
    expect(logged.at(-1)).toMatchObject({ refusedCount: 21 });
  });
});

describe("silent connections of many addresses", () => {
  it("keep nobody out: the one that has rested longest makes way", () => {
    const { open, alive } = setUp();
    const silent = times(400, (at) => open(`198.51.${at >> 8}.${at & 255}`));
    expect(alive(silent)).toBeLessThanOrEqual(20);
    const honest = open("192.0.2.1");
    expect(honest.destroyed).toBe(false);
  });
});

describe("a proxy of the settings", () => {
  it("holds as many connections as there are, may rest, and speaks for those whom it forwards", async () => {
    const { clock, connections, open, alive } = setUp({ proxies: ["10.0.0.0/8"] });
    const sockets = times(30, () => open("10.0.0.1"));
    expect(alive(sockets)).toBe(20);
    await clock.advance(3_600_000);
    expect(alive(sockets)).toBe(20);
    expect(connections.of(sockets[0]!).clientOf(() => "198.51.100.9, 2001:db8::7")).toBe("2001:db8:0:0::/64");
    expect(connections.of(sockets[0]!).clientOf(() => undefined)).toBe("10.0.0.1");
  });

  it("is anybody, when it is not named", () => {
    const { connections, open } = setUp();
    expect(connections.of(open("10.0.0.1")).clientOf(() => "192.0.2.1")).toBe("10.0.0.1");
  });
});

describe("a connection on which no call has shown a token", () => {
  it("ends when it has done nothing for the idle limit", async () => {
    const { clock, open } = setUp();
    const socket = open("192.0.2.1");
    await clock.advance(19_999);
    expect(socket.destroyed).toBe(false);
    await clock.advance(1);
    expect(socket.destroyed).toBe(true);
  });

  it("stays while a health watch is open, and for the idle limit after each check", async () => {
    const { clock, connections, open } = setUp();
    const socket = open("192.0.2.1");
    const watchIsOver = connections.of(socket).began();
    await clock.advance(100_000);
    watchIsOver();
    watchIsOver();
    for (let check = 0; check < 5; check += 1) {
      await clock.advance(15_000);
      connections.of(socket).began()();
    }
    expect(socket.destroyed).toBe(false);
    await clock.advance(20_000);
    expect(socket.destroyed).toBe(true);
  });

  it("is told so over HTTP/2, for a client that is about to call, and cut off when that does not help", async () => {
    const { clock, connections, open } = setUp();
    const socket = open("192.0.2.1");
    const session = {
      socket,
      destroyed: false,
      isClosed: false,
      close() {
        this.isClosed = true;
      },
    };
    connections.speaksHttp2(session as unknown as ServerHttp2Session);
    await clock.advance(20_000);
    expect([session.isClosed, socket.destroyed]).toEqual([true, false]);
    await clock.advance(1_000);
    expect(socket.destroyed).toBe(true);
  });

  it("may rest for ever once one has", async () => {
    const { clock, connections, open } = setUp();
    const socket = open("192.0.2.1");
    const isOver = connections.of(socket).began();
    connections.of(socket).authenticated();
    isOver();
    await clock.advance(3_600_000);
    expect(socket.destroyed).toBe(false);
  });
});

describe("the connections of a port that accepts no more", () => {
  class FakeSession extends EventEmitter {
    readonly socket: FakeSocket;
    destroyed = false;
    closed = false;
    constructor(socket: FakeSocket) {
      super();
      this.socket = socket;
    }
    goaway(): void {}
    ping(answered: () => void): boolean {
      this.once("pong", answered);
      return true;
    }
    close(): void {
      this.closed = true;
    }
  }
  const speakHttp2 = (connections: Connections, socket: FakeSocket) => {
    const session = new FakeSession(socket);
    connections.speaksHttp2(session as unknown as ServerHttp2Session);
    return session;
  };
  /** Whether a promise is settled by now. */
  const watch = (promise: Promise<void>) => {
    let isSettled = false;
    void promise.then(() => {
      isSettled = true;
    });
    return async () => {
      await nextTask();
      return isSettled;
    };
  };

  it("may bring calls until HTTP/2 has said farewell, and over HTTP/1.1 until they end", async () => {
    const { connections, open } = setUp();
    const session = speakHttp2(connections, open("192.0.2.1"));
    const idle = open("192.0.2.2");
    const asking = open("192.0.2.3");
    const isRetired = watch(connections.retire());
    expect(await isRetired()).toBe(false);
    session.emit("pong");
    idle.destroy();
    expect(await isRetired()).toBe(false);
    connections.of(asking).began()();
    expect(await isRetired()).toBe(false);
    asking.destroy();
    expect(await isRetired()).toBe(true);
  });

  it("are asked as well when they were accepted a moment before", async () => {
    const { connections, open } = setUp();
    const socket = open("192.0.2.1");
    const isRetired = watch(connections.retire());
    const session = speakHttp2(connections, socket);
    session.emit("pong");
    expect(await isRetired()).toBe(true);
    expect(session.closed).toBe(true);
  });

  it("are idle when the last call is over", async () => {
    const { connections, open } = setUp();
    const [one, other] = ["192.0.2.1", "192.0.2.2"].map((address) => connections.of(open(address)).began());
    const isIdle = watch(connections.idle());
    one!();
    expect(await isIdle()).toBe(false);
    other!();
    expect(await isIdle()).toBe(true);
  });
});
