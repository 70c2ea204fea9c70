/**
 * Everything that is taken from the private parts of @grpc/grpc-js, and nothing else does: what it has no option or
 * interceptor for. Nobody promises that these members stay, so each has a test of its name, and a server does not start
 * without one of them (`checkGrpcInternals`).
 *
 * What is done with them is in `grpc-front.ts` (connections), `grpc-gate.ts` (statuses), `grpc-reading.ts` and
 * `grpc-writing.ts` (messages).
 */
import http2 from "node:http2";
import { duplexPair } from "node:stream";
import {
  Server,
  ServerCredentials,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from "@grpc/grpc-js";
import { ServerStartError } from "../connections/listener.ts";

type SendStatus = ServerInterceptingCallInterface["sendStatus"];
type SendMessage = ServerInterceptingCallInterface["sendMessage"];
export type CallStatus = Parameters<SendStatus>[0];

/** What a server of grpc-js keeps to itself. */
interface PrivateServer {
  /** The options with which it makes its HTTP/2 servers. */
  readonly commonServerOptions: http2.ServerOptions;
  /** Its HTTP/2 servers, which it shows nobody. */
  readonly http2Servers: ReadonlyMap<http2.Http2Server, unknown>;
}

/** What a call of grpc-js, as its first interceptor is given it, has beside or behind its interface. */
interface PrivateCall {
  readonly stream: http2.ServerHttp2Stream;
  readonly incomingEncoding: string;
  /** Takes the bytes of the stream apart. */
  decoder: { write(chunk: Buffer): Buffer[] };
  decompressMessage(frame: Buffer, encoding: string): Promise<Uint8Array> | Uint8Array;
  /** Public, but that grpc-js's own statuses come through the object's member as well is nowhere said. */
  sendStatus: SendStatus;
  sendMessage: SendMessage;
}

type Members<Owner> = Readonly<Record<keyof Owner, (value: unknown) => boolean>>;

/** How each member is recognised. */
export const serverMembers: Members<PrivateServer> = {
  commonServerOptions: (value) => typeof value === "object" && value !== null,
  http2Servers: (value) => value instanceof Map,
};
export const callMembers: Members<PrivateCall> = {
  stream: (value) => typeof (value as Partial<http2.ServerHttp2Stream> | undefined)?.respond === "function",
  incomingEncoding: (value) => typeof value === "string",
  decoder: (value) => typeof (value as Partial<PrivateCall["decoder"]> | undefined)?.write === "function",
  decompressMessage: (value) => typeof value === "function",
  sendStatus: (value) => typeof value === "function",
  sendMessage: (value) => typeof value === "function",
};

/** The members that are not as they were, by name. */
export function missingMembers(owner: object, members: Members<unknown>): readonly string[] {
  const found = owner as Readonly<Record<string, unknown>>;
  return Object.entries<(value: unknown) => boolean>(members)
    .filter(([name, isThere]) => !isThere(found[name]))
    .map(([name]) => name);
}

/** Throws a ServerStartError that names what is missing. */
function demand(what: string, owner: object, members: Members<unknown>): void {
  const missing = missingMembers(owner, members);
  if (missing.length === 0) return;
  throw new ServerStartError(
    `this version of @grpc/grpc-js has no ${missing.join(", ")} on its ${what}, without which requests cannot be ` +
      "bounded; install the version that claude-runner's package.json names",
  );
}

/** Bounds every HTTP/2 session of the server. Before it has an HTTP/2 server. */
export function limitSessions(server: Server, limits: http2.ServerOptions): void {
  demand("server", server, serverMembers);
  Object.assign((server as unknown as PrivateServer).commonServerOptions, limits);
}

/** The HTTP/2 server that the server's only injector of connections has made. */
export function http2ServerOf(server: Server): http2.Http2Server {
  const [http2Server] = (server as unknown as PrivateServer).http2Servers.keys();
  if (http2Server === undefined) throw new Error("bug: this server has made no HTTP/2 server yet");
  return http2Server;
}

/** How a call's messages are read, in the place of grpc-js's own way. */
export interface CallReader {
  /** Takes bytes as they come, and gives the messages that are whole, each with its head. */
  write(chunk: Buffer): Buffer[];
  /** The content of such a message. */
  content(frame: Buffer, encoding: string): Promise<Uint8Array> | Uint8Array;
}

/** What happens to each message that leaves; `send` is grpc-js's own way. */
export type CallWriter = (send: SendMessage, message: unknown, isSent: () => void) => void;

/** The private side of one call. */
export class CallInternals {
  readonly #call: PrivateCall;

  /** `call`: as the interceptor next to the wire is given it. */
  constructor(call: ServerInterceptingCallInterface) {
    this.#call = call as unknown as PrivateCall;
  }

  get stream(): http2.ServerHttp2Stream {
    return this.#call.stream;
  }

  /** How the request's messages are packed. grpc-js looks at it only when the first packed one comes. */
  get requestEncoding(): string {
    return this.#call.incomingEncoding;
  }

  readBy(reader: CallReader): void {
    this.#call.decoder = { write: (chunk) => reader.write(chunk) };
    this.#call.decompressMessage = (frame, encoding) => reader.content(frame, encoding);
  }

  /** Every status of the call passes through here, also those that grpc-js sends without asking an interceptor. */
  changeStatuses(change: (made: CallStatus) => CallStatus): void {
    const send = this.#call.sendStatus.bind(this.#call);
    this.#call.sendStatus = (made) => send(change(made));
  }

  /** Puts something before the writing of each message. */
  writeBy(write: CallWriter): void {
    const send = this.#call.sendMessage.bind(this.#call);
    this.#call.sendMessage = (message, isSent) => write(send, message, isSent);
  }
}

let checked: Promise<void> | undefined;

/**
 * Makes one call, in memory, and looks at it: what a call has is not to be seen before there is one, and the first
 * caller is too late to find out. Throws a ServerStartError. Once per process.
 */
export function checkGrpcInternals(): Promise<void> {
  checked ??= lookAtCall((call) => demand("calls", call, callMembers));
  return checked;
}

const probePath = "/claude.runner.Probe/Probe";
const asBytes = (bytes: Buffer) => bytes;

/** Gives `look` a call of a grpc-js server. Rejects with what it throws. */
export async function lookAtCall(look: (call: ServerInterceptingCallInterface) => void): Promise<void> {
  const looked = Promise.withResolvers<void>();
  const interceptor: ServerInterceptor = (_, call) => {
    try {
      look(call);
      looked.resolve();
    } catch (error) {
      looked.reject(error);
    }
    return new ServerInterceptingCall(call);
  };
  const server = new Server({ interceptors: [interceptor], "grpc.enable_channelz": 0 });
  server.addService(
    {
      probe: {
        path: probePath,
        requestStream: false,
        responseStream: false,
        requestSerialize: asBytes,
        requestDeserialize: asBytes,
        responseSerialize: asBytes,
        responseDeserialize: asBytes,
      },
    },
    { probe: () => {} },
  );
  const [near, far] = duplexPair();
  server.createConnectionInjector(ServerCredentials.createInsecure()).injectConnection(far);
  const session = http2.connect("http://probe", { createConnection: () => near });
  session.on("error", looked.reject);
  session.once("close", () => looked.reject(new ServerStartError("@grpc/grpc-js answered no call in memory")));
  const stream = session.request({
    ":method": "POST",
    ":path": probePath,
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => {});
  try {
    await looked.promise;
  } finally {
    session.destroy();
    server.forceShutdown();
  }
}
