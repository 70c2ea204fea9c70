/**
 * How a request to the model API failed, in one word out of few, for `error.type`: on a metric each word is a series.
 */

/** Claude Code's own words are a handful; more than this is not one of them. */
const maxWordLength = 40;

/** The HTTP status when there was an answer, else Claude Code's word for what happened, such as `connection_failed`. */
export function errorTypeOf(httpStatus: number | undefined, word: string): string {
  if (httpStatus !== undefined) return String(httpStatus);
  return word === "" ? "unknown" : word.slice(0, maxWordLength);
}
