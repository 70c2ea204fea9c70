/**
 * Every failing status has one ErrorInfo: here each kind of refusal that a call can meet, on both ports and in each
 * protocol that it can be called by.
 */
import { connect as connectHttp2 } from "node:http2";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { StreamChatRequestSchema } from "../../gen/claude/runner/v1/runner_pb.ts";
import { TurnService } from "../../gen/claude/runner/v1/turn_pb.ts";
import { type ErrorInfo, ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { served } from "../../src/service/calls.ts";
import { toConnectError } from "../../src/service/errors.ts";
import { turnNotFound } from "../../src/sessions/refusals.ts";
import { startTestServers, type TestServers, testToken } from "./scripted-runner.ts";

/** Knows no turn. */
const noTurn = () => {
  throw toConnectError(turnNotFound("of this test"));
};
const turns = served(TurnService, {
  attachTurn: async function* () {
    yield noTurn();
  },
  getTurnContent: async function* () {
    yield noTurn();
  },
  getTurn: async () => noTurn(),
  listTurns: async () => noTurn(),
  interruptTurn: async () => noTurn(),
});

let test: TestServers;
beforeAll(async () => {
  test = await startTestServers({
    services: [turns],
    change: ({ calls }) => {
      calls.maxRequestBytes = 65_536;
    },
  });
});
afterAll(() => test.stop());

const paths = {
  stream: "/claude.runner.v1.ClaudeRunner/StreamChat",
  once: "/claude.runner.v1.ClaudeRunner/Chat",
  health: "/grpc.health.v1.Health/Check",
  attach: "/claude.runner.v1.TurnService/AttachTurn",
  turn: "/claude.runner.v1.TurnService/GetTurn",
  nowhere: "/no.such.Service/Method",
};

/** A way to call. */
interface Protocol {
  readonly port: "grpc" | "web";
  readonly type: string;
  readonly path: "stream" | "once";
  /** Whether messages are in envelopes. */
  readonly hasEnvelopes: boolean;
  readonly isJson?: boolean;
}

const protocols: Readonly<Record<string, Protocol>> = {
  "gRPC on the gRPC port": { port: "grpc", type: "application/grpc", path: "stream", hasEnvelopes: true },
  "gRPC on the web port": { port: "web", type: "application/grpc", path: "stream", hasEnvelopes: true },
  "gRPC-Web": { port: "web", type: "application/grpc-web+proto", path: "stream", hasEnvelopes: true },
  "Connect, one answer": { port: "web", type: "application/proto", path: "once", hasEnvelopes: false },
  "Connect, a stream": { port: "web", type: "application/connect+proto", path: "stream", hasEnvelopes: true },
  JSON: { port: "web", type: "application/json", path: "once", hasEnvelopes: false, isJson: true },
};

/** What is wrong with a call. */
interface Wrong {
  readonly reason: string;
  readonly path?: keyof typeof paths;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly prompt?: string;
  readonly body?: Buffer;
  /** Absent: in every protocol. */
  readonly only?: (protocol: Protocol) => boolean;
}

const wrongs: Readonly<Record<string, Wrong>> = {
  "no token": { reason: "UNAUTHENTICATED", headers: { authorization: undefined } },
  "a token that nobody has": { reason: "UNAUTHENTICATED", headers: { authorization: "Bearer nobody's" } },
  "what the service refuses": { reason: "QUEUE_FULL", prompt: "refuse" },
  "a bug in the handler": { reason: "INTERNAL", prompt: "throw" },
  "bytes that are no message": { reason: "INVALID_REQUEST", body: Buffer.from([0xff, 0xff, 0xff]) },
  "a message that is too large": { reason: "REQUEST_TOO_LARGE", prompt: "x".repeat(100_000) },
  "headers that are too large": { reason: "REQUEST_TOO_LARGE", headers: { "x-large": "x".repeat(20_000) } },
  "a deadline that is none": {
    reason: "INVALID_REQUEST",
    headers: { "grpc-timeout": "soon", "connect-timeout-ms": "soon" },
  },
  "a deadline that has passed": {
    reason: "DEADLINE_EXCEEDED",
    headers: { "grpc-timeout": "0m", "connect-timeout-ms": "0" },
  },
  "a compression that nobody knows": {
    reason: "UNIMPLEMENTED",
    headers: { "grpc-encoding": "odd", "connect-content-encoding": "odd", "content-encoding": "odd" },
  },
  "an unknown method": { reason: "UNIMPLEMENTED", path: "nowhere" },
  "two messages where one belongs": {
    reason: "UNIMPLEMENTED",
    body: Buffer.alloc(0),
    only: ({ type }) => type === "application/grpc",
  },
  "an unknown host": {
    reason: "NOT_ALLOWED",
    headers: { ":authority": "evil.example" },
    only: ({ port }) => port === "web",
  },
  "an unknown origin": {
    reason: "NOT_ALLOWED",
    headers: { origin: "https://evil.example" },
    only: ({ port }) => port === "web",
  },
  "a service whose health nobody knows": {
    reason: "SERVICE_NOT_FOUND",
    path: "health",
    // HealthCheckRequest { service: "x" }
    body: Buffer.from([0x0a, 0x01, 0x78]),
    only: ({ isJson = false, path, type }) => !isJson && (path === "once" || type.startsWith("application/grpc")),
  },
  "a turn to read that is not there": {
    reason: "TURN_NOT_FOUND",
    path: "attach",
    body: Buffer.alloc(0),
    only: ({ hasEnvelopes }) => hasEnvelopes,
  },
  "a turn to look up that is not there": {
    reason: "TURN_NOT_FOUND",
    path: "turn",
    body: Buffer.alloc(0),
    only: ({ isJson = false, path, type }) => !isJson && (path === "once" || type.startsWith("application/grpc")),
  },
  "a question that is as long as a turn may be": {
    reason: "REQUEST_TOO_LARGE",
    path: "turn",
    body: Buffer.alloc(9 * 1024, " "),
    only: ({ path, type }) => path === "once" || type.startsWith("application/grpc"),
  },
  "a content type of the other kind of method": {
    reason: "INVALID_REQUEST",
    path: "stream",
    only: ({ hasEnvelopes }) => !hasEnvelopes,
  },
};

const cases = Object.entries(protocols).flatMap(([how, protocol]) =>
  Object.entries(wrongs)
    .filter(([, { only }]) => only?.(protocol) ?? true)
    .map(([what, wrong]) => ({ how, what, protocol, wrong })),
);

describe("a call is refused with one ErrorInfo", () => {
  it.each(cases)("by $how: $what", async ({ protocol, wrong }) => {
    const infos = await refusalOf(protocol, wrong);
    expect(infos).toMatchObject([{ reason: wrong.reason, domain: "claude-runner" }]);
  });
});

function bodyOf(protocol: Protocol, { prompt = "count 1", body, reason, path }: Wrong): Buffer {
  const request = create(StreamChatRequestSchema, { prompt });
  const message =
    body ??
    (protocol.isJson
      ? Buffer.from(JSON.stringify({ prompt }))
      : Buffer.from(toBinary(StreamChatRequestSchema, request)));
  if (!protocol.hasEnvelopes) return message;
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  const envelope = Buffer.concat([head, message]);
  return reason === "UNIMPLEMENTED" && body !== undefined && path === undefined
    ? Buffer.concat([envelope, envelope])
    : envelope;
}

async function refusalOf(protocol: Protocol, wrong: Wrong): Promise<readonly ErrorInfo[]> {
  const port = protocol.port === "grpc" ? test.target.grpcPort : test.target.webPort;
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  const headers = Object.fromEntries(
    Object.entries({
      ":method": "POST",
      ":path": paths[wrong.path ?? protocol.path],
      "content-type": protocol.type,
      ...(protocol.type.startsWith("application/grpc") && { te: "trailers" }),
      authorization: `Bearer ${testToken}`,
      ...wrong.headers,
    }).filter(([, value]) => value !== undefined),
  );
  try {
    return await new Promise((resolve, reject) => {
      const stream = session.request(headers);
      let said: Record<string, unknown> = {};
      const chunks: Buffer[] = [];
      const hear = (more: object) => {
        said = { ...said, ...more };
      };
      stream.on("response", hear).on("trailers", hear).on("error", reject);
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        try {
          resolve(infosOf(said, Buffer.concat(chunks)));
        } catch (error) {
          reject(new Error(`${JSON.stringify(said)} ${Buffer.concat(chunks).toString("latin1")}`, { cause: error }));
        }
      });
      stream.end(bodyOf(protocol, wrong));
    });
  } finally {
    session.destroy();
  }
}

/** The details of a failing status, wherever its protocol has them. */
function infosOf(said: Record<string, unknown>, body: Buffer): readonly ErrorInfo[] {
  const type = String(said["content-type"]);
  if (type.startsWith("application/grpc-web") && said["grpc-status-details-bin"] === undefined) {
    const trailer = lastEnvelope(body).toString();
    return ofStatus(/grpc-status-details-bin: ?(.*)\r\n/.exec(trailer)?.[1]);
  }
  if (type.startsWith("application/grpc")) return ofStatus(said["grpc-status-details-bin"]);
  const json = type.startsWith("application/connect") ? lastEnvelope(body) : body;
  const told = JSON.parse(json.toString());
  const { details = [] } = (told.error ?? told) as { details?: { type: string; value: string }[] };
  return details
    .filter((detail) => detail.type === ErrorInfoSchema.typeName)
    .map(({ value }) => fromBinary(ErrorInfoSchema, Buffer.from(value, "base64")));
}

function ofStatus(details: unknown): readonly ErrorInfo[] {
  if (details === undefined) return [];
  const status = fromBinary(StatusSchema, Buffer.from(String(details), "base64"));
  return status.details.flatMap((detail) => anyUnpack(detail, ErrorInfoSchema) ?? []);
}

function lastEnvelope(body: Buffer): Buffer {
  let last = body;
  for (let rest = body; rest.length >= 5; ) {
    const length = rest.readUInt32BE(1);
    last = rest.subarray(5, 5 + length);
    rest = rest.subarray(5 + length);
  }
  return last;
}
