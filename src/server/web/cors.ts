/**
 * What a browser is told about calls from other origins.
 *
 * Only for origins that the settings name; never with a wildcard, never with credentials (cookies mean nothing here).
 */
import { cors } from "@connectrpc/connect";
import { turnIdHeader } from "../../service/calls.ts";
import { pushbackHeader } from "../../service/errors.ts";

/** How long a browser may remember a preflight. */
const maxAgeSeconds = 7_200;

const requestHeaders = [
  ...cors.allowedHeaders,
  "authorization",
  "last-event-id",
  "traceparent",
  "tracestate",
  "baggage",
].join(", ");
const responseHeaders = [...cors.exposedHeaders, pushbackHeader, turnIdHeader, "www-authenticate"].join(", ");

/** The headers of every answer to an allowed origin. */
export function corsHeaders(origin: string): Record<string, string> {
  return { "access-control-allow-origin": origin, "access-control-expose-headers": responseHeaders };
}

/** The further headers of the answer to a preflight. */
export function preflightHeaders(): Record<string, string> {
  return {
    "access-control-allow-methods": "POST",
    "access-control-allow-headers": requestHeaders,
    "access-control-max-age": String(maxAgeSeconds),
  };
}
