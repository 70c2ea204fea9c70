/**
 * Calls StreamChat and says how it ended, at as little cost as a client can have: nothing of the answer is decoded but the
 * reason of a failure. For loads of which much is refused.
 */
import { type ClientHttp2Session, connect } from "node:http2";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { StreamChatRequestSchema } from "../gen/claude/runner/v1/runner_pb.ts";
import { ErrorInfoSchema } from "../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../gen/google/rpc/status_pb.ts";
import { frameHeadBytes } from "./frame-counter.ts";
import type { TurnRequest } from "./turn-client.ts";

export interface CallOptions {
  readonly token: string;
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

export interface CallOutcome {
  /** `OK`; `CANCELLED` when the caller cancelled; else the reason of the failure, or its status. */
  readonly reason: string;
  /** Whether anything of an answer came. */
  readonly hadBegun: boolean;
}

const path = "/claude.runner.v1.ClaudeRunner/StreamChat";
const windowBytes = 4 * 1024 * 1024;

/** A request as it is sent. */
export function requestBody(request: TurnRequest): Buffer {
  const message = toBinary(StreamChatRequestSchema, create(StreamChatRequestSchema, request));
  const body = Buffer.alloc(frameHeadBytes + message.length);
  body.writeUInt32BE(message.length, 1);
  body.set(message, frameHeadBytes);
  return body;
}

export class OutcomeClient implements Disposable {
  readonly #session: ClientHttp2Session;

  /** One connection to the gRPC port. */
  constructor(port: number) {
    this.#session = connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: windowBytes } });
    this.#session.on("error", () => undefined); // Told by the streams.
    this.#session.setMaxListeners(0);
  }

  /** Never rejects. */
  call(body: Buffer, { token, deadlineMs, signal }: CallOptions): Promise<CallOutcome> {
    return new Promise((resolve) => {
      const stream = this.#session.request({
        ":method": "POST",
        ":path": path,
        "content-type": "application/grpc+proto",
        te: "trailers",
        authorization: `Bearer ${token}`,
        ...(deadlineMs !== undefined && { "grpc-timeout": `${Math.round(deadlineMs)}m` }),
      });
      let reason: string | undefined;
      let hadBegun = false;
      const note = (headers: Record<string, unknown>) => {
        if (headers["grpc-status"] !== undefined) reason = reasonOf(headers);
      };
      const cancel = () => {
        reason ??= "CANCELLED";
        stream.close(8 /* CANCEL */);
      };
      stream.on("response", note);
      stream.on("trailers", note);
      stream.on("data", () => {
        hadBegun = true;
      });
      stream.on("error", () => undefined); // `close` follows.
      stream.once("close", () => {
        signal?.removeEventListener("abort", cancel);
        resolve({ reason: reason ?? `RESET_${stream.rstCode}`, hadBegun });
      });
      if (signal?.aborted) cancel();
      else signal?.addEventListener("abort", cancel, { once: true });
      stream.end(body);
    });
  }

  [Symbol.dispose](): void {
    this.#session.destroy();
  }
}

function reasonOf(headers: Record<string, unknown>): string {
  const status = String(headers["grpc-status"]);
  if (status === "0") return "OK";
  const details = headers["grpc-status-details-bin"];
  if (typeof details === "string") {
    for (const detail of fromBinary(StatusSchema, Buffer.from(details, "base64")).details) {
      const info = anyUnpack(detail, ErrorInfoSchema);
      if (info !== undefined) return info.reason;
    }
  }
  return `STATUS_${status}`;
}
