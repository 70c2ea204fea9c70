/**
 * The handlers behind @grpc/grpc-js: the gRPC port.
 *
 * A thin adapter: it turns a call into `(request, context)`, pulls the handler's events only as fast as the client
 * reads, and sends no headers before the first one, so that an early failure is a single trailers frame which a client
 * may retry. Who may call and what happens to statuses that grpc-js makes is in `gate-call.ts`; sockets and TLS are in
 * `listener.ts`.
 */
import type { Socket } from "node:net";
import { create, type DescMessage, type DescMethod, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import {
  type handleServerStreamingCall,
  type handleUnaryCall,
  logVerbosity,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  setLogVerbosity,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import type { Settings } from "../../config/settings.ts";
import type { CallContext, ServedService } from "../../service/calls.ts";
import { cancelledByCaller, statusOf, throwIfOver } from "../calls/call-errors.ts";
import { handlerOf, type ServerCore, streamsRequests, streamsResponses } from "../calls/core.ts";
import type { Connections } from "../connections/connections.ts";
import { maxResponseBytes } from "../limits.ts";
import type { AdmittedCall } from "./gate-call.ts";
import { frontedInjector } from "./grpc-front.ts";
import { type GrpcGate, grpcGate } from "./grpc-gate.ts";
import { grpcError, headersOf, metadataOf } from "./grpc-metadata.ts";

type OnceCall = ServerUnaryCall<Message, Message> & ServerReadableStream<Message, Message>;
type StreamCall = ServerWritableStream<Message, Message | Buffer> & ServerDuplexStream<Message, Message | Buffer>;
type Init = Record<string, unknown>;

export interface GrpcServer {
  readonly server: Server;
  /** Takes a connection that has been accepted, and whose TLS handshake is done. */
  readonly accept: (socket: Socket) => void;
}

/** The gRPC server without a listener. */
export function grpcServer(core: ServerCore, settings: Settings, connections: Connections): GrpcServer {
  // It would print what is wrong with a peer's metadata to the console, values included.
  setLogVerbosity(logVerbosity.NONE);
  const gate = grpcGate(core, connections);
  const server = new Server({
    interceptors: [gate.interceptor],
    "grpc.max_receive_message_length": settings.calls.maxRequestBytes,
    "grpc.max_send_message_length": maxResponseBytes,
    "grpc.max_concurrent_streams": settings.grpc.maxConcurrentStreams,
    "grpc.keepalive_time_ms": settings.grpc.keepaliveTimeMs,
    "grpc.keepalive_timeout_ms": settings.grpc.keepaliveTimeoutMs,
    // Tracing every call for channelz costs memory, and nothing of ours reads it.
    "grpc.enable_channelz": 0,
    ...(settings.grpc.maxConnectionAgeMs > 0 && {
      "grpc.max_connection_age_ms": settings.grpc.maxConnectionAgeMs,
      // As long as the longest turn, so that a connection's age never ends one.
      "grpc.max_connection_age_grace_ms": settings.calls.maxTimeoutMs,
    }),
  });
  for (const served of core.services) {
    server.addService(serviceDefinition(served.service.methods), implementation(served, gate, core));
  }
  // Our own listener: it knows its address, bounds connections, takes new certificates and says what is wrong with a port.
  const paths = new Set(
    core.services.flatMap(({ service }) => service.methods.map(({ name }) => `/${service.typeName}/${name}`)),
  );
  const injector = frontedInjector(server, ServerCredentials.createInsecure(), connections, core.clock, (path) =>
    paths.has(path),
  );
  return { server, accept: (socket) => injector.injectConnection(socket) };
}

/** Requests are decoded by the gate, which knows the method's bounds. */
const asSent = (bytes: Buffer) => bytes;

/** What comes encoded goes as it is. */
const encode = (type: DescMessage) => (message: Message | Buffer) => {
  if (Buffer.isBuffer(message)) return message;
  const bytes = toBinary(type, message);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength); // no copy
};

/** A protobuf-es service descriptor in the shape grpc-js wants; no second code generator. */
export function serviceDefinition(methods: readonly DescMethod[]): ServiceDefinition {
  return Object.fromEntries(
    methods.map((method) => [
      method.localName,
      {
        path: `/${method.parent.typeName}/${method.name}`,
        originalName: method.localName,
        requestStream: streamsRequests(method),
        responseStream: streamsResponses(method),
        requestSerialize: encode(method.input),
        requestDeserialize: asSent,
        responseSerialize: encode(method.output),
        responseDeserialize: (bytes: Buffer) => fromBinary(method.output, bytes),
      },
    ]),
  );
}

function implementation(served: ServedService, gate: GrpcGate, core: ServerCore): UntypedServiceImplementation {
  return Object.fromEntries(
    served.service.methods.map((method) => {
      const answer = streamsResponses(method) ? answerStream : answerOnce;
      return [method.localName, answer(method, served, gate, core)];
    }),
  ) as UntypedServiceImplementation;
}

function answerOnce(
  method: DescMethod,
  served: ServedService,
  gate: GrpcGate,
  core: ServerCore,
): handleUnaryCall<Message, Message> {
  const handler = handlerOf(served, method.localName);
  const path = `/${served.service.typeName}/${method.name}`;
  return async (unaryCall, reply) => {
    const call = unaryCall as OnceCall;
    const admitted = gate.admitted(call.metadata);
    const leave = enter(admitted, served, core);
    const context = contextOf(call, admitted, core);
    try {
      const response = (await handler(inputOf(call, method, context.signal), context)) as Init;
      throwIfOver(context.signal);
      sendHeader(call, context);
      reply(null, create(method.output, response), metadataOf(context.responseTrailer));
    } catch (error) {
      sendHeader(call, context);
      reply(grpcError(statusOf(error, path, core.log, context.signal), context.responseTrailer));
    } finally {
      leave();
    }
  };
}

function answerStream(
  method: DescMethod,
  served: ServedService,
  gate: GrpcGate,
  core: ServerCore,
): handleServerStreamingCall<Message, Message> {
  const handler = handlerOf(served, method.localName);
  const path = `/${served.service.typeName}/${method.name}`;
  return async (serverCall) => {
    const call = serverCall as StreamCall;
    const admitted = gate.admitted(call.metadata);
    const { signal } = admitted.abort;
    const leave = enter(admitted, served, core);
    // One listener for the whole call, not one per blocked write.
    let wake: (() => void) | undefined;
    const poke = () => wake?.();
    call.on("drain", poke);
    signal.addEventListener("abort", poke);
    const context = contextOf(call, admitted, core);
    let hasBegun = false;
    try {
      const input = inputOf(call, method, signal);
      for await (const event of handler(input, context) as AsyncIterable<Init | Buffer>) {
        throwIfOver(signal);
        if (!hasBegun) sendHeader(call, context);
        hasBegun = true;
        if (!call.write(Buffer.isBuffer(event) ? event : create(method.output, event))) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          throwIfOver(signal);
        }
      }
      throwIfOver(signal);
      if (!hasBegun) sendHeader(call, context);
      call.end(metadataOf(context.responseTrailer));
    } catch (error) {
      const status = statusOf(error, path, core.log, signal);
      if (!hasBegun) sendHeader(call, context);
      if (!call.cancelled) call.emit("error", grpcError(status, context.responseTrailer));
    } finally {
      leave();
    }
  };
}

function contextOf(call: OnceCall | StreamCall, { abort, caller }: AdmittedCall, { clock }: ServerCore): CallContext {
  const endsAtMs = Number(call.getDeadline()); // Infinity when the caller set none
  const responseHeader = new Headers();
  return {
    signal: abort.signal,
    requestHeader: headersOf(call.metadata),
    responseHeader,
    responseTrailer: new Headers(),
    // grpc-js sends headers once, whoever asks for it.
    begin: () => call.sendMetadata(metadataOf(responseHeader)),
    protocolName: "grpc",
    takes: "bytes",
    timeoutMs: () => (Number.isFinite(endsAtMs) ? endsAtMs - clock.wallNow() : undefined),
    endCall: (status) => abort.abort(status),
    caller,
  };
}

/** What the handler is given: the request, or the requests as they come. */
function inputOf(call: OnceCall | StreamCall, method: DescMethod, signal: AbortSignal): unknown {
  return streamsRequests(method) ? requestsOf(call, signal) : call.request;
}

/** A handler that wants no more requests still has its say: the call is not destroyed then. */
async function* requestsOf(call: OnceCall | StreamCall, signal: AbortSignal): AsyncGenerator<Message, void> {
  try {
    for await (const request of call.iterator({ destroyOnReturn: false })) yield request as Message;
  } catch {
    // The only way in which reading fails: the client has gone, or the call was ended.
    throw signal.aborted ? signal.reason : cancelledByCaller();
  }
}

/** Before the first message. Without any, grpc-js sends what it must by itself. */
function sendHeader(call: OnceCall | StreamCall, { responseHeader }: CallContext): void {
  if (!responseHeader.keys().next().done) call.sendMetadata(metadataOf(responseHeader));
}

/** Counts the call until its handler has ended and its last byte has left. */
function enter(admitted: AdmittedCall, { isEndedAtDrain }: ServedService, core: ServerCore): () => void {
  const handled = Promise.withResolvers<void>();
  const remove = core.openCalls.add({ isEndedAtDrain, end: (reason) => admitted.abort.abort(reason) });
  void Promise.all([handled.promise, admitted.closed]).then(remove);
  return () => {
    handled.resolve();
    admitted.answered();
  };
}
