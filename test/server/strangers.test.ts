/** What callers without a token can take from those who have one: nothing. Over real connections, on both ports. */
import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, describe, expect, it } from "vitest";
import { HealthCheckRequestSchema } from "../../gen/grpc/health/v1/health_pb.ts";
import { maxAnonymousCalls } from "../../src/server/limits.ts";
import { type ContractClient, transportKinds } from "../contract/transports.ts";
import { until } from "../until.ts";
import { startTestServers, type TestServers, textsOf } from "./scripted-runner.ts";

const cleanUp: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});

async function start(change?: Parameters<typeof startTestServers>[0]): Promise<TestServers> {
  const test = await startTestServers(change);
  cleanUp.push(() => test.stop());
  return test;
}

function honestClient(test: TestServers, port: "grpc" | "web"): ContractClient {
  const kind = transportKinds.find((one) => one.port === port && one.library === "grpc-js" && !one.tls);
  if (kind === undefined) throw new Error("there is no such client");
  const client = kind.connect(test.target);
  cleanUp.push(() => client.close());
  return client;
}

async function openSession(port: number): Promise<ClientHttp2Session> {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on("error", () => {});
  cleanUp.push(() => session.destroy());
  await once(session, "remoteSettings");
  return session;
}

/** A gRPC call without a token. */
function callHealth(
  session: ClientHttp2Session,
  method: string,
  headers: Record<string, string> = {},
): ClientHttp2Stream {
  const stream = session.request({
    ":method": "POST",
    ":path": `/grpc.health.v1.Health/${method}`,
    "content-type": "application/grpc+proto",
    te: "trailers",
    ...headers,
  });
  stream.on("error", () => {}).resume();
  return stream;
}

/** Opens a health watch and waits for its first word: whether it was let in. */
async function watchHealth(session: ClientHttp2Session, headers?: Record<string, string>): Promise<boolean> {
  const stream = callHealth(session, "Watch", headers);
  stream.end(everything);
  const [said] = (await once(stream, "response")) as [Record<string, unknown>];
  return said["grpc-status"] === undefined;
}

async function letIn(session: ClientHttp2Session, count: number, headersOf: (at: number) => Record<string, string>) {
  let letInCount = 0;
  for (let at = 0; at < count; at += 1) {
    if (await watchHealth(session, headersOf(at))) letInCount += 1;
  }
  return letInCount;
}

function frame(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

const everything = frame(toBinary(HealthCheckRequestSchema, create(HealthCheckRequestSchema, { service: "" })));

describe.each(["grpc", "web"] as const)("on the %s port", (port) => {
  const portOf = ({ target }: TestServers) => (port === "grpc" ? target.grpcPort : target.webPort);

  it("unfinished requests to open methods leave the bytes of callers alone", async () => {
    const test = await start({
      change: ({ calls }) => {
        calls.maxRequestBytes = 1024 * 1024;
        calls.maxRequestBytesInFlight = 4 * 1024 * 1024;
      },
    });
    const session = await openSession(portOf(test));
    const unfinished = Array.from({ length: 8 }, () => {
      const stream = callHealth(session, "Check");
      const length = Buffer.alloc(5);
      length.writeUInt32BE(1_000_000, 1);
      stream.write(length);
      stream.write(Buffer.alloc(900_000));
      return stream;
    });
    // One of them has been refused, so that all have been read as far as they may.
    await Promise.race(unfinished.map((stream) => once(stream, "response")));
    const client = honestClient(test, port);
    expect(await textsOf(client.streamChat({ prompt: "length ".padEnd(1_000_000, "x") }))).toEqual(["1000000"]);
  });

  it("open health watches are bounded, and leave places for callers and for other health checks", async () => {
    const test = await start();
    let letInCount = 0;
    for (let at = 0; at < 3; at += 1) letInCount += await letIn(await openSession(portOf(test)), 60, () => ({}));
    expect(letInCount).toBe(maxAnonymousCalls / 2);
    expect(await textsOf(honestClient(test, port).streamChat({ prompt: "count 2" }))).toEqual(["1", "2"]);
  });

  it("behind a proxy of the settings they count one by one; elsewhere nobody is believed who claims to be many", async () => {
    const forwards = (address: string) => ({ "x-forwarded-for": `203.0.113.1, ${address}` });
    const behind = await start({
      change: (settings) => {
        settings.trustedProxies = ["127.0.0.1"];
        settings.grpc.maxConcurrentStreams = 500;
      },
    });
    const session = await openSession(portOf(behind));
    expect(await letIn(session, 140, () => forwards("198.51.100.1"))).toBe(maxAnonymousCalls / 2);
    expect(await watchHealth(session, forwards("198.51.100.2"))).toBe(true);

    const direct = await start({
      change: ({ grpc }) => {
        grpc.maxConcurrentStreams = 500;
      },
    });
    const liar = await openSession(portOf(direct));
    expect(await letIn(liar, 140, (at) => forwards(`198.51.100.${at}`))).toBe(maxAnonymousCalls / 2);
  });

  it("connections that ask for nothing make way for those that call", async () => {
    const test = await start({
      change: ({ connections }) => {
        connections.maxPerPort = 40;
      },
    });
    const silent: Socket[] = [];
    for (let at = 0; at < 60; at += 1) {
      const socket = connectTcp(portOf(test), "127.0.0.1");
      cleanUp.push(() => void socket.destroy());
      socket.on("error", () => {}).resume();
      await once(socket, "connect");
      silent.push(socket);
    }
    const isOpen = ({ readyState }: { readyState: string }) => readyState === "open";
    await until(() => silent.filter(isOpen).length <= 20, { see: () => silent.filter(isOpen).length });
    expect(await textsOf(honestClient(test, port).streamChat({ prompt: "count 2" }))).toEqual(["1", "2"]);
  });

  it("a connection that answers pings and asks for nothing ends", async () => {
    const test = await start({
      change: ({ connections }) => {
        connections.anonymousIdleTimeoutMs = 200;
      },
    });
    const session = await openSession(portOf(test));
    await once(session, "close");
  });

  const kinds = [
    ["HTTP/2", false],
    ["HTTP/2", true],
    ...(port === "web"
      ? ([
          ["HTTP/1.1", false],
          ["HTTP/1.1", true],
        ] as const)
      : []),
  ] as const;
  it.each(kinds)(
    "over %s, TLS: %s, a connection rests as long as it likes once it has shown a token",
    async (version, tls) => {
      const test = await start({
        tls,
        change: ({ connections }) => {
          connections.anonymousIdleTimeoutMs = 300;
        },
      });
      const open = (): Socket => {
        const at = { port: portOf(test), host: "127.0.0.1" };
        const alpn = version === "HTTP/2" ? "h2" : "http/1.1";
        const socket = tls ? connectTls({ ...at, rejectUnauthorized: false, ALPNProtocols: [alpn] }) : connectTcp(at);
        cleanUp.push(() => void socket.destroy());
        return socket.on("error", () => {});
      };
      const known = open();
      const authorization = `Bearer ${test.target.token}`;
      const path = "/claude.runner.v1.ClaudeRunner/GetInfo";
      if (version === "HTTP/2") {
        const session = connect("http://localhost", { createConnection: () => known });
        session.on("error", () => {});
        const headers = { "content-type": "application/grpc+proto", authorization, te: "trailers" };
        const call = session.request({ ":method": "POST", ":path": path, ...headers });
        call.resume().end(frame(Buffer.alloc(0)));
        await once(call, "close");
      } else {
        const head = `Host: localhost\r\nAuthorization: ${authorization}\r\nContent-Type: application/json`;
        known.write(`POST ${path} HTTP/1.1\r\n${head}\r\nContent-Length: 2\r\n\r\n{}`);
        await once(known, "data");
        known.resume();
      }
      // One that comes later and shows none has ended in the meantime.
      const stranger = open();
      stranger.resume();
      await once(stranger, "close");
      expect(known.readyState).toBe("open");
    },
  );
});
