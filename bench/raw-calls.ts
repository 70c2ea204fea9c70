/**
 * Calls on one HTTP/2 connection without a client library: when the first byte of an answer came, and when all of it had.
 * Speaks gRPC, and Connect as the web port has it.
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import {
  create,
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { frameHeadBytes } from "./frame-counter.ts";

export interface RawTarget {
  readonly protocol: "grpc" | "connect";
  readonly port: number;
  readonly token: string;
}

export class RawCalls implements AsyncDisposable {
  readonly #target: RawTarget;
  readonly #session: ClientHttp2Session;

  constructor(target: RawTarget) {
    this.#target = target;
    this.#session = connect(`http://127.0.0.1:${target.port}`);
    this.#session.on("error", () => {}); // each call has it
  }

  /** The round trip of a call that answers once, in milliseconds. */
  async onceMs<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
  ): Promise<number> {
    const isFramed = this.#target.protocol === "grpc";
    const sinceMs = performance.now();
    const stream = this.#open(method, isFramed ? "application/grpc+proto" : "application/proto");
    const answer = read(stream);
    stream.end(bytesOf(method.input, request, isFramed));
    const bytes = await answer;
    if (bytes.length === 0) throw new Error(`${method.name} has no answer`);
    fromBinary(method.output, isFramed ? firstMessage(bytes)! : bytes);
    return performance.now() - sinceMs;
  }

  /** The first message of a stream, which is left then, and the time to its first byte in milliseconds. */
  async first<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
  ): Promise<{ readonly message: MessageShape<O>; readonly firstByteMs: number }> {
    const { protocol } = this.#target;
    const sinceMs = performance.now();
    const stream = this.#open(method, protocol === "grpc" ? "application/grpc+proto" : "application/connect+proto");
    let firstByteMs: number | undefined;
    stream.once("data", () => {
      firstByteMs = performance.now() - sinceMs;
    });
    const answer = read(stream, (bytes) => firstMessage(bytes) !== undefined);
    stream.end(bytesOf(method.input, request, true));
    const message = firstMessage(await answer);
    if (message === undefined || firstByteMs === undefined) throw new Error(`${method.name} ended without a message`);
    return { message: fromBinary(method.output, message), firstByteMs };
  }

  #open(method: DescMethodUnary | DescMethodServerStreaming, contentType: string): ClientHttp2Stream {
    const { protocol, token } = this.#target;
    return this.#session.request({
      ":method": "POST",
      ":path": `/${method.parent.typeName}/${method.name}`,
      authorization: `Bearer ${token}`,
      "content-type": contentType,
      ...(protocol === "grpc" ? { te: "trailers" } : { "connect-protocol-version": "1" }),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#session.close(resolve));
  }
}

/** All of an answer, or as much as is enough; the call is left then. */
function read(stream: ClientHttp2Stream, isEnough: (bytes: Buffer) => boolean = () => false): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    stream.on("data", (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      if (isEnough(bytes)) stream.close(constants.NGHTTP2_CANCEL);
    });
    stream.on("error", reject);
    stream.once("close", () => resolve(bytes));
  });
}

function bytesOf<I extends DescMessage>(type: I, request: MessageInitShape<I>, isFramed: boolean): Buffer {
  const message = toBinary(type, create(type, request));
  if (!isFramed) return Buffer.from(message);
  const framed = Buffer.alloc(frameHeadBytes + message.length);
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, frameHeadBytes);
  return framed;
}

/** `undefined`: it is not whole yet. */
function firstMessage(bytes: Buffer): Buffer | undefined {
  if (bytes.length < frameHeadBytes) return undefined;
  const end = frameHeadBytes + bytes.readUInt32BE(1);
  return bytes.length < end ? undefined : bytes.subarray(frameHeadBytes, end);
}
