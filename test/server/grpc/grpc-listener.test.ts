import { once } from "node:events";
import { connect as connectHttp2, constants, type IncomingHttpHeaders } from "node:http2";
import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../../gen/google/rpc/status_pb.ts";
import { type ContractClient, grpcJsClient } from "../../contract/transports.ts";
import { startTestServers, type TestServers, testToken, textsOf } from "../scripted-runner.ts";

let test: TestServers;
beforeAll(async () => {
  test = await startTestServers({
    change: ({ calls }) => {
      calls.maxRequestBytes = 65_536;
    },
  });
});
afterAll(() => test.stop());
beforeEach(() => {
  test.runner.calls.length = 0;
  test.logged.length = 0;
});

const streamPath = "/claude.runner.v1.ClaudeRunner/StreamChat";

/** One call in raw HTTP/2: what a careless or hostile client can send. */
async function raw(options: {
  readonly port?: "grpc" | "web";
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: Buffer;
  /** Whether the request never ends by itself. */
  readonly isEndless?: boolean;
  /** Whether to wait until the server resets the stream. */
  readonly isClosedByServer?: boolean;
}) {
  const port = options.port === "web" ? test.target.webPort : test.target.grpcPort;
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  const stream = session.request({
    ":method": "POST",
    ":path": options.path ?? streamPath,
    "content-type": "application/grpc",
    te: "trailers",
    authorization: `Bearer ${testToken}`,
    ...options.headers,
  });
  let said: IncomingHttpHeaders = {};
  const frames: string[] = [];
  stream.on("response", (headers, flags) => {
    said = { ...said, ...headers };
    frames.push((flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0 ? "headers, end" : "headers");
  });
  stream.on("trailers", (headers) => {
    said = { ...said, ...headers };
    frames.push("trailers");
  });
  let chunkCount = 0;
  stream.on("data", () => {
    chunkCount += 1;
  });
  stream.on("error", () => {});
  const over = new Promise((resolve) => stream.on(options.isEndless ? "end" : "close", resolve));
  stream.resume();
  if (options.body !== undefined) stream.write(options.body);
  if (!options.isEndless) stream.end();
  await over;
  const closed = new Promise((resolve) => stream.on("close", resolve));
  if (options.isClosedByServer) await closed;
  session.destroy();
  const status = Number(said["grpc-status"]);
  return { status, httpStatus: said[":status"], frames, chunkCount, reason: reasonOf(said), said };
}

function reasonOf(headers: IncomingHttpHeaders): string | undefined {
  const details = headers["grpc-status-details-bin"];
  if (details === undefined) return undefined;
  const [any] = fromBinary(StatusSchema, Buffer.from(String(details), "base64")).details;
  return any && anyUnpack(any, ErrorInfoSchema)?.reason;
}

function envelope(message: Buffer, declaredBytes = message.length): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(declaredBytes, 1);
  return Buffer.concat([head, message]);
}

const prompt = (text: string) => Buffer.concat([Buffer.from([0x12, text.length]), Buffer.from(text)]);

describe.each(["grpc", "web"] as const)("on the %s port", (port) => {
  it("a refused token costs no reading: the answer comes while the request is still being sent", async () => {
    const answer = await raw({
      port,
      headers: { authorization: "Bearer wrong" },
      isEndless: true,
      body: Buffer.alloc(5),
    });
    expect(answer).toMatchObject({ status: 16, reason: "UNAUTHENTICATED", frames: ["headers, end"] });
  });

  it("bytes that are no message are told so, with a reason", async () => {
    const answer = await raw({ port, body: envelope(Buffer.from([0xff, 0xff, 0xff])) });
    expect(answer).toMatchObject({ status: 3, reason: "INVALID_REQUEST", frames: ["headers, end"] });
    expect(test.runner.calls).toHaveLength(0);
  });

  it("a length that is too large is refused before the bytes come", async () => {
    const answer = await raw({ port, body: envelope(Buffer.alloc(10), 2 ** 31), isEndless: true });
    expect(answer).toMatchObject({ status: 8, reason: "REQUEST_TOO_LARGE" });
  });

  it("headers that are too large are refused", async () => {
    const answer = await raw({ port, headers: { "x-large": "x".repeat(20_000) }, body: envelope(prompt("count 1")) });
    expect(answer).toMatchObject({ status: 8, reason: "REQUEST_TOO_LARGE" });
    expect(test.runner.calls).toHaveLength(0);
  });

  it("header names and values that are no metadata harm nobody, and are printed nowhere", async () => {
    const print = vi.spyOn(console, "error");
    const headers = { "x*odd": "canary", "x-odd": "caf\xe9 \t|", "x-odd-bin": "no base64!", "grpc-encoding": "odd" };
    await raw({ port, headers, body: envelope(prompt("count 1")) });
    expect(print).not.toHaveBeenCalled();
    expect(await raw({ port, body: envelope(prompt("count 1")) })).toMatchObject({ status: 0 });
    print.mockRestore();
  });

  it("an unknown method is UNIMPLEMENTED", async () => {
    expect(await raw({ port, path: "/no.such.Service/Method" })).toMatchObject({ status: 12 });
  });

  it("a call without a message, or with two, never reaches the handler", async () => {
    expect(await raw({ port })).toMatchObject({ status: 12 });
    const two = Buffer.concat([envelope(prompt("count 1")), envelope(prompt("count 1"))]);
    expect(await raw({ port, body: two })).toMatchObject({ status: 12 });
    expect(test.runner.calls).toHaveLength(0);
  });

  it("an early failure is one HEADERS frame; after an event it is not", async () => {
    expect((await raw({ port, body: envelope(prompt("refuse")) })).frames).toEqual(["headers, end"]);
    expect((await raw({ port, body: envelope(prompt("fail-after 1")) })).frames).toEqual(["headers", "trailers"]);
  });

  it("events that are there together come together, and not each in a write of its own", async () => {
    const answer = await raw({ port, body: envelope(prompt("count 100")) });
    expect(answer).toMatchObject({ status: 0 });
    expect(answer.chunkCount).toBeLessThan(20);
  });

  it("a good end is status 0 without a message", async () => {
    const { said } = await raw({ port, body: envelope(prompt("count 1")) });
    expect(said).toMatchObject({ "grpc-status": "0" });
    expect(said["grpc-message"] ?? "").toBe("");
  });

  it("binary details come without padding", async () => {
    for (const text of ["refuse", "throw", "fail-after 0"]) {
      const { said } = await raw({ port, body: envelope(prompt(text)) });
      expect(said["grpc-status-details-bin"], text).toMatch(/^[A-Za-z0-9+/]+$/);
    }
  });

  it("what a handler says without details stands, behind the headers that it had set", async () => {
    const { said, frames } = await raw({ port, body: envelope(prompt("fail-plainly")) });
    expect(said).toMatchObject({ "grpc-status": "13", "x-header": "said before the end" });
    expect(said["grpc-message"]).toMatch(/^said(%20| )on(%20| )purpose$/);
    expect(frames).toEqual(["headers", "trailers"]);
  });

  it("messages in a compression that nobody knows are UNIMPLEMENTED", async () => {
    const answer = await raw({ port, headers: { "grpc-encoding": "odd" }, body: envelope(prompt("count 1")) });
    expect(answer).toMatchObject({ status: 12 });
    expect(test.runner.calls).toHaveLength(0);
  });

  it("a collected turn that has begun has sent its headers: nobody repeats it when the connection breaks", async () => {
    const session = connectHttp2(`http://127.0.0.1:${port === "web" ? test.target.webPort : test.target.grpcPort}`);
    const stream = session.request({
      ":method": "POST",
      ":path": "/claude.runner.v1.ClaudeRunner/Chat",
      "content-type": "application/grpc",
      te: "trailers",
      authorization: `Bearer ${testToken}`,
    });
    stream.on("error", () => {});
    stream.end(envelope(prompt("wait after-one")));
    const [headers, flags] = await once(stream, "response");
    expect(headers[":status"]).toBe(200);
    expect(flags & constants.NGHTTP2_FLAG_END_STREAM).toBe(0);
    session.destroy();
  });

  it("a collected turn that is refused before it began is one frame", async () => {
    const path = "/claude.runner.v1.ClaudeRunner/Chat";
    expect((await raw({ port, path, body: envelope(prompt("refuse")) })).frames).toEqual(["headers, end"]);
  });

  it("the message of a status is readable to every client", async () => {
    const { said } = await raw({ port, body: envelope(prompt("refuse")) });
    // grpc-js escapes the spaces, which every client undoes; it leaves alone what its own clients do not.
    const message = String(said["grpc-message"]).replaceAll("%20", " ");
    expect(message).toBe("queue is full: 3 turns waiting, limit 3");
  });
});

describe.each(["grpc", "web"] as const)("a standard retry policy on the %s port", (port) => {
  const policy = {
    methodConfig: [
      {
        name: [{ service: "claude.runner.v1.ClaudeRunner" }],
        retryPolicy: {
          maxAttempts: 4,
          initialBackoff: "30s", // only a push-back makes it retry sooner
          maxBackoff: "30s",
          backoffMultiplier: 1,
          retryableStatusCodes: ["UNAVAILABLE", "ABORTED"],
        },
      },
    ],
  };
  let client: ContractClient;
  beforeAll(() => {
    const number = port === "grpc" ? test.target.grpcPort : test.target.webPort;
    client = grpcJsClient(`ipv4:127.0.0.1:${number}`, testToken, false, policy);
  });
  afterAll(() => client.close());

  it("repeats an early refusal when the push-back says, and the caller sees nothing of it", async () => {
    expect(await textsOf(client.streamChat({ prompt: "refuse-until 3" }))).toEqual(["call 3"]);
    expect(test.runner.calls).toHaveLength(3);
  });

  it("never repeats a turn that had begun", async () => {
    await expect(textsOf(client.streamChat({ prompt: "fail-after 1" }))).rejects.toMatchObject({
      reason: "WORKER_DIED",
    });
    expect(test.runner.calls).toHaveLength(1);
  });

  it("never repeats what says push-back -1, even without an event", async () => {
    await expect(textsOf(client.streamChat({ prompt: "fail-after 0" }))).rejects.toMatchObject({ pushbackMs: -1 });
    expect(test.runner.calls).toHaveLength(1);
  });
});
