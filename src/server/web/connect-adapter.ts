/**
 * The handlers behind Connect: the web port's Connect, gRPC-Web, JSON and gRPC.
 *
 * Request handlers of our own instead of `connectNodeAdapter`, which prints to the console when a client vanishes and
 * cannot count what is open. Sockets are in `web-listener.ts`, how an answer is written in `web-answer.ts`.
 */
import { createRegistry, type DescMethod, type Message } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createConnectRouter,
  createContextValues,
  type HandlerContext,
  type ServiceImpl,
} from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { compressionGzip, universalRequestFromNodeRequest } from "@connectrpc/connect-node";
import type { CallContext, ServedService } from "../../service/calls.ts";
import { cancelledByCaller, deadlinePassed, statusOf, throwIfOver } from "../calls/call-errors.ts";
import { handlerOf, type ServerCore, streamsRequests, streamsResponses } from "../calls/core.ts";
import { clampedGrpcTimeout, longestTimerMs } from "../calls/header-rules.ts";
import type { WebHandler } from "../calls/http-exchange.ts";
import type { Connections } from "../connections/connections.ts";
import { maxResponseBytes } from "../limits.ts";
import { describeErrors } from "./connect-errors.ts";
import { textStreamOf } from "./text-stream.ts";
import { sendAnswer, withPlainStatus } from "./web-answer.ts";
import { bodyChunks } from "./web-body.ts";
import { WebCall, webCallKey, webCallOf } from "./web-call.ts";
import { WebIntake } from "./web-intake.ts";
import { answerUnspoken } from "./web-others.ts";
import type { WebRoute } from "./web-route.ts";

/** The methods of all services, each at its path. */
export function callsRoute(core: ServerCore, connections: Connections): WebRoute {
  const byName = new Map(core.services.map((served) => [served.service.typeName, served]));
  const router = createConnectRouter({
    // What Connect gets is unpacked already (`web-intake.ts`).
    acceptCompression: [{ ...compressionGzip, decompress: async (bytes) => new Uint8Array(bytes) }],
    // A google.protobuf.Any in JSON can hold what the services themselves know.
    jsonOptions: { registry: createRegistry(...core.services.map(({ service }) => service.file)) },
    readMaxBytes: core.maxRequestBytes,
    writeMaxBytes: maxResponseBytes,
    requestGate: (context) => gate(context, byName.get(context.service.typeName), core),
  });
  for (const served of core.services) addMethods(router, served, core);
  const handlers = new Map(
    router.handlers.map((handler) => [handler.requestPath, callHandler(handler, core, connections)]),
  );
  return { handlerOf: (_, path) => handlers.get(path) };
}

/** Answers the requests to one method. */
function callHandler(handler: UniversalHandler, core: ServerCore, connections: Connections): WebHandler {
  const { method, requestPath: path } = handler;
  return (request, response) => {
    // Connect would take a GET for a method without side effects: a request that a link or a picture can make.
    if (request.method !== "POST") return answerUnspoken(request, response, method);
    const call = new WebCall({ request, response, method, core, connections });
    const { abort, reading } = call;
    const values = createContextValues().set(webCallKey, call);
    const universal = universalRequestFromNodeRequest(request, response, undefined, values);
    clampTimeout(universal.header);
    const intake = new WebIntake({
      method,
      header: universal.header,
      // Streams of requests are bounded by the size of a message, and by how fast the handler takes them.
      chunks: bodyChunks(request, { reading, isCounted: !streamsRequests(method), signal: abort.signal }),
      decoder: core.decoder,
      reading,
      signal: abort.signal,
      statusOf: (error) => statusOf(error, path, core.log),
    });
    call.intake = intake;
    // The placeholder that Connect reads has a length of its own.
    const header = new Headers(universal.header);
    header.delete("content-length");
    const textStream = textStreamOf(request, method);
    call.textStream = textStream;
    const read = { header, body: intake.body };
    // nginx would hold a stream back until it ends.
    if (streamsResponses(method)) response.setHeader("x-accel-buffering", "no");
    handler({ ...universal, ...(textStream?.asConnects(read) ?? read) })
      .then((answer) => textStream?.answer(answer) ?? answer)
      .then((answer) => (intake.wasTooLarge ? withPlainStatus(answer, request) : answer))
      .then((answer) =>
        answer.status === 415
          ? answerUnspoken(request, response, method)
          : sendAnswer(answer, { request, response, signal: abort.signal, clock: core.clock }),
      )
      .catch((error: unknown) => {
        if (!call.isClosed) core.log.error({ path, err: error }, "an answer could not be sent");
        response.destroy();
      });
  };
}

/** Before the body is read: who calls, and details for what Connect finds wrong by itself. */
function gate(context: HandlerContext, served: ServedService | undefined, core: ServerCore): void {
  const call = webCallOf(context);
  describeErrors(context, call, core.maxRequestBytes);
  try {
    const authorization = context.requestHeader.get("authorization") ?? undefined;
    call.letIn(served?.isOpen ? undefined : core.authenticate(authorization));
  } catch (error) {
    const status = statusOf(error, context.url, core.log);
    if (status.code === Code.Unauthenticated) status.metadata.set("www-authenticate", "Bearer");
    throw status;
  }
}

function addMethods(router: ConnectRouter, served: ServedService, core: ServerCore): void {
  const methods = served.service.methods.map((method) => [
    method.localName,
    streamsResponses(method) ? answerStream(method, served, core) : answerOnce(method, served, core),
  ]);
  router.service(served.service, Object.fromEntries(methods) as ServiceImpl<typeof served.service>);
}

function answerOnce(method: DescMethod, served: ServedService, core: ServerCore) {
  const handler = handlerOf(served, method.localName);
  const path = `/${served.service.typeName}/${method.name}`;
  return async (input: unknown, context: HandlerContext) => {
    const { call, intake, failed, leave } = enter(context, served, core);
    try {
      const request = requestOf(method, input, intake);
      const response = await handler(request, call);
      throwIfOver(call.signal);
      return response;
    } catch (error) {
      throw failed(statusOf(error, path, core.log, call.signal));
    } finally {
      leave();
    }
  };
}

function answerStream(method: DescMethod, served: ServedService, core: ServerCore) {
  const handler = handlerOf(served, method.localName);
  const path = `/${served.service.typeName}/${method.name}`;
  return async function* (input: unknown, context: HandlerContext) {
    const { call, intake, failed, leave } = enter(context, served, core);
    const { textStream } = webCallOf(context);
    try {
      const request = requestOf(method, input, intake);
      textStream?.opens(request);
      for await (const event of handler(request, call) as AsyncIterable<unknown>) {
        throwIfOver(call.signal);
        textStream?.passes(event);
        yield event;
        throwIfOver(call.signal);
      }
      throwIfOver(call.signal);
    } catch (error) {
      throw failed(statusOf(error, path, core.log, call.signal));
    } finally {
      leave();
    }
  };
}

/** What the handler is given in the place of Connect's empty messages. */
function requestOf(method: DescMethod, input: unknown, intake: WebIntake): unknown {
  return streamsRequests(method) ? taken(input as AsyncIterable<unknown>, intake) : intake.take();
}

async function* taken(placeholders: AsyncIterable<unknown>, intake: WebIntake): AsyncGenerator<Message> {
  for await (const _ of placeholders) yield intake.take();
}

/** Counts the call until its handler has ended and its last byte has left, and gives it a signal with our reasons. */
function enter(context: HandlerContext, { isEndedAtDrain }: ServedService, core: ServerCore) {
  const webCall = webCallOf(context);
  const { abort, closed, intake } = webCall;
  if (intake === undefined) throw new Error("bug: a call whose requests are not read");
  webCall.hasRequest = true;
  const handled = Promise.withResolvers<void>();
  const remove = core.openCalls.add({ isEndedAtDrain, end: (reason) => abort.abort(reason) });
  void Promise.all([handled.promise, closed]).then(remove);
  // Connect's reason for a client that has gone may be an AbortError or INTERNAL.
  const follow = () => {
    const { reason } = context.signal;
    const isDeadline = reason instanceof ConnectError && reason.code === Code.DeadlineExceeded;
    abort.abort(isDeadline ? deadlinePassed() : cancelledByCaller());
  };
  if (context.signal.aborted) follow();
  else context.signal.addEventListener("abort", follow);
  const call: CallContext = {
    signal: abort.signal,
    requestHeader: context.requestHeader,
    responseHeader: context.responseHeader,
    responseTrailer: context.responseTrailer,
    begin: () => webCall.begin(context.responseHeader),
    protocolName: context.protocolName,
    takes: "messages",
    timeoutMs: context.timeoutMs,
    endCall: (status) => abort.abort(status),
    caller: webCall.caller,
  };
  const leave = () => {
    context.signal.removeEventListener("abort", follow);
    handled.resolve();
  };
  const failed = (status: ConnectError) => {
    webCall.failure = status;
    return status;
  };
  return { call, intake, failed, leave };
}

/** Connect hands a timeout to setTimeout, which takes anything beyond 24 days for one millisecond. */
function clampTimeout(header: Headers): void {
  const connectTimeout = header.get("connect-timeout-ms") ?? "";
  // Up to ten digits, says the protocol: what is none is left for Connect to refuse.
  if (/^\d{1,10}$/.test(connectTimeout) && Number(connectTimeout) > longestTimerMs) {
    header.set("connect-timeout-ms", String(longestTimerMs));
  }
  const grpc = header.get("grpc-timeout");
  if (grpc !== null) header.set("grpc-timeout", clampedGrpcTimeout(grpc));
}
