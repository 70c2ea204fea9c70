import { createServer } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { type AddressInfo, connect as connectTcp, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/clock.ts";
import { TrustedProxies } from "../../../src/policy/addresses.ts";
import { Connections } from "../../../src/server/connections/connections.ts";
import { listen, readTls } from "../../../src/server/connections/listener.ts";
import { type WebListener, webListener } from "../../../src/server/web/web-listener.ts";
import { testTls } from "../../contract/transports.ts";

describe.each([false, true])("the web port, TLS: %s", (encrypted) => {
  let web: WebListener;
  let port: number;
  beforeEach(async () => {
    web = webListener((_, response) => void response.end("ok"), {
      tls: encrypted ? { settings: testTls, context: await readTls(testTls, "web") } : undefined,
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
      clock: systemClock,
      times: { headersTimeoutMs: 50, checkIntervalMs: 20 },
    });
    ({ port } = await listen(web.server, { host: "127.0.0.1", port: 0, settingsName: "web" }));
  });
  afterEach(async () => {
    web.close();
    web.destroy();
    await web.closed;
  });

  const open = async (): Promise<Socket> => {
    const { connect } = await import("node:tls");
    return encrypted
      ? connect({ host: "127.0.0.1", port, rejectUnauthorized: false })
      : connectTcp({ host: "127.0.0.1", port });
  };

  it("answers 408 to a client whose headers never end", async () => {
    const socket = await open();
    socket.write("POST / HTTP/1.1\r\nhost: localhost\r\nx-slow");
    let said = "";
    for await (const chunk of socket) said += chunk;
    expect(said).toMatch(/^HTTP\/1\.1 408 /);
  });

  it("closes idle connections of both versions when it closes, and lets the busy ones end", async () => {
    const kept = await open();
    kept.write("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
    await new Promise((resolve) => kept.once("data", resolve));
    const session = connectHttp2(`${encrypted ? "https" : "http"}://127.0.0.1:${port}`, { rejectUnauthorized: false });
    session.on("error", () => {});
    await new Promise((resolve) => session.once("remoteSettings", resolve));
    const closed = [kept, session].map((one) => new Promise((resolve) => one.once("close", resolve)));
    web.close();
    await Promise.all([...closed, web.closed]);
  });
});

describe("a listener", () => {
  it("says in words what is wrong with an address", async () => {
    const listening = (host: string, port = 0) => listen(createServer(), { host, port, settingsName: "grpc" });
    await expect(listening("192.0.2.77")).rejects.toThrow("grpc.host: this machine has no address 192.0.2.77");
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const { port } = taken.address() as AddressInfo;
    await expect(listening("127.0.0.1", port)).rejects.toThrow(`127.0.0.1:${port} is in use by another program`);
    taken.close();
  });
});
