/**
 * How an answer is written on the web port: only as fast as the client reads, ended when the client has gone, and with
 * a failure before the first message as a single HEADERS frame for gRPC, whose clients retry only while they have seen
 * no response headers.
 */
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import type { Clock } from "../../clock.ts";
import { grpcMessage } from "../calls/grpc-trailers.ts";
import type { WebRequest, WebResponse } from "../calls/http-exchange.ts";
import { endStalled, endUnread } from "../connections/h2-session.ts";
import { statusLingerMs, unreadLingerMs } from "../limits.ts";

export const isGrpc = (request: WebRequest): boolean => hasType(request, /^application\/grpc(\+|;|$)/);
export const isGrpcWeb = (request: WebRequest): boolean => hasType(request, /^application\/grpc-web/);

export interface AnswerTo {
  readonly request: WebRequest;
  readonly response: WebResponse;
  /** The call's: an aborted call no longer waits for its reader. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/** Writes the answer. */
export async function sendAnswer(
  answer: UniversalServerResponse,
  { request, response, signal, clock }: AnswerTo,
): Promise<void> {
  const chunks = answer.body?.[Symbol.asyncIterator]();
  let isGone = isClosed(response);
  // One listener of each kind for the whole answer, not one per blocked write.
  let wake: (() => void) | undefined;
  const poke = () => wake?.();
  const leave = () => {
    isGone = true;
    poke();
    // A write blocked on a client that has gone may never settle: the handler ends from here.
    void chunks?.return?.().catch(() => {});
  };
  response.on("drain", poke).on("error", poke).once("close", leave);
  signal.addEventListener("abort", poke);
  if (isGone) return leave();

  const first = await chunks?.next();
  if (isGone) return;
  const isEmptyGrpc =
    first?.done === true && isGrpc(request) && !response.headersSent && !hasHandlersHeaders(answer.header);
  if (chunks === undefined || first === undefined || isEmptyGrpc) {
    sendHeadersOnly(answer, response);
    return leaveUnread(request, response, clock);
  }
  if (!response.headersSent) response.writeHead(answer.status, Object.fromEntries(answer.header ?? []));
  let isOnItsWay = false;
  for (let chunk = first; !chunk.done; chunk = await chunks.next()) {
    if (chunk !== first && !isOnItsWay) {
      // Node sends what was written when nothing else is to be done: a long replay would hold its own beginning back.
      await new Promise<void>((resolve) => setImmediate(resolve));
      isOnItsWay = true;
    }
    if (isGone) return;
    if (!response.write(chunk.value)) {
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (isGone) resolve();
      });
      isOnItsWay = true;
    }
  }
  if (isGone) return;
  if (answer.trailer !== undefined) response.addTrailers(trailerFields(answer.trailer));
  response.end();
  leaveUnread(request, response, clock);
  if (signal.aborted) leaveStalled(response, clock);
}

/**
 * An answer to a request that was too large, for callers that speak plain HTTP: 413 says so, while Connect's 429 reads as
 * "later", and makes some of them try again. Who names the Connect protocol gets the status that it prescribes.
 */
export function withPlainStatus(answer: UniversalServerResponse, request: WebRequest): UniversalServerResponse {
  return answer.status === 429 && request.headers["connect-protocol-version"] === undefined
    ? { ...answer, status: 413 }
    : answer;
}

/** A client that did not read while its call lasted may not read its end either. */
function leaveStalled(response: WebResponse, clock: Clock): void {
  if (response.stream !== undefined) {
    endStalled(response.stream, clock);
  } else {
    const cancelTimer = clock.after(statusLingerMs, () => response.destroy());
    response.once("close", cancelTimer);
  }
}

/**
 * What is left of a request that has its answer is read and thrown away, for a moment: a client that is still sending
 * it may not look at the answer before, and one over HTTP/1.1 could not send its next request.
 */
export function leaveUnread(request: WebRequest, response: WebResponse, clock: Clock): void {
  if (request.complete) return;
  request.resume();
  if (response.stream !== undefined) {
    endUnread(response.stream, clock);
  } else {
    const { socket } = request;
    const cancelTimer = clock.after(unreadLingerMs, () => {
      if (!request.complete) socket.destroy();
    });
    request.once("close", cancelTimer);
  }
}

/** A gRPC client that gets a single frame takes all of it for trailers: headers that a handler set need a frame of their own. */
function hasHandlersHeaders(header: Headers | undefined): boolean {
  return [...(header?.keys() ?? [])].some((key) => key !== "content-type" && !key.startsWith("grpc-"));
}

/**
 * The headers of a call that has begun, before it has a message. Only for gRPC, whose clients retry by themselves:
 * elsewhere headers say how the call ended.
 */
export function sendHeadersAhead(header: Headers, request: WebRequest, response: WebResponse): void {
  if (!isGrpc(request) || response.headersSent || isClosed(response)) return;
  response.writeHead(200, Object.fromEntries(header));
  response.flushHeaders();
}

/** Headers and trailers in one frame, or a response without a body. */
function sendHeadersOnly(answer: UniversalServerResponse, response: WebResponse): void {
  const headers = { ...Object.fromEntries(answer.header ?? []), ...trailerFields(answer.trailer ?? new Headers()) };
  if (response.stream !== undefined) {
    response.stream.respond({ ...response.getHeaders(), ...headers, ":status": answer.status }, { endStream: true });
    return;
  }
  response.writeHead(answer.status, headers);
  response.end();
}

/** Connect escapes more of a message than gRPC asks for, and grpc-js shows its readers the rest as `%3A`. */
function trailerFields(trailer: Headers): Record<string, string> {
  const message = trailer.get("grpc-message");
  if (message !== null) trailer.set("grpc-message", grpcMessage(decodeURIComponent(message)));
  return Object.fromEntries(trailer);
}

function isClosed(response: WebResponse): boolean {
  return response.stream?.destroyed ?? response.destroyed;
}

function hasType(request: WebRequest, type: RegExp): boolean {
  return type.test(String(request.headers["content-type"]));
}
