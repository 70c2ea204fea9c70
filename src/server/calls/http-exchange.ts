/**
 * A request and its response on the web port, of either HTTP version, for whatever answers there: calls, the page.
 */
import type http from "node:http";
import type http2 from "node:http2";

/** A request of either version: Node promises that HTTP/2's has what HTTP/1.1's has. */
export type WebRequest = http.IncomingMessage & { readonly authority?: string };
/** A response of either version; only HTTP/2's has a stream. */
export type WebResponse = http.ServerResponse & { readonly stream?: http2.ServerHttp2Stream };
export type WebHandler = (request: WebRequest, response: WebResponse) => void;

/** Files by their paths, such as the page's. */
export interface StaticFiles {
  /** Whether there is something at this path. */
  has(path: string): boolean;
  /** Answers a request for such a path. */
  answer(request: WebRequest, response: WebResponse, path: string): void;
}

/** A plain answer to something that is no call. */
export function answerPlainly(response: WebResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" });
  response.end(`${text}\n`);
}
