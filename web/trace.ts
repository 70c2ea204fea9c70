/**
 * The trace that a call is part of: its id is made here, so that the page knows it before the server has said a word.
 */

export interface Trace {
  /** As Jaeger and the server's log show it. */
  readonly traceId: string;
  /** The header that tells the server, as W3C Trace Context has it. Sampled: a person looks at this one. */
  readonly traceparent: string;
}

export function newTrace(): Trace {
  const traceId = hex(16);
  return { traceId, traceparent: `00-${traceId}-${hex(8)}-01` };
}

/** Random bytes in hexadecimal; not all zero, which would be no id. */
function hex(byteCount: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(byteCount));
  if (bytes.every((byte) => byte === 0)) bytes[0] = 1;
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
