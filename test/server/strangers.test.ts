/** What callers without a token can take from those who have one: nothing. Over real connections, on both ports. */
import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, describe, expect, it } from "vitest";
import { HealthCheckRequestSchema } from "../../gen/grpc/health/v1/health_pb.ts";
import { maxAnonymousCalls } from "../../src/server/limits.ts";
import { type ContractClient, transportKinds } from "../contract/transports.ts";
import { startTestServers, type TestServers, textsOf, until } from "./scripted-runner.ts";

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
function callHealth(session: ClientHttp2Session, method: string): ClientHttp2Stream {
  const stream = session.request({
    ":method": "POST",
    ":path": `/grpc.health.v1.Health/${method}`,
    "content-type": "application/grpc+proto",
    te: "trailers",
  });
  stream.on("error", () => {}).resume();
  return stream;
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
    const statuses: string[] = [];
    let answers = 0;
    for (let at = 0; at < 4; at += 1) {
      const session = await openSession(portOf(test));
      for (let watch = 0; watch < 60; watch += 1) {
        const stream = callHealth(session, "Watch");
        stream.once("data", () => (answers += 1));
        const seen = (headers: Record<string, unknown>) => {
          if (headers["grpc-status"] === undefined) return;
          statuses.push(String(headers["grpc-status"]));
          answers += 1;
        };
        stream.on("response", seen).on("trailers", seen);
        stream.end(everything);
      }
    }
    await until(() => answers === 240);
    expect(240 - statuses.length).toBe(maxAnonymousCalls / 2);
    expect(new Set(statuses)).toEqual(new Set(["8"])); // RESOURCE_EXHAUSTED
    expect(await textsOf(honestClient(test, port).streamChat({ prompt: "count 2" }))).toEqual(["1", "2"]);
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
    await until(() => silent.filter(({ readyState }) => readyState === "open").length <= 20);
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

  it("a connection rests as long as it likes once a call on it has shown a token", async () => {
    const test = await start({
      change: ({ connections }) => {
        connections.anonymousIdleTimeoutMs = 200;
      },
    });
    const session = await openSession(portOf(test));
    const call = session.request({
      ":method": "POST",
      ":path": "/claude.runner.v1.ClaudeRunner/GetInfo",
      "content-type": "application/grpc+proto",
      authorization: `Bearer ${test.target.token}`,
      te: "trailers",
    });
    call.resume().end(frame(Buffer.alloc(0)));
    await once(call, "close");
    // Another one, opened later, has ended in the meantime.
    await once(await openSession(portOf(test)), "close");
    expect(session.closed || session.destroyed).toBe(false);
  });
});
