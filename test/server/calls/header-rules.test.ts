import { once } from "node:events";
import { type ClientSessionOptions, connect as connectHttp2, type IncomingHttpHeaders } from "node:http2";
import { connect as connectTcp } from "node:net";
import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../../gen/google/rpc/status_pb.ts";
import {
  brokenHeader,
  clampedGrpcTimeout,
  grpcTimeoutMs,
  oversizedHeaders,
} from "../../../src/server/calls/header-rules.ts";
import { startTestServers, type TestServers, testToken } from "../scripted-runner.ts";

let test: TestServers;
beforeAll(async () => {
  test = await startTestServers();
});
afterAll(() => test.stop());
beforeEach(() => {
  test.runner.calls.length = 0;
});

const authorization = `Bearer ${testToken}`;
type Lines = readonly (readonly [name: string, value: string])[];

/** Node's client writes no doubled header otherwise. */
const careless = { strictSingleValueFields: false } as ClientSessionOptions;

/** A gRPC call whose header lines are just these, behind what HTTP/2 needs. */
async function call(port: "grpc" | "web", lines: Lines) {
  const number = port === "grpc" ? test.target.grpcPort : test.target.webPort;
  const session = connectHttp2(`http://127.0.0.1:${number}`, careless);
  session.on("error", () => {});
  const path = "/claude.runner.v1.ClaudeRunner/GetInfo";
  const raw = [[":method", "POST"], [":scheme", "http"], [":path", path], ["te", "trailers"], ...lines];
  const stream = session.request(raw.flat() as never);
  let said: IncomingHttpHeaders = {};
  let text = "";
  const merge = (headers: IncomingHttpHeaders) => {
    said = { ...said, ...headers };
  };
  stream
    .on("response", merge)
    .on("trailers", merge)
    .on("error", () => {});
  stream.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
  });
  stream.end(Buffer.alloc(5));
  await once(stream, "end").catch(() => {});
  session.destroy();
  const details = said["grpc-status-details-bin"];
  const [any] = details === undefined ? [] : fromBinary(StatusSchema, Buffer.from(String(details), "base64")).details;
  return {
    httpStatus: said[":status"],
    status: said["grpc-status"] === undefined ? undefined : Number(said["grpc-status"]),
    message: decodeURIComponent(String(said["grpc-message"] ?? "")),
    reason: any && anyUnpack(any, ErrorInfoSchema)?.reason,
    text,
  };
}

const host = [":authority", "127.0.0.1"] as const;
const type = ["content-type", "application/grpc"] as const;
const good = [host, type, ["authorization", authorization]] as const;

/** Bytes on a connection of the web port, and all that comes back. */
async function http1(text: string): Promise<string> {
  const socket = connectTcp(test.target.webPort, "127.0.0.1");
  socket.write(text);
  let said = "";
  for await (const chunk of socket) said += chunk;
  return said;
}

const chat = (...lines: string[]) =>
  http1(
    [
      "POST /claude.runner.v1.ClaudeRunner/Chat HTTP/1.1",
      "Connection: close",
      "Content-Type: application/json",
      ...lines,
      "Content-Length: 20",
      "",
      '{"prompt":"count 1"}',
    ].join("\r\n"),
  );

describe.each(["grpc", "web"] as const)("on the %s port", (port) => {
  it("a good call is answered", async () => {
    expect(await call(port, good)).toMatchObject({ status: 0 });
  });

  it.each([
    ["authorization", "Bearer wrong"],
    ["authorization", authorization],
    ["content-type", "application/grpc"],
    ["grpc-timeout", "5S"],
    ["grpc-encoding", "identity"],
    ["origin", "https://app.example.com"],
  ] as const)("two headers %s are refused, even equal ones", async (name, value) => {
    const lines = [...good, ["grpc-timeout", "5S"], ["grpc-encoding", "identity"]] as const;
    const origin = name === "origin" ? ([["origin", "https://app.example.com"]] as const) : [];
    const answer = await call(port, [...lines, ...origin, [name, value]]);
    expect(answer).toMatchObject({ status: 3, reason: "INVALID_REQUEST" });
    expect(answer.message).toBe(`the header ${name} was sent twice; send it once`);
    expect(await call(port, [...lines, ...origin])).toMatchObject({ status: 0 });
  });

  it("two values in one line are refused as well", async () => {
    const joined = [host, type, ["authorization", `${authorization}, Bearer wrong`]] as const;
    expect(await call(port, joined)).toMatchObject({ status: 16, reason: "UNAUTHENTICATED" });
    const types = [host, ["content-type", "application/grpc;a=1, text/html"], good[2]] as const;
    expect(await call(port, types)).toMatchObject({ status: 3, reason: "INVALID_REQUEST" });
  });

  it("a host that differs from :authority is refused, one that is the same is not", async () => {
    const answer = await call(port, [...good, ["host", "localhost"]]);
    expect(answer).toMatchObject({ status: 3, reason: "INVALID_REQUEST" });
    expect(await call(port, [...good, ["host", "127.0.0.1"]])).toMatchObject({ status: 0 });
  });

  it("headers that are lists may come in several lines", async () => {
    const lists = ["x-forwarded-for", "grpc-accept-encoding", "forwarded", "x-own"].flatMap((name) => [
      [name, "one"] as const,
      [name, "two"] as const,
    ]);
    expect(await call(port, [...good, ...lists])).toMatchObject({ status: 0 });
  });

  it("more header lines than the limit are refused in words, fewer are not", async () => {
    const lines = (count: number) => Array.from({ length: count }, (_, at) => [`x-${at}`, "1"] as const);
    expect(await call(port, [...good, ...lines(100)])).toMatchObject({ status: 0 });
    const answer = await call(port, [...good, ...lines(200)]);
    expect(answer).toMatchObject({ status: 8, reason: "REQUEST_TOO_LARGE" });
    expect(answer.message).toMatch(/^the request has 207 header lines, limit 128$/);
  });

  it.each(["100000000S", "-1S", "1.5S", "", "5", "S", "5s", "5 S", "5S5S", "0x5S", "١S", "1e3m", "5M,5M"])(
    "a grpc-timeout of %o is refused: it follows no grammar",
    async (timeout) => {
      const bytes = Buffer.from(timeout).toString("latin1");
      const answer = await call(port, [...good, ["grpc-timeout", bytes]]);
      expect(answer).toMatchObject({ status: 3, reason: "INVALID_REQUEST" });
      expect(answer.message).toMatch(/^the header grpc-timeout must be /);
    },
  );

  it.each(["0S", "00000000n"])("a grpc-timeout of %s has passed already", async (timeout) => {
    const answer = await call(port, [...good, ["grpc-timeout", timeout]]);
    expect(answer).toMatchObject({ status: 4, reason: "DEADLINE_EXCEEDED" });
    expect(answer.message).toBe("the call's deadline had passed when it arrived: its grpc-timeout is 0");
  });

  it.each(["99999999H", "99999999M", "99999999S", "10S", "99999999m"])(
    "a grpc-timeout of %s is a long time",
    async (timeout) => {
      expect(await call(port, [...good, ["grpc-timeout", timeout]])).toMatchObject({ status: 0 });
    },
  );

  it("another content type gets 415, with words that say what is spoken", async () => {
    for (const other of ["text/plain", "application/grpc-web-text", "application/grpcx"]) {
      const answer = await call(port, [host, ["content-type", other], good[2]]);
      expect(answer.httpStatus).toBe(415);
      expect(answer.text).toContain("application/grpc");
    }
  });
});

describe("HTTP/1.1 on the web port", () => {
  const auth = `Authorization: ${authorization}`;

  it("two Authorization headers are refused, in any order and equal ones too", async () => {
    expect(await chat("Host: localhost", auth)).toMatch(/^HTTP\/1\.1 200 /);
    for (const second of ["Authorization: Bearer wrong", auth, "AUTHORIZATION: "]) {
      expect(await chat("Host: localhost", auth, second)).toMatch(/^HTTP\/1\.1 400 .*authorization was sent twice/s);
      expect(await chat("Host: localhost", second, auth)).toMatch(/^HTTP\/1\.1 400 /);
    }
    expect(test.runner.calls).toHaveLength(1);
  });

  it("two Hosts are refused, as two lines and as one", async () => {
    expect(await chat("Host: localhost", "Host: evil.example", auth)).toMatch(/^HTTP\/1\.1 400 .*host was sent twice/s);
    expect(await chat("Host: evil.example", "Host: localhost", auth)).toMatch(/^HTTP\/1\.1 400 /);
    expect(await chat("Host: localhost", "Host: localhost", auth)).toMatch(/^HTTP\/1\.1 400 /);
    expect(await chat("Host: localhost, evil.example", auth)).toMatch(/^HTTP\/1\.1 400 .*host has two values/s);
  });

  it("a Host with a dot at its end is the same host", async () => {
    for (const name of ["localhost.", "127.0.0.1.:7434", "RUNNER.example.com."]) {
      expect(await chat(`Host: ${name}`, auth)).toMatch(/^HTTP\/1\.1 200 /);
    }
    for (const name of ["localhost..", ".", "evil.example."]) {
      expect(await chat(`Host: ${name}`, auth)).toMatch(/^HTTP\/1\.1 421 /);
    }
  });

  it("a request line with the whole URL is answered, if its host is good and the same", async () => {
    const get = (url: string, name: string) =>
      http1(`GET ${url} HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n`);
    expect(await get("http://localhost/", "localhost")).toMatch(/^HTTP\/1\.1 200 /);
    expect(await get("http://localhost", "localhost")).toMatch(/^HTTP\/1\.1 200 /);
    expect(await get("http://localhost/nothing", "localhost")).toMatch(/^HTTP\/1\.1 404 .*This is claude-runner/s);
    expect(await get("http://evil.example/", "localhost")).toMatch(/^HTTP\/1\.1 421 /);
    expect(await get("http://localhost/", "evil.example")).toMatch(/^HTTP\/1\.1 421 /);
    expect(await get("http://localhost/", "127.0.0.1")).toMatch(/^HTTP\/1\.1 400 .*differ/s);
    expect(await get("http://user@localhost/", "localhost")).toMatch(/^HTTP\/1\.1 4/);
    expect(await get("ftp://localhost/", "localhost")).toMatch(/^HTTP\/1\.1 400 /);
  });

  it("more header lines than the limit get 431 with words", async () => {
    const lines = Array.from({ length: 200 }, (_, at) => `X-${at}: 1`);
    expect(await chat("Host: localhost", auth, ...lines)).toMatch(/^HTTP\/1\.1 431 .*205 header lines, limit 128/s);
  });
});

describe("the rules", () => {
  const raw = (...lines: string[]) => lines;

  it("look at names in any case, at headers that have one value, and at nothing else", () => {
    expect(brokenHeader(raw("Content-Type", "a", "content-TYPE", "a"))?.facts).toEqual({ header: "content-type" });
    expect(brokenHeader(raw("Accept", "a", "accept", "b", "Cookie", "a", "cookie", "b"))).toBeUndefined();
    expect(brokenHeader(raw("content-type", 'text/plain; a="1, 2"'))).toBeUndefined();
  });

  it("count lines and bytes", () => {
    const lines = (count: number) => Array.from({ length: 2 * count }, () => "x");
    expect(oversizedHeaders(lines(128))).toBeUndefined();
    expect(oversizedHeaders(lines(129))?.facts).toEqual({ headerLines: 129, limit: 128 });
    expect(oversizedHeaders(raw("x", "y".repeat(16_384)))?.facts).toEqual({ limitBytes: 16_384 });
  });

  it("know every unit of a timeout, and how long a timer can be", () => {
    expect(["2H", "2M", "2S", "2m", "2u", "2n"].map(grpcTimeoutMs)).toEqual([7_200_000, 120_000, 2_000, 2, 2e-3, 2e-6]);
    expect(clampedGrpcTimeout("99999999H")).toBe("2147483S");
    expect(clampedGrpcTimeout("2147483S")).toBe("2147483S");
  });
});
