/**
 * A refusal in the form of the Connect protocol, for requests that never get to Connect itself: with the code, the words
 * and the details that every other failing status has.
 */
import type { ConnectError } from "@connectrpc/connect";
import { errorToJson } from "@connectrpc/connect/protocol-connect";
import type { WebRequest, WebResponse } from "../calls/http-exchange.ts";

const unary = /^application\/(json|proto)\s*(;|$)/i;
const streaming = /^application\/connect\+(json|proto)\s*(;|$)/i;

/** The flag of the envelope that ends a stream. */
const endOfStream = 0x02;

/** Whether the request is a call by Connect, plain JSON included. */
export function isConnect(request: WebRequest): boolean {
  return request.method === "POST" && (unary.test(typeOf(request)) || streaming.test(typeOf(request)));
}

/** `status` is the HTTP status of the answer to a call that is not streamed; a stream always begins with 200. */
export function answerConnect(request: WebRequest, response: WebResponse, status: number, error: ConnectError): void {
  if (!streaming.test(typeOf(request))) {
    answerJson(response, status, error);
    return;
  }
  const body = Buffer.from(JSON.stringify({ error: errorToJson(error, undefined) }));
  const head = Buffer.alloc(5);
  head.writeUInt8(endOfStream, 0);
  head.writeUInt32BE(body.length, 1);
  response.writeHead(200, { "content-type": typeOf(request), "x-content-type-options": "nosniff" });
  response.end(Buffer.concat([head, body]));
}

/** The error alone, as a call that is not streamed gets it. */
export function answerJson(response: WebResponse, status: number, error: ConnectError): void {
  response.writeHead(status, { "content-type": "application/json", "x-content-type-options": "nosniff" });
  response.end(JSON.stringify(errorToJson(error, undefined)));
}

function typeOf(request: WebRequest): string {
  return String(request.headers["content-type"] ?? "");
}
