/**
 * Why the model API failed, as one of the closed list of reasons: from what the CLI reports about it.
 *
 * Status and error classes decide. The text of the report does only where nothing else tells cases apart.
 */
import type { UpstreamReason } from "../../runner-error.ts";

export interface UpstreamReport {
  readonly httpStatus: number | undefined;
  /** The CLI's class of error, `error` of its message: `rate_limit`, `server_error`, … */
  readonly cliError: string;
  /** The CLI's finer class, `api_error`: `usage_limit_reached`, `connection_failed`, … */
  readonly apiError: string;
  /** The model API's class: `rate_limit_error`, `overloaded_error`, … */
  readonly apiErrorType: string;
  readonly terminalReason?: string;
  readonly text: string;
}

export function upstreamReason(report: UpstreamReport): UpstreamReason {
  const { httpStatus, cliError, apiError, apiErrorType } = report;
  // What the CLI is sure about, whatever the status.
  if (report.terminalReason === "prompt_too_long" || apiError === "prompt_too_long") return "UPSTREAM_CONTEXT_TOO_LONG";
  // It does not even ask the model API: by the last usage there is no room.
  if (report.terminalReason === "blocking_limit") return "UPSTREAM_CONTEXT_TOO_LONG";
  if (apiError === "usage_limit_reached") return "UPSTREAM_USAGE_LIMIT";
  if (cliError === "billing_error" || apiErrorType === "billing_error") return "UPSTREAM_BILLING";
  // The CLI calls every 404 a missing model, also that of a server which does not know the path.
  if (httpStatus === 404 && apiErrorType !== "not_found_error") return "UPSTREAM_MALFORMED";
  if (cliError === "model_not_found") return "UPSTREAM_MODEL_NOT_FOUND";
  if (httpStatus !== undefined) return reasonOfStatus(httpStatus, report);
  return reasonWithoutStatus(report);
}

function reasonOfStatus(httpStatus: number, report: UpstreamReport): UpstreamReason {
  switch (httpStatus) {
    case 401:
    case 403:
      return "UPSTREAM_AUTH";
    case 402:
      return "UPSTREAM_BILLING";
    case 404:
      return "UPSTREAM_MODEL_NOT_FOUND";
    case 408:
      return "UPSTREAM_TIMEOUT";
    case 409:
      return "UPSTREAM_CONFLICT";
    case 413:
      return "UPSTREAM_REQUEST_TOO_LARGE";
    case 429:
      return "UPSTREAM_RATE_LIMITED";
    case 529:
      return "UPSTREAM_OVERLOADED";
    default:
      if (report.apiErrorType === "overloaded_error") return "UPSTREAM_OVERLOADED";
      if (httpStatus >= 500) return "UPSTREAM_5XX";
      if (httpStatus >= 400) return saysTooLong(report) ? "UPSTREAM_CONTEXT_TOO_LONG" : "UPSTREAM_INVALID_REQUEST";
      return "UPSTREAM_MALFORMED";
  }
}

function reasonWithoutStatus(report: UpstreamReport): UpstreamReason {
  const { cliError, apiError, apiErrorType, text } = report;
  if (apiError === "connection_failed") return "UPSTREAM_UNREACHABLE";
  if (cliError === "authentication_failed") return "UPSTREAM_AUTH";
  if (cliError === "rate_limit") return "UPSTREAM_RATE_LIMITED";
  if (cliError === "overloaded" || apiErrorType === "overloaded_error") return "UPSTREAM_OVERLOADED";
  if (/\btimed out\b/i.test(text)) return "UPSTREAM_TIMEOUT";
  if (/\b(empty or malformed|unexpected) response\b/i.test(text)) return "UPSTREAM_MALFORMED";
  if (saysTooLong(report)) return "UPSTREAM_CONTEXT_TOO_LONG";
  if (cliError === "invalid_request") return "UPSTREAM_INVALID_REQUEST";
  // Dropped and refused connections have neither status nor class of their own in older versions.
  if (cliError === "server_error") return "UPSTREAM_UNREACHABLE";
  return "UPSTREAM_UNKNOWN";
}

function saysTooLong({ text }: UpstreamReport): boolean {
  return /\bprompt is too long\b/i.test(text);
}
