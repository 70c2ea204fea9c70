/**
 * What claude-runner takes from the private parts of @grpc/grpc-js, member by member: a test that fails here names what
 * an update has removed, or no longer uses.
 */
import { once } from "node:events";
import { connect as connectHttp2, constants, type IncomingHttpHeaders } from "node:http2";
import { type AddressInfo, createServer } from "node:net";
import { Server, ServerCredentials, ServerInterceptingCall, type ServerInterceptingCallInterface } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  CallInternals,
  callMembers,
  checkGrpcInternals,
  http2ServerOf,
  limitSessions,
  lookAtCall,
  missingMembers,
  serverMembers,
} from "../../../src/server/grpc/grpc-internals.ts";

type Handler = (request: Buffer, reply: (error: object | null, response?: Buffer) => void) => void;

/** A server of grpc-js as it is, on a loopback port, with one method that takes and gives bytes. */
class PlainServer {
  readonly server: Server;
  readonly #listener = createServer((socket) => this.accept(socket));
  accept: (socket: import("node:net").Socket) => void = () => {};
  /** Looks at each call before grpc-js starts it. */
  onCall: (internals: CallInternals, call: ServerInterceptingCallInterface) => void = () => {};
  handle: Handler = (request, reply) => reply(null, request);

  constructor() {
    this.server = new Server({
      interceptors: [
        (_, call) => {
          this.onCall(new CallInternals(call), call);
          return new ServerInterceptingCall(call);
        },
      ],
    });
    const asBytes = (bytes: Buffer) => bytes;
    this.server.addService(
      {
        echo: {
          path: "/test.Echo/Echo",
          requestStream: false,
          responseStream: false,
          requestSerialize: asBytes,
          requestDeserialize: asBytes,
          responseSerialize: asBytes,
          responseDeserialize: asBytes,
        },
      },
      {
        echo: (call: { request: Buffer }, reply: Parameters<Handler>[1]) => this.handle(call.request, reply),
      },
    );
  }

  async open(): Promise<void> {
    const injector = this.server.createConnectionInjector(ServerCredentials.createInsecure());
    this.accept = (socket) => injector.injectConnection(socket);
    this.#listener.listen(0, "127.0.0.1");
    await once(this.#listener, "listening");
  }

  async call(message: string, headers: Record<string, string> = {}, flags = 0) {
    const session = connectHttp2(`http://127.0.0.1:${(this.#listener.address() as AddressInfo).port}`);
    const stream = session.request({
      ":method": "POST",
      ":path": "/test.Echo/Echo",
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    });
    let said: IncomingHttpHeaders = {};
    const note = (more: IncomingHttpHeaders) => {
      said = { ...said, ...more };
    };
    stream.on("response", note).on("trailers", note);
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    const head = Buffer.from([flags, 0, 0, 0, message.length]);
    stream.end(Buffer.concat([head, Buffer.from(message)]));
    try {
      await once(stream, "close");
    } finally {
      const gone = once(session, "close");
      session.close();
      await gone;
    }
    return {
      status: Number(said["grpc-status"]),
      words: decodeURI(String(said["grpc-message"])),
      text: Buffer.concat(chunks).subarray(5).toString(),
    };
  }

  close(): void {
    this.#listener.close();
    this.server.forceShutdown();
  }
}

let plain: PlainServer;
beforeEach(() => {
  plain = new PlainServer();
});
afterEach(() => plain.close());

describe("a server of grpc-js", () => {
  it.each(Object.entries(serverMembers))("grpc-js still has `%s` on a server", (name, isThere) => {
    expect((plain.server as unknown as Record<string, unknown>)[name]).toSatisfy(isThere);
  });

  it("grpc-js still makes its HTTP/2 servers with `commonServerOptions`", async () => {
    limitSessions(plain.server, { settings: { maxConcurrentStreams: 7 } });
    await plain.open();
    const allowed: unknown[] = [];
    http2ServerOf(plain.server).on("session", (session) => {
      session.on("localSettings", ({ maxConcurrentStreams }) => allowed.push(maxConcurrentStreams));
    });
    await plain.call("hello");
    expect(allowed).toEqual([7]);
  });

  it("grpc-js still answers on the HTTP/2 server that is in `http2Servers`", async () => {
    await plain.open();
    const paths: unknown[] = [];
    http2ServerOf(plain.server).on("stream", (_, headers) => paths.push(headers[":path"]));
    await plain.call("hello");
    expect(paths).toEqual(["/test.Echo/Echo"]);
  });

  it.each(Object.keys(serverMembers))("a server without `%s` does not start, and says what is missing", (name) => {
    const broken = Object.fromEntries(
      Object.keys(serverMembers).map((key) => [key, key === name ? undefined : Reflect.get(plain.server, key)]),
    );
    expect(() => limitSessions(broken as unknown as Server, {})).toThrow(
      `this version of @grpc/grpc-js has no ${name} on its server`,
    );
  });
});

describe("a call of grpc-js", () => {
  const looked = async (): Promise<object> => {
    let seen: object = {};
    plain.onCall = (_, call) => {
      seen = {
        ...call,
        ...Object.fromEntries(Object.keys(callMembers).map((name) => [name, Reflect.get(call, name)])),
      };
    };
    await plain.open();
    await plain.call("hello");
    return seen;
  };

  it.each(Object.entries(callMembers))("grpc-js still has `%s` on a call", async (name, isThere) => {
    expect(Reflect.get(await looked(), name)).toSatisfy(isThere);
  });

  it("grpc-js still answers on the `stream` of a call", async () => {
    plain.onCall = ({ stream }) => stream.close(constants.NGHTTP2_REFUSED_STREAM);
    await plain.open();
    await expect(plain.call("hello")).rejects.toMatchObject({ code: "ERR_HTTP2_STREAM_ERROR" });
  });

  it("grpc-js still puts the request's encoding into `incomingEncoding`", async () => {
    const seen: string[] = [];
    plain.onCall = ({ requestEncoding }) => void seen.push(requestEncoding);
    await plain.open();
    await plain.call("hello");
    await plain.call("hello", { "grpc-encoding": "odd" });
    expect(seen).toEqual(["identity", "odd"]);
  });

  it("grpc-js still reads its messages by `decoder` and unpacks them by `decompressMessage`", async () => {
    const seen: unknown[] = [];
    plain.onCall = (internals) =>
      internals.readBy({
        write(chunk) {
          seen.push(chunk.toString("latin1", 5));
          return [chunk];
        },
        content(frame, encoding) {
          seen.push(encoding);
          return Buffer.from(`${frame.subarray(5)}, unpacked`);
        },
      });
    await plain.open();
    expect(await plain.call("hello", { "grpc-encoding": "odd" }, 1)).toMatchObject({ text: "hello, unpacked" });
    expect(seen).toEqual(["hello", "odd"]);
  });

  it("grpc-js still sends its own statuses by the call's `sendStatus`", async () => {
    plain.onCall = (internals) => internals.changeStatuses((made) => ({ ...made, details: `ours for ${made.code}` }));
    plain.handle = () => {}; // never answers
    await plain.open();
    expect(await plain.call("hello", { "grpc-timeout": "10m" })).toMatchObject({ status: 4, words: "ours for 4" });
  });

  it("grpc-js still writes messages by the call's `sendMessage`", async () => {
    plain.onCall = (internals) =>
      internals.writeBy((send, message, isSent) => send(Buffer.from(`${message}, written`), isSent));
    await plain.open();
    expect(await plain.call("hello")).toMatchObject({ status: 0, text: "hello, written" });
  });
});

describe("the look at grpc-js before a start", () => {
  it("finds everything in the version that is installed", async () => {
    await checkGrpcInternals();
  });

  it("sees a real call, and names what one has lost", async () => {
    let missing: readonly string[] = [];
    await lookAtCall((call) => {
      missing = missingMembers(Object.assign(Object.create(call), { decoder: {}, stream: undefined }), callMembers);
    });
    expect(missing).toEqual(["stream", "decoder"]);
  });

  it("rejects with what was wrong with the call", async () => {
    const look = () => {
      throw new Error("no stream");
    };
    await expect(lookAtCall(look)).rejects.toThrow("no stream");
  });
});
