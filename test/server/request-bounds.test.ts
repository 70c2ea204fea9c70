import { randomBytes } from "node:crypto";
import { connect as connectHttp2, type IncomingHttpHeaders } from "node:http2";
import { gzipSync } from "node:zlib";
import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { startTestServers, type TestServers, testToken } from "./scripted-runner.ts";

let test: TestServers;
beforeAll(async () => {
  test = await startTestServers();
});
afterAll(() => test.stop());
beforeEach(() => {
  test.runner.calls.length = 0;
});

interface Sent {
  readonly port: "grpc" | "web";
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body: Buffer;
  /** In how large pieces it is written. */
  readonly pieceBytes?: number;
}

/** One call without a token, unless `headers` has it. */
async function call({ port, path, headers, body, pieceBytes = body.length }: Sent) {
  const session = connectHttp2(`http://127.0.0.1:${port === "web" ? test.target.webPort : test.target.grpcPort}`);
  session.on("error", () => {}); // a server that stops reading may reset
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  let said: IncomingHttpHeaders = {};
  const chunks: Buffer[] = [];
  const merge = (more: IncomingHttpHeaders) => {
    said = { ...said, ...more };
  };
  stream
    .on("response", merge)
    .on("trailers", merge)
    .on("error", () => {});
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  const closed = new Promise((resolve) => stream.on("close", resolve));
  for (let at = 0; at < body.length; at += pieceBytes) stream.write(body.subarray(at, at + pieceBytes));
  stream.end();
  await closed;
  session.destroy();
  const details = said["grpc-status-details-bin"];
  const [any] = details === undefined ? [] : fromBinary(StatusSchema, Buffer.from(String(details), "base64")).details;
  const info = any && anyUnpack(any, ErrorInfoSchema);
  return {
    status: Number(said["grpc-status"]),
    httpStatus: said[":status"],
    message: decodeURIComponent(String(said["grpc-message"] ?? "")),
    reason: info?.reason,
    facts: info?.metadata,
    text: Buffer.concat(chunks).toString(),
  };
}

function envelope(message: Buffer, flags = 0): Buffer {
  const head = Buffer.from([flags, 0, 0, 0, 0]);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

const health = (method: string) => `/grpc.health.v1.Health/${method}`;
const streamChat = "/claude.runner.v1.ClaudeRunner/StreamChat";
const authorization = `Bearer ${testToken}`;
/** Fields that the type does not have, in two bytes each. */
const unknownFields = (count: number) => Buffer.from("\x10\x00".repeat(count), "latin1");

const isServing = async (port: Sent["port"]) =>
  (await call({ port, path: health("Check"), body: envelope(Buffer.alloc(0)) })).status === 0;

describe.each(["grpc", "web"] as const)("without a token, on the %s port", (port) => {
  it("millions of fields that health does not know are refused by their size, not decoded and kept", async () => {
    const answer = await call({ port, path: health("Check"), body: envelope(unknownFields(1_000_000)) });
    expect(answer).toMatchObject({ status: 8, reason: "REQUEST_TOO_LARGE", facts: { limitBytes: "8192" } });
    expect(await isServing(port)).toBe(true);
  });

  it("a few packed kilobytes do not become megabytes, however often a watch sends them", async () => {
    const body = envelope(gzipSync(unknownFields(16_000_000)), 1);
    expect(body.length).toBeGreaterThan(8_192);
    const small = envelope(gzipSync(unknownFields(2_000_000)), 1);
    expect(small.length).toBeLessThan(8_192);
    for (const packed of [body, small, small]) {
      const answer = await call({ port, path: health("Watch"), headers: { "grpc-encoding": "gzip" }, body: packed });
      expect(answer).toMatchObject({ status: 8, reason: "REQUEST_TOO_LARGE", facts: { limitBytes: "8192" } });
    }
    expect(await isServing(port)).toBe(true);
  });

  it("a watch may name what it watches, also in a message that has a few fields more", async () => {
    const answer = await call({ port, path: health("Check"), body: envelope(unknownFields(500)) });
    expect(answer.status).toBe(0);
  });
});

it("a large JSON list that health does not know is refused by its size, without a token", async () => {
  const body = Buffer.from(`{"service":"","x":[${"{},".repeat(1_000_000)}{}]}`);
  const headers = { "content-type": "application/json" };
  const answer = await call({ port: "web", path: health("Check"), headers, body });
  expect(answer.httpStatus).toBe(413);
  expect(answer.text).toContain("larger than 8192 bytes");
  expect(await isServing("web")).toBe(true);
});

describe.each(["grpc", "web"] as const)("a turn's request on the %s port", (port) => {
  const turn = (body: Buffer, headers: Record<string, string> = {}, pieceBytes?: number) =>
    call({ port, path: streamChat, headers: { authorization, ...headers }, body, ...(pieceBytes && { pieceBytes }) });
  const prompt = (text: string) => Buffer.concat([Buffer.from([0x12, text.length]), Buffer.from(text)]);

  it("with a million empty messages of history is told how many it may have, and never reaches the handler", async () => {
    const answer = await turn(envelope(Buffer.from("\x22\x00".repeat(1_000_000), "latin1")));
    expect(answer).toMatchObject({ status: 3, reason: "INVALID_REQUEST" });
    expect(answer.message).toContain("history: must have at most 400 elements; it has at least 10001");
    expect(test.runner.calls).toHaveLength(0);
  });

  it("with a million fields that nobody knows is refused by their number", async () => {
    const answer = await turn(envelope(Buffer.from("\xf8\x3f\x00".repeat(1_000_000), "latin1")));
    expect(answer).toMatchObject({ status: 8, reason: "REQUEST_TOO_LARGE", facts: { limitFieldCount: "10000" } });
  });

  it("may not unpack to more than a share of its size", async () => {
    const packed = gzipSync(Buffer.alloc(20_000_000));
    const answer = await turn(envelope(packed, 1), { "grpc-encoding": "gzip" });
    expect(answer).toMatchObject({ status: 8, reason: "REQUEST_TOO_LARGE" });
    expect(answer.message).toContain(`100 times its ${packed.length} bytes`);
  });

  it("is read packed, and marked as packed without a word about how it is refused", async () => {
    const body = envelope(gzipSync(prompt("count 2")), 1);
    expect((await turn(body, { "grpc-encoding": "gzip" })).status).toBe(0);
    expect(await turn(body)).toMatchObject({ status: 3, reason: "INVALID_REQUEST" });
    expect(await turn(envelope(prompt("no gzip"), 1), { "grpc-encoding": "gzip" })).toMatchObject({ status: 3 });
  });

  it("is read in pieces of one byte", async () => {
    expect((await turn(envelope(prompt("count 3")), {}, 1)).status).toBe(0);
    expect(test.runner.calls).toHaveLength(1);
  });
});

describe("a large JSON request", () => {
  const chat = (body: string | Buffer, headers: Record<string, string> = {}) =>
    call({
      port: "web",
      path: "/claude.runner.v1.ClaudeRunner/Chat",
      headers: { authorization, "content-type": "application/json", ...headers },
      body: Buffer.from(body),
    });
  const data = randomBytes(3_000_000).toString("base64");
  const large = (more: string) => `{"prompt":"count 3","content":[{"image":{"data":"${data}"${more}}}]}`;

  it("is read like a small one, also packed and in a stream", async () => {
    expect(await chat(large(""))).toMatchObject({ httpStatus: 200, text: '{"text":"123"}' });
    const packed = await chat(gzipSync(large("")), { "content-encoding": "gzip" });
    expect(packed).toMatchObject({ httpStatus: 200, text: '{"text":"123"}' });
    const headers = { authorization, "content-type": "application/connect+json" };
    const streamed = await call({ port: "web", path: streamChat, headers, body: envelope(Buffer.from(large(""))) });
    expect(streamed.text).toContain('"textDelta":{"text":"3"}');
  });

  it("is refused like a small one, with the places of its faults", async () => {
    const answer = await chat(large(',"mediatype":"image/png","mediaType":5'));
    expect(answer.httpStatus).toBe(400);
    expect(answer.text).toContain("content[0].image.mediatype: is an unknown field; did you mean `mediaType`?");
    expect(answer.text).toContain("google.rpc.BadRequest");
    const list = await chat(`{"history":[${"{},".repeat(200_000)}{}]}`);
    expect(list.httpStatus).toBe(413);
    expect(list.text).toContain("more than 10000 values");
  });
});
