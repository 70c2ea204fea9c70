/**
 * How a request to the model API failed, as one value of a closed list, for `error.type`: on a metric each value is a
 * series, and neither the model API nor Claude Code makes one up.
 */

/** Claude Code's words where there was no answer with a status. Any other is `other`. */
export const errorWords = [
  "authentication_failed",
  "billing_error",
  "rate_limit",
  "overloaded",
  "invalid_request",
  "model_not_found",
  "server_error",
  "connection_failed",
  "max_output_tokens",
  "unknown",
  "other",
] as const;
const known: ReadonlySet<string> = new Set(errorWords);

/** The HTTP status when there was an answer, else Claude Code's word for what happened, such as `connection_failed`. */
export function errorTypeOf(httpStatus: number | undefined, word: string): string {
  if (httpStatus !== undefined) {
    return Number.isInteger(httpStatus) && httpStatus >= 400 && httpStatus <= 599 ? String(httpStatus) : "other";
  }
  if (word === "") return "unknown";
  return known.has(word) ? word : "other";
}
