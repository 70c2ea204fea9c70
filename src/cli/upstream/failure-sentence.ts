/**
 * Why a request to the model API failed, in a sentence of ours: what callers are told in the place of the model API's words.
 */

import { redactSecrets } from "../../redact.ts";
import type { RunnerError, UpstreamReason } from "../../runner-error.ts";
import { callerMistake } from "./caller-mistake.ts";
import { type UpstreamReport, upstreamReason } from "./upstream-reason.ts";

export interface ToldFailure {
  readonly reason: UpstreamReason;
  readonly httpStatus: number | undefined;
  /** The model API's class of the error; empty where it gave none. */
  readonly apiErrorType: string;
  readonly requestId: string;
  readonly attemptCount: number;
  readonly model: string;
  /** The words of the model API or of the CLI. Read, not passed on. */
  readonly text: string;
}

export interface FailureSentence {
  readonly text: string;
  /** The numbers in it that are not in the failure itself. */
  readonly facts: RunnerError["facts"];
}

const ask = "the operator of this server can see what it said";

const sentences = {
  UPSTREAM_INVALID_REQUEST: "the model API refused the request as invalid",
  UPSTREAM_CONTEXT_TOO_LONG: "prompt and history are too long for the model",
  UPSTREAM_REQUEST_TOO_LARGE:
    "the request is too large for the model API; send fewer or smaller pictures and documents",
  UPSTREAM_BILLING: "the model API refuses the operator's account: it has no credit, or its plan does not include this",
  UPSTREAM_AUTH: "the model API does not accept the operator's credential",
  UPSTREAM_MODEL_NOT_FOUND: "the model API does not know the model, or does not offer it to the operator's account",
  UPSTREAM_RATE_LIMITED: "the model API's rate limit for the operator's account is reached; try again later",
  UPSTREAM_USAGE_LIMIT: "the operator's account is used up for now; try again later",
  UPSTREAM_OVERLOADED: "the model API is overloaded; try again later",
  UPSTREAM_5XX: "the model API failed; try again later",
  UPSTREAM_UNREACHABLE: "the model API cannot be reached; try again later",
  UPSTREAM_TIMEOUT: "the model API did not answer in time; try again later",
  UPSTREAM_CONFLICT: "the model API reported a conflict; try again",
  UPSTREAM_MALFORMED:
    "whatever answered at the model API's address is not the model API, or its answer could not be read",
  UPSTREAM_UNKNOWN: "the model API failed in an unknown way",
} as const satisfies Record<UpstreamReason, string>;

/** Reasons that are about the request itself: their caller has to know what to change. */
const callersOwn: ReadonlySet<UpstreamReason> = new Set([
  "UPSTREAM_INVALID_REQUEST",
  "UPSTREAM_CONTEXT_TOO_LONG",
  "UPSTREAM_REQUEST_TOO_LARGE",
]);

export function failureSentence(failure: ToldFailure): FailureSentence {
  const { reason, httpStatus, requestId, attemptCount, model, text } = failure;
  const mistake = callersOwn.has(reason) ? callerMistake(text) : undefined;
  const named = reason === "UPSTREAM_MODEL_NOT_FOUND" && model !== "" ? ` (model ${model})` : "";
  const why = mistake !== undefined ? `: ${mistake.text}` : reason === "UPSTREAM_INVALID_REQUEST" ? `; ${ask}` : "";
  const known = [
    httpStatus === undefined ? "" : `HTTP ${httpStatus}`,
    requestId === "" ? "" : `request ${requestId}`,
    attemptCount > 1 ? `${attemptCount} attempts` : "",
  ].filter((part) => part !== "");
  const tail = known.length === 0 ? "" : ` [${known.join(", ")}]`;
  return { text: `${sentenceOf(failure)}${named}${why}${tail}`, facts: mistake?.facts ?? {} };
}

/** Statuses that were not given by the model API itself, which names a class with each, have words of their own. */
function sentenceOf({ reason, httpStatus, apiErrorType }: ToldFailure): string {
  if (httpStatus === 404 && reason === "UPSTREAM_MALFORMED") {
    return "whatever answers at the model API's address does not know the path: the operator's base URL is wrong, or a cloud does not offer the model";
  }
  if (httpStatus === 403 && apiErrorType === "") {
    return "the request was refused on its way to the model API, by a firewall or a gateway, or the operator's credential may not be used";
  }
  return sentences[reason];
}

/** What is told of a failure that the CLI reported, whether or not the turn ends with it. */
export function reportSentence(
  failure: UpstreamReport & { readonly requestId: string; readonly stopReason: string },
  attemptCount: number,
  model: string,
): string {
  if (failure.stopReason === "refusal") return "Claude refused to answer";
  if (failure.apiError === "max_output_tokens") return "the answer reached the most that the model can write";
  return failureSentence({ ...failure, reason: upstreamReason(failure), attemptCount, model }).text;
}

/** A name out of the CLI or the model API, such as an error's type; empty when it is anything but one word. */
export function wordOf(text: string): string {
  return /^[A-Za-z][A-Za-z0-9_]{0,63}$/.test(text) ? text : "";
}

/** An id that the model API gave; empty when it is not made like one. */
export function idOf(text: string): string {
  return /^[\w-]{1,128}$/.test(text) && redactSecrets(text) === text ? text : "";
}
