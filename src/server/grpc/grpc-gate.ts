/**
 * What happens to a call on the gRPC port before its handler, and to a status that no handler made.
 *
 * A grpc-js interceptor: it asks for the token when only the headers have come, takes a place for the call, bounds headers
 * and the bytes of requests that are being read, and gives the statuses that grpc-js makes by itself (too large, undecodable, deadline)
 * the details that ours have.
 *
 * What grpc-js does not allow: it hands on whole messages only, so counting bytes as they arrive needs the HTTP/2
 * stream, which it keeps in a private field (`streamOf`). Without it a request would count with the largest size.
 * What a stream must keep to before grpc-js sees it is in `grpc-front.ts`.
 */
import type { ServerHttp2Stream } from "node:http2";
import type { DescMethod, Message } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  status,
} from "@grpc/grpc-js";
import { RunnerError } from "../../runner-error.ts";
import type { Caller, ServedService } from "../../service/calls.ts";
import { toConnectError } from "../../service/errors.ts";
import { cancelledByCaller, libraryError, statusOf } from "../call-errors.ts";
import type { Connections } from "../connections.ts";
import type { ServerCore } from "../core.ts";
import { endStalled, endUnread } from "../h2-session.ts";
import { maxHeaderBytes } from "../limits.ts";
import { grpcStatus, metadataBytes } from "./grpc-metadata.ts";
import { readWithin } from "./grpc-reading.ts";
import { writeTogether } from "./grpc-writing.ts";

type Status = Parameters<ServerInterceptingCallInterface["sendStatus"]>[0];

/** What grpc-js decompresses. */
const knownEncodings: ReadonlySet<string> = new Set(["identity", "deflate", "gzip"]);

/** A call that has been let in. */
export interface AdmittedCall {
  readonly caller: Caller | undefined;
  /** Aborts when the call is over, or has to be. */
  readonly abort: AbortController;
  /** Resolves when the last byte has left, or never will. */
  readonly closed: Promise<void>;
  /** Whether the handler has ended, so that the end of the call is nothing to tell it. */
  isHandled: boolean;
  /** Cuts the call off if its client does not read the status soon. */
  readonly endStalled: () => void;
}

export interface GrpcGate {
  readonly interceptor: ServerInterceptor;
  /** The call with this metadata: the same object that its handler sees. */
  admitted(metadata: Metadata): AdmittedCall;
}

export function grpcGate(core: ServerCore, connections: Connections): GrpcGate {
  const methods = new Map<string, { readonly served: ServedService; readonly desc: DescMethod }>();
  for (const served of core.services) {
    for (const desc of served.service.methods)
      methods.set(`/${served.service.typeName}/${desc.name}`, { served, desc });
  }
  const calls = new WeakMap<Metadata, AdmittedCall>();

  const interceptor: ServerInterceptor = (method, call) => {
    const { served, desc } = methods.get(method.path)!; // grpc-js has refused all others
    const bounds = core.decoder.boundsOf(desc);
    const stream = streamOf(call);
    const abort = new AbortController();
    const closed = Promise.withResolvers<void>();
    // What a handler or this gate says stands as it is.
    const ours = new WeakSet<Status>();
    let hasRequest = false;
    let isRead = false;
    let admitted: AdmittedCall | undefined;
    let leave = () => {};

    const end = (error: ConnectError) => {
      abort.abort(error);
      const status = grpcStatus(error);
      ours.add(status);
      call.sendStatus(status);
    };
    const reading = core.requestBytes.begin(method.requestStream ? undefined : (error) => end(toConnectError(error)));
    const read = (byteCount: number) => {
      try {
        reading.add(byteCount);
      } catch (error) {
        end(statusOf(error, method.path, core.log));
      }
    };
    readWithin(call, bounds, {
      unpacked: read,
      broken: (error) => end(statusOf(error, method.path, core.log)),
    });
    if (stream !== undefined) writeTogether(call, stream);
    overrideStatus(call, (made) => {
      // grpc-js would say "OK", and a message beside status 0 is against the protocol.
      if (made.code === status.OK) return { ...made, details: "" };
      // A write that failed because the client has gone is no failure of ours, and nobody hears its status.
      const isGone = stream?.destroyed === true;
      const meant = isGone || ours.has(made) ? undefined : meaning(made, hasRequest, core.maxRequestBytes);
      if (meant === undefined) return made;
      if (meant.code === Code.Internal) core.log.error({ path: method.path, cause: made.details }, "grpc-js failed");
      abort.abort(meant);
      return grpcStatus(meant);
    });

    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata(metadata, pass) {
            try {
              if (metadataBytes(metadata) > maxHeaderBytes) {
                throw new RunnerError("REQUEST_TOO_LARGE", `the headers are larger than ${maxHeaderBytes} bytes`, {
                  facts: { limitBytes: maxHeaderBytes },
                });
              }
              if (!knownEncodings.has(encodingOf(call))) {
                throw new ConnectError(
                  `messages compressed by ${encodingOf(call)} are not understood`,
                  Code.Unimplemented,
                  {
                    "grpc-accept-encoding": [...knownEncodings].join(","),
                  },
                );
              }
              const caller = served.isOpen
                ? undefined
                : core.authenticate(metadata.get("authorization").join(", ") || undefined);
              const connection = connections.of(call.getConnectionInfo());
              if (caller !== undefined) connection.authenticated();
              const address = connection.clientOf((name) => metadata.get(name).join(",") || undefined);
              const holder = { address, tenant: caller?.tenant };
              const giveBack = core.callPlaces.take(holder);
              const isOver = connection.began();
              leave = () => {
                giveBack();
                isOver();
              };
              reading.belongsTo(holder);
              admitted = {
                caller,
                abort,
                closed: closed.promise,
                isHandled: false,
                endStalled: () => stream && endStalled(stream),
              };
              calls.set(metadata, admitted);
            } catch (error) {
              // The body is never read: it stays in the peer's flow control window.
              return end(statusOf(error, method.path, core.log));
            }
            if (stream === undefined) read(bounds.maxBytes);
            else stream.on("data", (chunk: Buffer) => read(chunk.length));
            pass(metadata);
          },
          onReceiveMessage(message, pass) {
            reading.consumed();
            let request: Message;
            try {
              request = core.decoder.binary(desc, message as Uint8Array, bounds);
            } catch (error) {
              return end(statusOf(error, method.path, core.log));
            }
            hasRequest = true;
            pass(request);
          },
          onReceiveHalfClose(pass) {
            isRead = true;
            if (!method.requestStream) reading.done();
            pass();
          },
          onCancel() {
            // Comes at the end of every call, also of one that ended well.
            reading.done();
            leave();
            if (admitted?.isHandled === false) abort.abort(cancelledByCaller());
            closed.resolve();
            // grpc-js would go on reading and throwing away what nobody wants any more, for as long as it is sent.
            if (!isRead && stream !== undefined) endUnread(stream);
          },
        }),
      sendStatus(status, next) {
        ours.add(status);
        next(status);
      },
    });
  };

  return {
    interceptor,
    admitted(metadata) {
      const call = calls.get(metadata);
      if (call === undefined) throw new Error("bug: a call got past the gate");
      return call;
    },
  };
}

/** Every status of a call passes through here, also those that grpc-js sends without asking an interceptor. */
function overrideStatus(call: ServerInterceptingCallInterface, change: (made: Status) => Status): void {
  const send = call.sendStatus.bind(call);
  call.sendStatus = (made) => send(change(made));
}

/** What a status that grpc-js made by itself means in our words. */
function meaning(made: Status, hasRequest: boolean, maxRequestBytes: number): ConnectError | undefined {
  const code = made.code ?? status.UNKNOWN;
  return libraryError(code as number as Code, made.details ?? "", { hasRequest, maxRequestBytes });
}

/** Of the request's messages. grpc-js keeps it to itself and would notice only at the first compressed one. */
function encodingOf(call: ServerInterceptingCallInterface): string {
  return (call as { readonly incomingEncoding?: string }).incomingEncoding ?? "identity";
}

function streamOf(call: ServerInterceptingCallInterface): ServerHttp2Stream | undefined {
  return (call as { readonly stream?: ServerHttp2Stream }).stream;
}
