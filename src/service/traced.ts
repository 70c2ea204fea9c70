/**
 * The server span and the duration of one call, the same for every listener.
 *
 * The context is handed on by hand, since a generator loses the active one between two of its steps.
 */

import { Code, ConnectError } from "@connectrpc/connect";
import {
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type TextMapGetter,
  trace,
} from "@opentelemetry/api";
import type { Clock } from "../clock.ts";
import { instruments, tracer } from "../telemetry/instruments.ts";
import type { CallContext } from "./calls.ts";

const fromHeaders: TextMapGetter<Headers> = {
  keys: (headers) => [...headers.keys()],
  get: (headers, key) => headers.get(key) ?? undefined,
};

/** Codes that say that the server did something wrong, as the RPC conventions list them. */
const ourFault = new Set(["UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"]);

/** A call's span and clock, from its arrival to its end. */
export class CallSpan {
  readonly context: Context;
  readonly #span: Span;
  readonly #attributes: Record<string, string>;
  readonly #startedMs: number;
  readonly #clock: Clock;
  #isOver = false;

  constructor(method: string, call: CallContext, clock: Clock) {
    const parent = propagation.extract(ROOT_CONTEXT, call.requestHeader, fromHeaders);
    this.#attributes = {
      "rpc.system.name": call.protocolName === "connect" ? "connectrpc" : "grpc",
      "rpc.method": method,
    };
    this.#span = tracer().startSpan(method, { kind: SpanKind.SERVER, attributes: this.#attributes }, parent);
    this.context = trace.setSpan(parent, this.#span);
    this.#clock = clock;
    this.#startedMs = clock.now();
  }

  /** Ends it with what the call failed with, or well. The first end counts. */
  end(failure?: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const status = failure === undefined ? "OK" : statusName(failure);
    if (ourFault.has(status)) this.#span.setStatus({ code: SpanStatusCode.ERROR });
    this.#span.setAttribute("rpc.status_code", status);
    if (status !== "OK") this.#span.setAttribute("error.type", status);
    this.#span.end();
    const seconds = (this.#clock.now() - this.#startedMs) / 1_000;
    instruments().callDuration.record(seconds, { ...this.#attributes, "rpc.status_code": status });
  }
}

/** One unary call. */
export async function traced<T>(
  method: string,
  call: CallContext,
  clock: Clock,
  run: (parent: Context) => Promise<T>,
): Promise<T> {
  const span = new CallSpan(method, call, clock);
  try {
    const answer = await context.with(span.context, () => run(span.context));
    span.end();
    return answer;
  } catch (error) {
    span.end(error);
    throw error;
  }
}

/** A status as gRPC spells it, such as DEADLINE_EXCEEDED. */
function statusName(error: unknown): string {
  const code = error instanceof ConnectError ? error.code : Code.Internal;
  if (code === Code.Canceled) return "CANCELLED";
  return Code[code].replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
}
