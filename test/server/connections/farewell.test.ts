import { EventEmitter, once } from "node:events";
import { connect, constants, createServer, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../src/clock.ts";
import { sayFarewell } from "../../../src/server/connections/farewell.ts";
import { FakeClock } from "../../fake-clock.ts";

class FakeSession extends EventEmitter {
  destroyed = false;
  closed = false;
  mayPing = true;
  readonly said: unknown[] = [];
  goaway(...what: unknown[]): void {
    this.said.push(["goaway", ...what]);
  }
  ping(answered: () => void): boolean {
    this.said.push("ping");
    this.once("pong", answered);
    return this.mayPing;
  }
  close(): void {
    this.closed = true;
    this.said.push("close");
  }
}

const setUp = () => {
  const session = new FakeSession();
  const clock = new FakeClock();
  return { session, clock, say: () => sayFarewell(session as unknown as ServerHttp2Session, clock) };
};

describe("the farewell of an HTTP/2 connection", () => {
  it("names no last stream, and the last one only after a round trip", async () => {
    const { session, clock, say } = setUp();
    const said = say();
    expect(session.said).toEqual([["goaway", constants.NGHTTP2_NO_ERROR, 2 ** 31 - 1], "ping"]);
    session.emit("pong");
    await said;
    expect(session.said.at(-1)).toBe("close");
    expect(clock.pendingTimerCount).toBe(0);
  });

  it("does not wait for a peer that answers no ping", async () => {
    const { session, clock, say } = setUp();
    const said = say();
    await clock.advance(5_000);
    await said;
    expect(session.closed).toBe(true);
  });

  it("waits for nothing where no ping can be sent, nor where the connection has ended", async () => {
    const one = setUp();
    one.session.mayPing = false;
    await one.say();
    expect(one.session.closed).toBe(true);
    const other = setUp();
    other.session.closed = true;
    await other.say();
    expect(other.session.said).toEqual([]);
  });

  it("loses no call that is on its way when it is said", async () => {
    const server = createServer((request, response) => response.end(`answer to ${request.url}`));
    const said = Promise.withResolvers<void>();
    server.on("session", (session) => {
      // The farewell leaves while the second request is on its way.
      session.once("stream", () => void sayFarewell(session, systemClock).then(said.resolve));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const answers = ["/1", "/2", "/3"].map(async (path) => {
      let text = "";
      for await (const chunk of client.request({ ":path": path })) text += chunk;
      return text;
    });
    expect(await Promise.all(answers)).toEqual(["answer to /1", "answer to /2", "answer to /3"]);
    await said.promise;
    if (!client.destroyed) await once(client, "close");
    server.close();
  });
});
