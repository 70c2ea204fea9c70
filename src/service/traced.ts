/**
 * The server span and the duration of one call, the same for every listener.
 *
 * The context is handed on by hand, since a generator loses the active one between two of its steps.
 */

import { Code, ConnectError } from "@connectrpc/connect";
import {
  type Attributes,
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
import type { RunnerReason } from "../runner-error.ts";
import { attributeNames, instruments, tracer } from "../telemetry/instruments.ts";
import { label } from "../telemetry/label.ts";
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
  /** When the call came, on the clock's `now()`. */
  readonly startedMs: number;
  readonly #span: Span;
  readonly #attributes: Attributes;
  readonly #clock: Clock;
  /** One base for all spans of a call, so that two which meet in time meet in the trace. */
  readonly #wallOffsetMs: number;
  #holdCount = 0;
  #overAtMs: number | undefined;
  #isOver = false;

  constructor(method: string, call: CallContext, clock: Clock) {
    const parent = propagation.extract(ROOT_CONTEXT, call.requestHeader, fromHeaders);
    this.#clock = clock;
    this.startedMs = clock.now();
    this.#wallOffsetMs = clock.wallNow() - this.startedMs;
    this.#attributes = {
      [attributeNames.rpcSystem]: call.protocolName === "connect" ? "connectrpc" : "grpc",
      [attributeNames.rpcMethod]: method,
    };
    const attributes = {
      ...this.#attributes,
      ...(call.caller && { [attributeNames.tenant]: call.caller.tenant }),
    };
    const startTime = this.wall(this.startedMs);
    this.#span = tracer().startSpan(method, { kind: SpanKind.SERVER, attributes, startTime }, parent);
    this.context = trace.setSpan(parent, this.#span);
  }

  /** A moment of the clock as a span takes it: milliseconds since 1970. */
  wall(nowMs: number): number {
    return nowMs + this.#wallOffsetMs;
  }

  set(attributes: Attributes): void {
    this.#span.setAttributes(attributes);
  }

  /**
   * Keeps the span open for what is known only after the call, such as how a turn ended whose caller has gone. It ends
   * with the moment of the call's end all the same. Returns how to let go; each has to.
   */
  hold(): () => void {
    this.#holdCount += 1;
    return () => {
      this.#holdCount -= 1;
      this.#endWhenComplete();
    };
  }

  /** Fixes the moment of the end, for whoever knows it before the status is known. */
  overAt(nowMs: number): void {
    this.#overAtMs ??= nowMs;
  }

  /** Ends it with what the call failed with, or well. `reason`: why, if it failed. The first end counts. */
  end(failure?: unknown, reason?: RunnerReason): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#overAtMs ??= this.#clock.now();
    const status = failure === undefined ? "OK" : statusName(failure);
    if (ourFault.has(status)) this.#span.setStatus({ code: SpanStatusCode.ERROR });
    this.set({
      [attributeNames.rpcStatusCode]: status,
      ...(status !== "OK" && { [attributeNames.errorType]: status }),
      ...(reason && { [attributeNames.errorReason]: label(reason) }),
    });
    const seconds = (this.#overAtMs - this.startedMs) / 1_000;
    instruments().callDuration.record(seconds, { ...this.#attributes, [attributeNames.rpcStatusCode]: status });
    this.#endWhenComplete();
  }

  #endWhenComplete(): void {
    if (this.#isOver && this.#holdCount === 0) this.#span.end(this.wall(this.#overAtMs ?? this.#clock.now()));
  }
}

/** One unary call. */
export async function traced<T>(method: string, call: CallContext, clock: Clock, run: () => Promise<T>): Promise<T> {
  const span = new CallSpan(method, call, clock);
  try {
    const answer = await context.with(span.context, run);
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
