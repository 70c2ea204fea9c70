/**
 * What callers should not send, sent: each is refused with the right status and details, before a worker is spent, and
 * the server is none the worse.
 */
import { randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Outcome } from "../../gen/claude/runner/v1/result_pb.ts";
import { type Detail, type Effort, Role, StreamChatRequestSchema } from "../../gen/claude/runner/v1/runner_pb.ts";
import { BadRequestSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { HealthCheckResponse_ServingStatus as Status } from "../../gen/grpc/health/v1/health_pb.ts";
import { type ContractClient, failureOf, transportKinds } from "../contract/transports.ts";
import { readTurn } from "../contract/turn.ts";
import { grpcFrame, rawBytes, rawCall } from "./raw-calls.ts";
import { model, openScene, type Scene, tenants } from "./scene.ts";

type Request = MessageInitShape<typeof StreamChatRequestSchema>;

const mebibytes = 1024 * 1024;
const pair = (text: string) => [
  { role: Role.USER, text },
  { role: Role.ASSISTANT, text },
];
const png = Buffer.from("89504e470d0a1a0a0000000d49484452", "hex");

/** Each with the fields that the caller has to be told about. */
const refused: readonly (readonly [what: string, request: Request, ...fields: string[]])[] = [
  ["a profile that is no name", { profile: "../etc", prompt: "x" }, "profile"],
  ["no prompt at all", {}, "prompt"],
  ["an empty prompt", { prompt: "" }, "prompt"],
  ["a prompt of white space", { prompt: " \n\t\u00a0" }, "prompt"],
  ["a prompt that is too large", { prompt: "x".repeat(mebibytes + 1) }, "prompt"],
  ["a prompt that is too large in bytes only", { prompt: "ü".repeat(mebibytes / 2 + 1) }, "prompt"],
  ["prompt and content", { prompt: "x", content: [{ block: { case: "text", value: "y" } }] }, "prompt"],
  ["an empty block", { content: [{ block: { case: "text", value: "" } }] }, "content[0].text"],
  ["a block that is none", { content: [{}] }, "content[0].block"],
  ["too many blocks", { content: Array.from({ length: 101 }, () => textBlock("x")) }, "content"],
  ["too much text in all blocks", { content: [1, 2].map(() => textBlock("x".repeat(600_000))) }, "content"],
  ["a picture that is none", { content: [image("image/png", Buffer.from("hello"))] }, "content[0].image.data"],
  ["a picture of another kind", { content: [image("image/gif", png)] }, "content[0].image.data"],
  [
    "a picture of an unknown kind",
    { content: [image("image/tiff", png)] },
    "content[0].image.media_type",
    "content[0].image.data",
  ],
  [
    "a history that begins with the assistant",
    { prompt: "x", history: pair("y").toReversed() },
    "history[0].role",
    "history[1].role",
  ],
  [
    "a history with the same role twice",
    { prompt: "x", history: [...pair("y"), pair("z")[1]!, pair("z")[1]!] },
    "history[2].role",
  ],
  ["a history that ends with the user", { prompt: "x", history: [pair("y")[0]!] }, "history"],
  [
    "a message of the history without a role",
    { prompt: "x", history: [{ text: "y" }, pair("y")[1]!] },
    "history[0].role",
  ],
  [
    "an empty answer in the history",
    { prompt: "x", history: [pair("y")[0]!, { role: Role.ASSISTANT, text: "" }] },
    "history[1].text",
  ],
  [
    "a blank answer in the history",
    { prompt: "x", history: [pair("y")[0]!, { role: Role.ASSISTANT, text: "  " }] },
    "history[1].text",
  ],
  ["5 MB of history", { prompt: "x", history: pair("y".repeat(2.5 * mebibytes)) }, "history"],
  [
    "a history of too many messages",
    { prompt: "x", history: Array.from({ length: 201 }, () => pair("y")).flat() },
    "history",
  ],
  ["an empty system prompt", { prompt: "x", systemPrompt: "" }, "system_prompt"],
  ["a system prompt that is too large", { prompt: "x", systemPrompt: "y".repeat(262_145) }, "system_prompt"],
  ["a system prompt where it is fixed", { profile: "fixed", prompt: "x", systemPrompt: "y" }, "system_prompt"],
  ["a model that is not allowed", { prompt: "x", model: "claude-unheard-of" }, "model"],
  ["a model that is a flag", { prompt: "x", model: "--dangerously-skip-permissions" }, "model"],
  ["an effort that does not exist", { prompt: "x", effort: 99 as Effort }, "effort"],
  ["a detail that does not exist", { prompt: "x", detail: 99 as Detail }, "detail"],
  ["a schema that is no JSON", { prompt: "x", outputSchemaJson: "{" }, "output_schema_json"],
  ["a schema that is no schema", { prompt: "x", outputSchemaJson: '{"type":"nonsense"}' }, "output_schema_json"],
  [
    "a schema of something else than an object",
    { prompt: "x", outputSchemaJson: '{"type":"string"}' },
    "output_schema_json",
  ],
  [
    "a schema that is too large",
    { prompt: "x", outputSchemaJson: `{"type":"object","description":"${"x".repeat(65_536)}"}` },
    "output_schema_json",
  ],
  [
    "limits that are none",
    { prompt: "x", limits: { maxModelCallCount: 0, maxCostUsdMicros: -1n, maxOutputBytes: 0n, maxDuration: {} } },
    "limits.max_model_call_count",
    "limits.max_cost_usd_micros",
    "limits.max_output_bytes",
    "limits.max_duration",
  ],
  [
    "limits above the profile's",
    { prompt: "x", limits: { maxModelCallCount: 1000, maxDuration: { seconds: 86_400n } } },
    "limits.max_model_call_count",
    "limits.max_duration",
  ],
  [
    "too many labels",
    { prompt: "x", labels: Object.fromEntries(Array.from({ length: 17 }, (_, at) => [`l${at}`, "x"])) },
    "labels",
  ],
  [
    "labels that break the rules",
    { prompt: "x", labels: { "A b": "x", long: "x".repeat(257) } },
    'labels["A b"]',
    'labels["long"]',
  ],
];

function textBlock(text: string) {
  return { block: { case: "text" as const, value: text } };
}

function image(mediaType: string, data: Uint8Array) {
  return { block: { case: "image" as const, value: { mediaType, data } } };
}

describe("bad input", () => {
  let scene: Scene;
  let claims: number;
  beforeAll(async () => {
    scene = await openScene({
      settings: { profiles: { default: {}, fixed: { systemPromptPolicy: "fixed", minSpares: 0 } } },
    });
  });
  afterAll(() => scene.close());
  beforeEach(() => {
    claims = scene.claimCount();
  });
  afterEach(async () => {
    expect(scene.claimCount()).toBe(claims);
    expect(await scene.client.checkHealth("")).toMatchObject({ status: Status.SERVING });
    const turn = await readTurn(scene.client.streamChat({ prompt: "[[scenario conversation]]" }));
    expect(turn.result.outcome).toBe(Outcome.COMPLETED);
    expect(JSON.parse(turn.text)).toHaveLength(1);
  });

  const kinds = transportKinds.filter(
    ({ name, tls }) =>
      !tls && (/^gRPC by grpc-js, grpc/.test(name) || /^(gRPC-Web|Connect|Connect JSON) .*1\.1/.test(name)),
  );
  describe.each(kinds)("as a request: $name", (kind) => {
    let client: ContractClient;
    beforeAll(() => {
      client = kind.connect(scene.target);
    });
    afterAll(() => client.close());

    it.each(refused.map(([what, request, ...fields]) => ({ what, request, fields })))(
      "$what is refused",
      async ({ request, fields }) => {
        const { detail, $typeName: _, ...collected } = request;
        const calls = [() => client.streamChat(request), () => client.chat(collected)];
        for (const call of detail === undefined ? calls : calls.slice(0, 1)) {
          const failure = await failureOf(call());
          expect(failure).toMatchObject({ code: Code.InvalidArgument, reason: "INVALID_REQUEST" });
          expect(failure.sawHeaders).not.toBe(true);
          const told = failure.detail(BadRequestSchema)?.fieldViolations.map(({ field }) => field);
          expect([...new Set(told)]).toEqual(fields);
        }
      },
    );

    it("a request of 40 MB is refused", async () => {
      const content = [1, 2, 3, 4].map(() => textBlock("x".repeat(10 * mebibytes)));
      for (const call of [() => client.streamChat({ content }), () => client.chat({ content })]) {
        const failure = await failureOf(call());
        expect(failure).toMatchObject({ code: Code.ResourceExhausted, reason: "REQUEST_TOO_LARGE" });
        expect(failure.facts.limitBytes).toBe(String(32 * mebibytes));
      }
    });
  });

  describe("as JSON", () => {
    const post = async (body: string | Buffer, headers: Record<string, string> = {}) => {
      const response = await fetch(`http://127.0.0.1:${scene.target.webPort}/claude.runner.v1.ClaudeRunner/Chat`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${tenants.acme}`, ...headers },
        body,
      });
      return { status: response.status, body: await response.text() };
    };

    it.each([
      ["two members of a oneof", '{"content":[{"text":"a","image":{"mediaType":"image/png","data":""}}]}'],
      ["a number for a text", '{"prompt":5}'],
      ["a list for an object", "[]"],
      ["null", "null"],
      ["half of it", '{"prompt":"x'],
      ["something else", "prompt=x"],
      ["bytes that are no UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d])],
      ["nothing", ""],
      ["a very deep object", `${'{"limits":'.repeat(20_000)}{}${"}".repeat(20_000)}`],
    ])("%s is refused", async (_, body) => {
      const answer = await post(body);
      expect(answer.status).toBe(400);
      expect(JSON.parse(answer.body)).toMatchObject({ code: "invalid_argument" });
      expect(answer.body).toContain("INVALID_REQUEST");
      expect(answer.body).not.toMatch(/\bat .*:\d+:\d+/);
    });

    it.each([
      ["text", "text/plain"],
      ["a form", "application/x-www-form-urlencoded"],
      ["another protocol's", "application/grpc+thrift"],
      ["none", ""],
    ])("a content type that is not served is told so: %s", async (_, type) => {
      const { status } = await post('{"prompt":"x"}', { "content-type": type });
      expect(status).toBe(415);
    });

    it("a deadline that has passed is refused", async () => {
      const { status, body } = await post('{"prompt":"x"}', { "connect-timeout-ms": "0" });
      expect([status, body]).toEqual([504, expect.stringContaining("DEADLINE_EXCEEDED")]);
    });

    it("a timeout that is none is refused", async () => {
      const { status, body } = await post('{"prompt":"x"}', { "connect-timeout-ms": "soon" });
      expect(status).toBe(400);
      expect(body).toContain("INVALID_REQUEST");
    });
  });

  describe.each(["grpc", "web"] as const)("as bytes on the %s port", (port) => {
    const message = Buffer.from(toBinary(StreamChatRequestSchema, create(StreamChatRequestSchema, { prompt: "x" })));
    const number = () => (port === "grpc" ? scene.target.grpcPort : scene.target.webPort);
    const call = (body: Buffer, headers: Record<string, string> = {}) =>
      rawCall({ port: number(), body, headers, token: tenants.acme });

    it("noise, or half of a preface, ends the connection", async () => {
      const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
      for (const bytes of [
        randomBytes(4_096),
        Buffer.from("GET / HTTP/1.0\r\n\r\n"),
        Buffer.from("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "latin1"),
        preface.subarray(0, 10),
        Buffer.concat([preface, randomBytes(4_096)]),
        Buffer.concat([preface, Buffer.alloc(9)]),
        Buffer.alloc(0),
      ]) {
        await rawBytes(number(), bytes);
      }
    });

    it.each([
      ["a frame that says more than it has", grpcFrame(message, { length: message.length + 100 })],
      ["a frame without a message", Buffer.from([0, 0, 0])],
      ["no frame", Buffer.alloc(0)],
      ["two messages", Buffer.concat([grpcFrame(message), grpcFrame(message)])],
      ["a message that is cut off", grpcFrame(message.subarray(0, -1))],
      ["a message that is none", grpcFrame(randomBytes(200).fill(0xff, 0, 20))],
      ["a text that is no UTF-8", grpcFrame(Buffer.from([0x12, 2, 0xff, 0xfe]))],
    ])("%s is refused", async (_, body) => {
      const answer = await call(body);
      expect(answer.resetCode ?? answer.grpcStatus).toBeGreaterThan(0);
      expect(answer.body).toHaveLength(0);
    });

    it("a frame that claims 4 GiB is refused before they come", async () => {
      const answer = await call(grpcFrame(message, { length: 0xffff_ffff }));
      expect(answer).toMatchObject({ grpcStatus: Code.ResourceExhausted, reason: "REQUEST_TOO_LARGE" });
    });

    it("compressed noise is refused", async () => {
      const answer = await call(grpcFrame(randomBytes(100), { flags: 1 }), { "grpc-encoding": "gzip" });
      expect(answer.grpcStatus).toBeGreaterThan(0);
    });

    it("an encoding that nobody knows is refused", async () => {
      const answer = await call(grpcFrame(message, { flags: 1 }), { "grpc-encoding": "middle-out" });
      expect(answer.grpcStatus).toBe(Code.Unimplemented);
    });

    it("a small request that unpacks to a gigabyte is refused, and is never unpacked whole", async () => {
      const member = gzipSync(Buffer.alloc(mebibytes));
      const bomb = Buffer.concat(Array.from({ length: 1024 }, () => member));
      const before = process.memoryUsage().rss;
      const answer = await call(grpcFrame(bomb, { flags: 1 }), { "grpc-encoding": "gzip" });
      expect(answer).toMatchObject({ grpcStatus: Code.ResourceExhausted, reason: "REQUEST_TOO_LARGE" });
      expect(process.memoryUsage().rss - before).toBeLessThan(400 * mebibytes);
    });

    it("a content type that is not served is told so", async () => {
      const answer = await call(grpcFrame(message), { "content-type": "application/thrift" });
      expect(answer.httpStatus).toBe(415);
    });

    it.each([
      ["has passed", "0n", Code.DeadlineExceeded],
      ["passes at once", "1n", Code.DeadlineExceeded],
      ["is none", "soon", undefined],
    ])("a deadline that %s is refused", async (_, timeout, code) => {
      const answer = await call(grpcFrame(message), { "grpc-timeout": timeout });
      expect(answer.grpcStatus ?? answer.resetCode).toBeGreaterThan(0);
      if (code !== undefined) expect(answer.grpcStatus).toBe(code);
    });

    it("a method or service that is not there is UNIMPLEMENTED", async () => {
      for (const path of ["/claude.runner.v1.ClaudeRunner/Nothing", "/no.such.Service/StreamChat", "//", "/"]) {
        const answer = await rawCall({ port: number(), path, body: grpcFrame(message), token: tenants.acme });
        expect(answer.grpcStatus).toBe(Code.Unimplemented);
      }
    });

    it("headers that are too large are refused", async () => {
      const answer = await call(grpcFrame(message), { "x-large": "x".repeat(64 * 1024) });
      expect(answer.grpcStatus ?? answer.resetCode ?? answer.httpStatus).not.toBe(0);
      expect(answer.body).toHaveLength(0);
    });
  });

  it("text that looks like something else reaches the model as it is", async () => {
    for (const prompt of [
      "\0",
      "a\u2028b\u2029c",
      "\ufeffx",
      '"}\n{"type":"user"}',
      "x\r\n\r\ny",
      "\u202Eabc",
      "💥".repeat(9),
    ]) {
      const turn = await readTurn(scene.client.streamChat({ prompt: `${prompt} [[scenario conversation]]` }));
      const [message] = JSON.parse(turn.text) as [{ content: [{ text: string }] }];
      expect(message.content.map(({ text }) => text).join("")).toBe(`${prompt} [[scenario conversation]]`);
      expect(turn.started.model).toBe(model);
    }
    claims = scene.claimCount();
  });
});
