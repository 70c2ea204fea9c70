import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { type Clock, systemClock } from "../../../src/clock.ts";
import { TrustedProxies } from "../../../src/policy/addresses.ts";
import type { WebHandler, WebResponse } from "../../../src/server/calls/http-exchange.ts";
import { Connections } from "../../../src/server/connections/connections.ts";
import { listen, readTls } from "../../../src/server/connections/listener.ts";
import { type WebListener, webListener } from "../../../src/server/web/web-listener.ts";
import { testTls } from "../../contract/transports.ts";
import { FakeClock } from "../../fake-clock.ts";

interface SetUpOptions {
  readonly isEncrypted: boolean;
  readonly clock?: Clock;
  readonly handle?: WebHandler;
}

/** A web port on loopback. */
async function setUp({ isEncrypted, clock = systemClock, handle }: SetUpOptions) {
  const web = webListener(handle ?? ((_, response) => void response.end("ok")), {
    tls: isEncrypted ? { settings: testTls, context: await readTls(testTls, "web") } : undefined,
    maxConcurrentStreams: 100,
    keepaliveTimeMs: 30_000,
    keepaliveTimeoutMs: 20_000,
    requestTimeoutMs: 30_000,
    connections: new Connections({
      maxCount: 100,
      anonymousIdleTimeoutMs: 20_000,
      proxies: new TrustedProxies([], "forwarded"),
      clock: systemClock,
      log: { info() {}, warn() {}, error() {} },
      portName: "web",
    }),
    clock,
    times: { headersTimeoutMs: 50, checkIntervalMs: 20 },
  });
  const { port } = await listen(web.server, { host: "127.0.0.1", port: 0, settingsName: "web" });
  const socket = (): Socket =>
    isEncrypted
      ? connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false })
      : connectTcp({ host: "127.0.0.1", port });
  const session = () => {
    const opened = connectHttp2(`${isEncrypted ? "https" : "http"}://127.0.0.1:${port}`, { rejectUnauthorized: false });
    opened.on("error", () => {});
    return opened;
  };
  return { web, socket, session };
}

const opened: WebListener[] = [];
const open = async (options: SetUpOptions) => {
  const test = await setUp(options);
  opened.push(test.web);
  return test;
};
afterEach(async () => {
  for (const web of opened.splice(0)) {
    web.close();
    web.destroy();
    await web.closed;
  }
});

describe.each([false, true])("the web port, TLS: %s", (isEncrypted) => {
  it("answers 408 to a client whose headers never end", async () => {
    const { socket } = await open({ isEncrypted });
    const slow = socket();
    slow.write("POST / HTTP/1.1\r\nhost: localhost\r\nx-slow");
    let said = "";
    for await (const chunk of slow) said += chunk;
    expect(said).toMatch(/^HTTP\/1\.1 408 /);
  });

  it("closes idle connections of both versions when it closes", async () => {
    const { web, socket, session } = await open({ isEncrypted });
    const kept = socket();
    kept.write("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
    await once(kept, "data");
    const idle = session();
    await once(idle, "remoteSettings");
    const closed = [kept, idle].map((one) => new Promise((resolve) => one.once("close", resolve)));
    web.close();
    await Promise.all([...closed, web.closed]);
  });

  it("lets the busy connections of both versions end when it closes", async () => {
    const asked: WebResponse[] = [];
    const both = Promise.withResolvers<void>();
    const { web, socket, session } = await open({
      isEncrypted,
      handle: (_, response) => {
        if (asked.push(response) === 2) both.resolve();
      },
    });
    let isClosed = false;
    void web.closed.then(() => {
      isClosed = true;
    });
    const kept = socket();
    kept.write("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
    const stream = session().request({ ":path": "/" });
    await both.promise;
    web.close();
    web.closeIdle();
    expect(asked.map(({ stream, destroyed }) => stream?.destroyed ?? destroyed)).toEqual([false, false]);
    const ended = Promise.all([once(stream, "response"), once(kept, "data"), once(stream.resume(), "end")]);
    for (const response of asked) {
      expect(isClosed).toBe(false);
      response.end("at last");
    }
    const [[headers], [said]] = await ended;
    expect(String(said)).toMatch(/^HTTP\/1\.1 200 .*at last/s);
    expect(headers).toMatchObject({ ":status": 200 });
    web.closeIdle();
    await web.closed;
  });
});

describe.each([false, true])("a web port that another server listens on from now on, TLS: %s", (isEncrypted) => {
  it("answers what comes on an idle connection, and ends it behind the answer", async () => {
    const { web, socket } = await open({ isEncrypted });
    const kept = socket();
    kept.write("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
    const [first] = (await once(kept, "data")) as [Buffer];
    expect(String(first)).toMatch(/^HTTP\/1\.1 200 /);
    web.retire();
    expect(web.server.listening).toBe(false);
    kept.write("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let said = "";
    for await (const chunk of kept) said += chunk;
    expect(said).toMatch(/^HTTP\/1\.1 200 .*connection: close/is);
  });

  it("ends a connection behind the answer that is under way, when its headers can still say so", async () => {
    const asked = Promise.withResolvers<WebResponse>();
    const { web, socket } = await open({ isEncrypted, handle: (_, response) => asked.resolve(response) });
    const kept = socket();
    kept.write("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
    const response = await asked.promise;
    web.retire();
    response.end("at last");
    let said = "";
    for await (const chunk of kept) said += chunk;
    expect(said).toMatch(/connection: close.*at last/is);
  });

  it("takes the next call behind an answer whose headers have left, since its client knows of nothing", async () => {
    const asked = Promise.withResolvers<WebResponse>();
    let requestCount = 0;
    const handle: WebHandler = (_, response) => {
      requestCount += 1;
      if (requestCount > 1) return void response.end("the last one");
      response.write("begun, ");
      asked.resolve(response);
    };
    const { web, socket } = await open({ isEncrypted, handle });
    const kept = socket();
    kept.write("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
    const response = await asked.promise;
    web.retire();
    response.end("and ended");
    let said = "";
    for await (const chunk of kept) {
      said += chunk;
      if (requestCount > 1 || !said.endsWith("\r\n0\r\n\r\n")) continue;
      // Whatever the server does behind such an answer, it has done when this arrives.
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
      kept.write("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
    }
    expect(said).toMatch(/begun, .*and ended.*connection: close.*the last one/is);
  });
});

describe("a plain connection on the web port", () => {
  it("ends when it has said nothing for ten seconds, since nobody knows which HTTP it speaks", async () => {
    const clock = new FakeClock();
    const { web, socket } = await open({ isEncrypted: false, clock });
    socket();
    const [connection] = (await once(web.server, "connection")) as [Socket];
    await clock.advance(9_999);
    expect(connection.destroyed).toBe(false);
    await clock.advance(1);
    expect(connection.destroyed).toBe(true);
  });

  it("is no longer timed once it has spoken", async () => {
    const clock = new FakeClock();
    const { socket } = await open({ isEncrypted: false, clock });
    const spoken = socket();
    spoken.write("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
    await once(spoken, "data");
    expect(clock.pendingTimerCount).toBe(0);
  });
});
