/**
 * Calls without a client library: bytes on a socket, frames on an HTTP/2 stream. For what no library would send.
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2, constants } from "node:http2";
import { connect as connectTcp } from "node:net";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { StreamChatRequestSchema } from "../../gen/claude/runner/v1/runner_pb.ts";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";

/** What came back on an HTTP/2 stream. */
export interface RawAnswer {
  readonly httpStatus: number | undefined;
  /** Of the trailers, or of the headers when there were no trailers. */
  readonly grpcStatus: number | undefined;
  readonly reason: string | undefined;
  readonly isTrailersOnly: boolean;
  readonly body: Buffer;
  /** How the stream was reset, if it was. */
  readonly resetCode: number | undefined;
}

export interface RawCall {
  readonly port: number;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly token: string;
  /** Called when response headers come, before anything else of the answer. */
  readonly onHeaders?: () => void;
}

export const streamChatPath = "/claude.runner.v1.ClaudeRunner/StreamChat";

/** A gRPC frame around a message; `length` and `flags` lie when told to. */
export function grpcFrame(message: Buffer, { length = message.length, flags = 0 } = {}): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags, 0);
  head.writeUInt32BE(length >>> 0, 1);
  return Buffer.concat([head, message]);
}

/** A frame with a request. */
export function requestFrame(request: MessageInitShape<typeof StreamChatRequestSchema>): Buffer {
  return grpcFrame(Buffer.from(toBinary(StreamChatRequestSchema, create(StreamChatRequestSchema, request))));
}

/** A call whose answer nobody reads yet. */
export interface RawStream {
  readonly session: ClientHttp2Session;
  readonly stream: ClientHttp2Stream;
}

/** Sends a body on an HTTP/2 stream of its own connection. */
export function rawStream({ port, path, headers, body, token }: RawCall): RawStream {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on("error", () => undefined);
  const stream = session.request({
    ":method": "POST",
    ":path": path ?? streamChatPath,
    "content-type": "application/grpc",
    te: "trailers",
    authorization: `Bearer ${token}`,
    ...headers,
  });
  stream.on("error", () => undefined);
  stream.end(body);
  return { session, stream };
}

/** Sends a body and reads the answer to its end. */
export async function rawCall(call: RawCall): Promise<RawAnswer> {
  const { session, stream } = rawStream(call);
  try {
    let response: Record<string, unknown> = {};
    let trailers: Record<string, unknown> | undefined;
    const chunks: Buffer[] = [];
    stream.on("response", (got) => {
      response = got;
      call.onHeaders?.();
    });
    stream.on("trailers", (got) => {
      trailers = got;
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    await new Promise((resolve) => stream.once("close", resolve));
    const told = trailers ?? response;
    const bytes = told["grpc-status-details-bin"];
    const status = told["grpc-status"];
    return {
      httpStatus: response[":status"] === undefined ? undefined : Number(response[":status"]),
      grpcStatus: status === undefined ? undefined : Number(status),
      reason: typeof bytes === "string" ? reasonOf(Buffer.from(bytes, "base64")) : undefined,
      isTrailersOnly: trailers === undefined,
      body: Buffer.concat(chunks),
      resetCode: stream.rstCode === constants.NGHTTP2_NO_ERROR ? undefined : stream.rstCode,
    };
  } finally {
    session.destroy();
  }
}

function reasonOf(details: Buffer): string | undefined {
  for (const any of fromBinary(StatusSchema, details).details) {
    const info = anyUnpack(any, ErrorInfoSchema);
    if (info !== undefined) return info.reason;
  }
  return undefined;
}

/** Writes bytes to a port and waits until the server closes the connection. Gives what it said. */
export async function rawBytes(port: number, bytes: Buffer): Promise<Buffer> {
  const socket = connectTcp(port, "127.0.0.1");
  const chunks: Buffer[] = [];
  socket.on("error", () => undefined);
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.end(bytes);
  await closed;
  return Buffer.concat(chunks);
}
