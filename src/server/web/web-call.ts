/**
 * What is known of a call on the web port beside what Connect knows: its place, its caller, where its requests are, and
 * when its response is closed.
 */

import type { DescMethod } from "@bufbuild/protobuf";
import { type ConnectError, createContextKey, type HandlerContext } from "@connectrpc/connect";
import type { Caller } from "../../policy/auth.ts";
import { statusOf } from "../calls/call-errors.ts";
import { type ServerCore, streamsRequests } from "../calls/core.ts";
import type { WebRequest, WebResponse } from "../calls/http-exchange.ts";
import type { RequestReading } from "../calls/request-bytes.ts";
import type { Connection, Connections } from "../connections/connections.ts";
import type { TextStream } from "./text-stream.ts";
import { sendHeadersAhead } from "./web-answer.ts";
import type { WebIntake } from "./web-intake.ts";

export interface WebCallParts {
  readonly request: WebRequest;
  readonly response: WebResponse;
  readonly method: DescMethod;
  readonly core: ServerCore;
  readonly connections: Connections;
}

export class WebCall {
  readonly abort = new AbortController();
  readonly reading: RequestReading;
  /** Where its decoded requests are. */
  intake: WebIntake | undefined;
  caller: Caller | undefined;
  /** What it is answered with where that is none of Connect's own streams. */
  textStream: TextStream | undefined;
  /** Whether a handler has been given it, so that what fails from now on is about the answer. */
  hasRequest = false;
  /** What the handler ended with: said on purpose, so it stands as it is. */
  failure: ConnectError | undefined;
  readonly #parts: WebCallParts;
  readonly #connection: Connection;
  readonly #closed = Promise.withResolvers<void>();
  #isClosed = false;
  #leave = () => {};

  constructor(parts: WebCallParts) {
    const { request, response, method, core, connections } = parts;
    this.#parts = parts;
    const isTooSlow = (error: unknown) => this.abort.abort(statusOf(error, method.name, core.log));
    this.reading = core.requestBytes.begin(streamsRequests(method) ? undefined : isTooSlow);
    this.#connection = connections.of(request.socket);
    response.once("close", () => this.#close());
  }

  /** Whether its response is closed. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Resolves when its response is closed. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Takes the call's place, for the caller that the token names. Throws when there is none. */
  letIn(caller: Caller | undefined): void {
    const { request, core } = this.#parts;
    this.caller = caller;
    if (caller !== undefined) this.#connection.authenticated();
    const address = this.#connection.clientOf((name) => request.headers[name]?.toString());
    const holder = { address, tenant: caller?.tenant };
    const giveBack = core.callPlaces.take(holder);
    const isOver = this.#connection.began();
    this.#leave = () => {
      giveBack();
      isOver();
    };
    this.reading.belongsTo(holder);
  }

  /** Sends the headers before there is a message. */
  begin(header: Headers): void {
    sendHeadersAhead(header, this.#parts.request, this.#parts.response);
  }

  #close(): void {
    this.#isClosed = true;
    this.reading.done();
    this.#leave();
    this.#closed.resolve();
  }
}

/** Where Connect keeps it for us. */
export const webCallKey = createContextKey<WebCall | undefined>(undefined);

export function webCallOf(context: HandlerContext): WebCall {
  const call = context.values.get(webCallKey);
  if (call === undefined) throw new Error("bug: a call without its bookkeeping");
  return call;
}
