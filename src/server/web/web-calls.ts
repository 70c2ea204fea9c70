/**
 * The handlers behind Connect: the web port's Connect, gRPC-Web, JSON and gRPC.
 *
 * A request handler of our own instead of `connectNodeAdapter`, which prints to the console when a client vanishes and
 * cannot count what is open. Sockets are in `web-listener.ts`, how an answer is written in `web-answer.ts`.
 *
 * Cross-site requests. The header `Connect-Protocol-Version` is not required, so that a plain
 * `curl -H 'content-type: application/json' -d '{…}'` works. It would protect no further: a web page can send none of
 * the content types served here without a preflight (text/plain, forms and no type at all get 415), a preflight
 * succeeds for the origins of the settings only, any other Origin but the server's own page gets 403, an unknown Host
 * 421, no call is a GET, and a token in a header is needed, never a cookie.
 */
import { createRegistry, type DescMethod, type Message } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createConnectRouter,
  createContextKey,
  createContextValues,
  type HandlerContext,
  type ServiceImpl,
} from "@connectrpc/connect";
import { compressionGzip, universalRequestFromNodeRequest } from "@connectrpc/connect-node";
import type { CallContext, Caller, ServedService } from "../../service/calls.ts";
import { cancelledByCaller, deadlinePassed, libraryError, statusOf, throwIfOver } from "../calls/call-errors.ts";
import { handlerOf, type ServerCore, streamsRequests, streamsResponses } from "../calls/core.ts";
import { clampedGrpcTimeout, longestTimerMs } from "../calls/header-rules.ts";
import type { WebHandler, WebRequest, WebResponse } from "../calls/http-exchange.ts";
import type { RequestReading } from "../calls/request-bytes.ts";
import type { Connections } from "../connections/connections.ts";
import { maxResponseBytes } from "../limits.ts";
import { preflightHeaders } from "./cors.ts";
import { leaveUnread, sendAnswer, sendHeadersAhead, withPlainStatus } from "./web-answer.ts";
import { bodyChunks } from "./web-body.ts";
import { WebIntake } from "./web-intake.ts";
import { answerOther, answerRefusal, answerUnspoken } from "./web-others.ts";
import { refusalOf, type WebSettings } from "./web-rules.ts";

/** What we know of a call beside what Connect knows. */
interface WebCall {
  readonly abort: AbortController;
  /** Resolves when the response is closed. */
  readonly closed: Promise<void>;
  readonly reading: RequestReading;
  /** Takes the call's place, for the caller that the token names. Throws when there is none. */
  readonly letIn: (caller: Caller | undefined) => void;
  /** Where its decoded requests are. */
  intake: WebIntake | undefined;
  caller: Caller | undefined;
  hasRequest: boolean;
  /** What the handler ended with: said on purpose, so it stands as it is. */
  failure: ConnectError | undefined;
  readonly begin: (header: Headers) => void;
}

const callKey = createContextKey<WebCall | undefined>(undefined);

/** Answers every request of the web port. */
export function webHandler(core: ServerCore, settings: WebSettings, connections: Connections): WebHandler {
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
  for (const served of core.services) addRoutes(router, served, core);
  const byPath = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));

  const answer: WebHandler = (request, response) => {
    const refusal = refusalOf(request, response, settings);
    if (refusal !== undefined) {
      answerRefusal(request, response, refusal);
      return leaveUnread(request, response, core.clock);
    }
    if (request.method === "OPTIONS" && request.headers.origin !== undefined) {
      response.writeHead(204, preflightHeaders());
      response.end();
      return;
    }
    const path = (request.url ?? "").split("?", 1)[0]!;
    const handler = byPath.get(path);
    if (handler === undefined) {
      if (core.page?.has(path)) response.once("close", connections.of(request.socket).began());
      answerOther(request, response, path, core.page);
      return leaveUnread(request, response, core.clock);
    }

    const { call, closed } = webCall(request, response, handler.method, core, connections);
    const values = createContextValues().set(callKey, call);
    const universal = universalRequestFromNodeRequest(request, response, undefined, values);
    clampTimeout(universal.header);
    const { method } = handler;
    const intake = new WebIntake({
      method,
      header: universal.header,
      chunks: bodyChunks(request, {
        reading: call.reading,
        isCounted: takesOneMessage(method),
        signal: call.abort.signal,
      }),
      decoder: core.decoder,
      reading: call.reading,
      signal: call.abort.signal,
      statusOf: (error) => statusOf(error, path, core.log),
    });
    call.intake = intake;
    // The placeholder that Connect reads has a length of its own.
    const header = new Headers(universal.header);
    header.delete("content-length");
    // nginx would hold a stream back until it ends.
    if (streamsResponses(method)) response.setHeader("x-accel-buffering", "no");
    handler({ ...universal, header, body: intake.body })
      .then((answer) => (intake.wasTooLarge ? withPlainStatus(answer, request) : answer))
      .then((answer) =>
        answer.status === 415 || answer.status === 405
          ? answerUnspoken(request, response, method)
          : sendAnswer(answer, { request, response, signal: call.abort.signal, clock: core.clock }),
      )
      .catch((error: unknown) => {
        if (!closed.isClosed) core.log.error({ path, err: error }, "an answer could not be sent");
        response.destroy();
      });
  };
  return (request, response) => {
    try {
      answer(request, response);
    } catch (error) {
      // An exception in a request handler would end the process.
      core.log.error({ err: error }, "a request could not be answered");
      response.destroy();
    }
  };
}

/** Streams of requests are bounded by the size of a message, and by how fast the handler takes them. */
const takesOneMessage = (method: DescMethod) => !streamsRequests(method);

function webCall(
  request: WebRequest,
  response: WebResponse,
  method: DescMethod,
  core: ServerCore,
  connections: Connections,
) {
  const gone = Promise.withResolvers<void>();
  const abort = new AbortController();
  const closed = { isClosed: false };
  const reading = core.requestBytes.begin(
    takesOneMessage(method) ? (error) => abort.abort(statusOf(error, method.name, core.log)) : undefined,
  );
  const connection = connections.of(request.socket);
  let leave = () => {};
  response.once("close", () => {
    closed.isClosed = true;
    reading.done();
    leave();
    gone.resolve();
  });
  const call: WebCall = {
    begin: (header) => sendHeadersAhead(header, request, response),
    abort,
    closed: gone.promise,
    reading,
    letIn: (caller) => {
      call.caller = caller;
      if (caller !== undefined) connection.authenticated();
      const holder = {
        address: connection.clientOf((name) => request.headers[name]?.toString()),
        tenant: caller?.tenant,
      };
      const giveBack = core.callPlaces.take(holder);
      const isOver = connection.began();
      leave = () => {
        giveBack();
        isOver();
      };
      reading.belongsTo(holder);
    },
    intake: undefined,
    caller: undefined,
    hasRequest: false,
    failure: undefined,
  };
  return { call, closed };
}

/** Before the body is read: who calls, and details for what Connect finds wrong by itself. */
function gate(context: HandlerContext, served: ServedService | undefined, core: ServerCore): void {
  const call = callOf(context);
  // Connect aborts the context with the error just before it writes it.
  context.signal.addEventListener("abort", () => {
    const { reason } = context.signal;
    if (reason instanceof ConnectError && reason.details.length === 0 && reason !== call.failure) {
      describe(reason, call, core.maxRequestBytes);
    }
  });
  try {
    const authorization = context.requestHeader.get("authorization") ?? undefined;
    call.letIn(served?.isOpen ? undefined : core.authenticate(authorization));
  } catch (error) {
    const status = statusOf(error, context.url, core.log);
    if (status.code === Code.Unauthenticated) status.metadata.set("www-authenticate", "Bearer");
    throw status;
  }
}

/** Gives an error of Connect's own the code, words and details that ours have. */
function describe(error: ConnectError, call: WebCall, maxRequestBytes: number): void {
  const meant = libraryError(error.code, error.rawMessage, { hasRequest: call.hasRequest, maxRequestBytes });
  if (meant === undefined) return;
  const { code, rawMessage, details } = meant;
  Object.assign(error, { code, rawMessage, details } satisfies { code: Code; rawMessage: string; details: unknown });
}

function callOf(context: HandlerContext): WebCall {
  const call = context.values.get(callKey);
  if (call === undefined) throw new Error("bug: a call without its bookkeeping");
  return call;
}

function addRoutes(router: ConnectRouter, served: ServedService, core: ServerCore): void {
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
    try {
      const request = requestOf(method, input, intake);
      for await (const event of handler(request, call) as AsyncIterable<unknown>) {
        throwIfOver(call.signal);
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
  const webCall = callOf(context);
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
    timeoutMs: context.timeoutMs,
    giveUp: (status) => abort.abort(status),
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
