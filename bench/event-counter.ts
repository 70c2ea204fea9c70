/**
 * Streams turn after turn from a server and counts what comes, at as little cost as a client can have: frames are
 * counted by their lengths, nothing is decoded. Speaks gRPC and Connect over HTTP/2, which frame messages alike.
 */
import { randomUUID } from "node:crypto";
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { StreamChatRequestSchema } from "../gen/claude/runner/v1/runner_pb.ts";
import { FrameCounter, frameHeadBytes } from "./frame-counter.ts";
import type { ServerTarget, TurnRequest } from "./turn-client.ts";

export type CountedProtocol = "grpc" | "connect";

export interface CounterOptions {
  readonly target: ServerTarget;
  readonly protocol: CountedProtocol;
  readonly streamCount: number;
  readonly request: TurnRequest;
  /** Whether each turn gets a `request_id`, which no other has. */
  readonly namesRequests?: boolean;
}

/** Streams on one connection: as many as a server allows by default. */
const streamsPerConnection = 100;
const windowBytes = 4 * 1024 * 1024;
const path = "/claude.runner.v1.ClaudeRunner/StreamChat";

export class EventCounter {
  eventCount = 0;
  turnCount = 0;
  readonly #options: CounterOptions;
  readonly #sessions: ClientHttp2Session[] = [];
  readonly #open = new Set<ClientHttp2Stream>();
  readonly #allStarted = Promise.withResolvers<void>();
  #startedCount = 0;
  #isClosed = false;
  #failure: Error | undefined;
  /** Of every turn whose request has no name. */
  readonly #body: Buffer;

  constructor(options: CounterOptions) {
    this.#options = options;
    this.#body = bodyOf(options.request);
    this.#allStarted.promise.catch(() => undefined); // Told again by `check`.
  }

  /** Opens the streams. Resolves when each has had its first event. */
  async start(): Promise<void> {
    const { target, protocol, streamCount } = this.#options;
    const port = protocol === "grpc" ? target.grpcPort : target.webPort;
    for (let at = 0; at < streamCount; at++) {
      if (at % streamsPerConnection === 0) this.#sessions.push(this.#connect(port));
      this.#turn(this.#sessions.at(-1)!, true);
    }
    await this.#allStarted.promise;
  }

  /** Throws what went wrong, if something did. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Cancels what runs, and waits until the connections are closed. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const stream of this.#open) stream.close(8 /* CANCEL */);
    await Promise.all(
      this.#sessions.map((session) =>
        session.destroyed ? undefined : new Promise<void>((resolve) => session.close(resolve)),
      ),
    );
  }

  #connect(port: number): ClientHttp2Session {
    const session = connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: windowBytes } });
    session.on("error", (error) => this.#fail(error));
    session.once("connect", () => session.setLocalWindowSize(4 * windowBytes));
    return session;
  }

  #turn(session: ClientHttp2Session, isFirst: boolean): void {
    const { protocol, target, request, namesRequests } = this.#options;
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      authorization: `Bearer ${target.token}`,
      ...(protocol === "grpc"
        ? { "content-type": "application/grpc+proto", te: "trailers" }
        : { "content-type": "application/connect+proto", "connect-protocol-version": "1" }),
    });
    this.#open.add(stream);
    const frames = new FrameCounter();
    let status: string | undefined;
    let mayNoteStart = isFirst;
    stream.on("data", (chunk: Buffer) => {
      this.eventCount += frames.count(chunk);
      if (!mayNoteStart) return;
      mayNoteStart = false;
      this.#startedCount += 1;
      if (this.#startedCount === this.#options.streamCount) this.#allStarted.resolve();
    });
    // A refusal has its status in the only headers.
    const note = (headers: Record<string, unknown>) => {
      if (headers["grpc-status"] !== undefined) status = `${headers["grpc-status"]} ${headers["grpc-message"] ?? ""}`;
    };
    stream.on("response", note);
    stream.on("trailers", note);
    stream.on("error", (error) => this.#fail(error));
    stream.once("close", () => {
      this.#open.delete(stream);
      if (this.#isClosed) return;
      const failure = protocol === "grpc" ? (status?.startsWith("0") ? undefined : status) : frames.connectError();
      if (failure !== undefined || stream.rstCode !== 0) {
        return this.#fail(new Error(`a turn failed: ${failure ?? `reset ${stream.rstCode}`}`));
      }
      this.turnCount += 1;
      this.#turn(session, false);
    });
    stream.end(namesRequests ? bodyOf({ ...request, requestId: randomUUID() }) : this.#body);
  }

  #fail(error: Error): void {
    if (this.#isClosed) return;
    this.#failure ??= error;
    this.#allStarted.reject(error);
  }
}

/** The request as the one frame of a call. */
function bodyOf(request: TurnRequest): Buffer {
  const message = toBinary(StreamChatRequestSchema, create(StreamChatRequestSchema, request));
  const body = Buffer.alloc(frameHeadBytes + message.length);
  body.writeUInt32BE(message.length, 1);
  body.set(message, frameHeadBytes);
  return body;
}
