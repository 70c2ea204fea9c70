/**
 * Details for what Connect finds wrong by itself.
 *
 * Connect has no hook for its own errors. It aborts the call's context with one just before it writes it, and what it
 * writes is that object: so it is that object which gets the code, words and details that ours have.
 */
import { ConnectError, type HandlerContext } from "@connectrpc/connect";
import { libraryError } from "../calls/call-errors.ts";
import type { WebCall } from "./web-call.ts";

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** Watches a call for errors that Connect makes. What its handler has said stands as it is. */
export function describeErrors(context: HandlerContext, call: WebCall, maxRequestBytes: number): void {
  context.signal.addEventListener("abort", () => {
    const { reason } = context.signal;
    if (!(reason instanceof ConnectError) || reason.details.length > 0 || reason === call.failure) return;
    const meant = libraryError(reason.code, reason.rawMessage, { hasRequest: call.hasRequest, maxRequestBytes });
    if (meant === undefined) return;
    const written: Writable<Pick<ConnectError, "code" | "rawMessage" | "details">> = reason;
    written.code = meant.code;
    written.rawMessage = meant.rawMessage;
    written.details = meant.details;
  });
}
