/**
 * A failed call in words: what happened, which rules were broken, what to do, and when it makes sense to try again. Pure.
 *
 * The server gives every failure a reason; one without a reason happened on the way to it.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { type TurnResult, TurnResultSchema } from "../clients/typescript/src/gen/claude/runner/v1/result_pb.ts";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../clients/typescript/src/gen/google/rpc/error_details_pb.ts";
import { millisecondsOf } from "./format.ts";

export interface CallFailure {
  /** The status as gRPC spells it, such as `UNAVAILABLE`. */
  readonly code: string;
  /** The reason, such as `QUEUE_FULL`. Empty: the server has not said one, and has probably not said anything. */
  readonly reason: string;
  readonly title: string;
  readonly message: string;
  /** Every rule of the request that was broken. */
  readonly violations: readonly string[];
  /** What to do. */
  readonly advice: string;
  /** What else the server tells, by name. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  /** After this time another try makes sense, in milliseconds. `undefined`: the server does not say. */
  readonly retryAfterMs: number | undefined;
  /** Whether the same prompt may be sent again as it is. */
  readonly isRepeatable: boolean;
  /** What the turn had used, when it had begun. */
  readonly result: TurnResult | undefined;
}

const busy = "Nothing was sent to the model. Try again in a moment.";
const begun =
  "The turn had begun: it may have cost something, or run a tool. Check what has arrived before you send it again.";
const operatorsAccount = "This concerns the operator's account with the model API: tell the operator.";
const shorten = "Start a new conversation, or shorten the prompt.";

/** What to do about a reason, and no more: the title and the server's own message say what happened. */
const adviceOf: Readonly<Record<string, string>> = {
  INVALID_REQUEST: "Change what is listed, and send it again.",
  UNAUTHENTICATED: "Sign out, and sign in with a token that the server knows.",
  NOT_ALLOWED: "Choose another profile, or ask the operator for this one.",
  UNIMPLEMENTED: "Reload the page: the server may be of another version.",
  SERVICE_NOT_FOUND: "Ask for the health of a service that the server has.",
  QUOTA_EXCEEDED: "Your tenant has reached its limit of running turns. Wait until one of them has ended.",
  QUEUE_FULL: busy,
  QUEUE_TIMEOUT: busy,
  POOL_DRAINING: "The server is shutting down. Try again when it is back.",
  WORKER_START_FAILED: "Claude Code does not start at the moment. The server keeps trying; its log says why.",
  CLI_UNAVAILABLE: "The server has no usable Claude Code. Tell the operator what the message says.",
  NOT_SUPPORTED_BY_CLI: "Leave out what the message names, or ask the operator for a newer Claude Code.",
  WORKER_DIED: begun,
  DRAINED: begun,
  CLIENT_STALLED: "This page did not read for a minute. Keep it open, and send the prompt again.",
  RESPONSE_TOO_LARGE: shorten,
  REQUEST_TOO_LARGE: shorten,
  CANCELLED: "",
  DEADLINE_EXCEEDED: "Give the turn more time under Options.",
  INTERNAL: "This is a bug in the server. Give the operator the trace id.",
  SESSION_NOT_FOUND: "It was deleted or has expired: start a new conversation.",
  SESSION_EXISTS: "Choose another id.",
  SESSION_BUSY: "Wait until its turn has ended, or stop that turn.",
  SESSION_MISMATCH: "Change what the message names back to what the conversation began with, or start a new one.",
  SESSION_SUSPENDED: "What was said can be read. Try again; if it keeps failing, start a new conversation.",
  CONTEXT_FULL: "Start a new conversation, or go on from an earlier prompt of this one.",
  TURN_NOT_FOUND: "The server no longer knows it. Its words are in its conversation, if it has one.",
  TURN_LOST: begun,
  TURN_INTERRUPTED: "What was said up to then stands. Send the prompt again if you still want an answer.",
  TURN_NOT_IN_CONVERSATION: "Choose a turn that completed.",
  REQUEST_ID_REUSED: "Send it again with another request id.",
  INVALID_CURSOR: "Reload the page: it shows the turn from its beginning.",
  READER_BEHIND: "The turn goes on. Reload the page to read the rest.",
  STORE_UNAVAILABLE: "The server cannot keep conversations at the moment: tell the operator what the message says.",
  CONTENT_NOT_KEPT: "Choose another profile: this one keeps nothing that is said.",
  CONTENT_NOT_FOUND: "It was deleted, or was never kept.",
  PROFILE_NOT_FOUND: "The conversation can be read. Start a new one to go on, or ask the operator for the profile.",
  UPSTREAM_INVALID_REQUEST: "Change the prompt, or tell the operator.",
  UPSTREAM_CONTEXT_TOO_LONG: shorten,
  UPSTREAM_REQUEST_TOO_LARGE: shorten,
  UPSTREAM_BILLING: operatorsAccount,
  UPSTREAM_AUTH: operatorsAccount,
  UPSTREAM_MODEL_NOT_FOUND: "Choose another model.",
  UPSTREAM_RATE_LIMITED: "Wait, then try again.",
  UPSTREAM_USAGE_LIMIT: "Wait until it is renewed, or tell the operator.",
  UPSTREAM_OVERLOADED: "Wait, then try again.",
  UPSTREAM_5XX: "Try again in a moment.",
  UPSTREAM_UNREACHABLE: "Try again, or tell the operator.",
  UPSTREAM_TIMEOUT: "Try again in a moment.",
  UPSTREAM_CONFLICT: "Try again.",
  UPSTREAM_MALFORMED: "Try again; if it keeps failing, give the operator the trace id.",
  UPSTREAM_UNKNOWN: "Try again; if it keeps failing, give the operator the trace id.",
};

/** Where the same request would only fail in the same way. */
const unrepeatable = new Set([
  "INVALID_REQUEST",
  "UNAUTHENTICATED",
  "NOT_ALLOWED",
  "UNIMPLEMENTED",
  "NOT_SUPPORTED_BY_CLI",
  "REQUEST_TOO_LARGE",
  "RESPONSE_TOO_LARGE",
  "SESSION_NOT_FOUND",
  "SESSION_EXISTS",
  "SESSION_MISMATCH",
  "CONTEXT_FULL",
  "TURN_NOT_FOUND",
  "TURN_NOT_IN_CONVERSATION",
  "REQUEST_ID_REUSED",
  "INVALID_CURSOR",
  "CONTENT_NOT_KEPT",
  "CONTENT_NOT_FOUND",
  "PROFILE_NOT_FOUND",
  "UPSTREAM_CONTEXT_TOO_LONG",
  "UPSTREAM_REQUEST_TOO_LARGE",
]);

/** What a call failed with. `hasBegun`: events had come. */
export function failureOf(error: unknown, { hasBegun }: { readonly hasBegun: boolean }): CallFailure {
  const failed = ConnectError.from(error);
  const info = failed.findDetails(ErrorInfoSchema).find(({ domain }) => domain === "claude-runner");
  const code = codeName(failed.code);
  const result = failed.findDetails(TurnResultSchema)[0];
  if (info === undefined) {
    return {
      code,
      reason: "",
      violations: [],
      facts: [],
      retryAfterMs: undefined,
      result,
      ...onTheWay(failed, hasBegun),
    };
  }
  const violations = failed
    .findDetails(BadRequestSchema)
    .flatMap(({ fieldViolations }) => fieldViolations.map(({ field, description }) => `${field}: ${description}`));
  const retryDelay = failed.findDetails(RetryInfoSchema)[0]?.retryDelay;
  return {
    code,
    reason: info.reason,
    title: titleOf(info.reason),
    // The message of the status repeats the violations, for clients that read nothing else.
    message: violations.length > 0 ? "The request breaks these rules:" : failed.rawMessage,
    violations,
    advice: adviceOf[info.reason] ?? "",
    facts: Object.entries(info.metadata).sort(([a], [b]) => a.localeCompare(b)),
    retryAfterMs: retryDelay && millisecondsOf(retryDelay),
    isRepeatable: !unrepeatable.has(info.reason),
    result,
  };
}

/** Whether a failure means that what was asked for is not there. */
export function isMissing({ code }: CallFailure): boolean {
  return code === "NOT_FOUND";
}

/** Whether a failure means that the server wants a token, or another one. */
export function wantsToken({ code, reason }: CallFailure): boolean {
  return reason === "UNAUTHENTICATED" || (reason === "" && code === "UNAUTHENTICATED");
}

/** Whether a failure means that the server does not know the call. */
export function isUnknownCall({ code }: CallFailure): boolean {
  return code === "UNIMPLEMENTED";
}

function onTheWay(
  failed: ConnectError,
  hasBegun: boolean,
): Pick<CallFailure, "title" | "message" | "advice" | "isRepeatable"> {
  if (failed.code === Code.DeadlineExceeded) {
    return {
      title: "Deadline exceeded",
      message: "The deadline passed, and the server did not report how far the turn had come.",
      advice: "Give the turn more time under Options.",
      isRepeatable: true,
    };
  }
  if (/^HTTP \d{3}$/.test(failed.rawMessage)) return { ...refused(failed.rawMessage), isRepeatable: true };
  if (hasBegun) {
    return {
      title: "Connection lost",
      message: "The connection to the server broke off mid-turn.",
      advice: `What had arrived until then is above. ${begun}`,
      isRepeatable: true,
    };
  }
  return {
    title: "No answer",
    message: "The server cannot be reached.",
    advice: "Check that it is running and that this machine is on the network, then try again.",
    isRepeatable: true,
  };
}

/** Something answered that does not speak the protocol, or the Host and Origin rules of the web port. */
function refused(status: string): Pick<CallFailure, "title" | "message" | "advice"> {
  switch (status) {
    case "HTTP 403":
      return {
        title: "Refused",
        message: "The server does not accept calls from a page at this address.",
        advice:
          "Open the page at the server's own address. Behind a proxy, set behindProxy and pass on the Host header, or add this address to web.allowedOrigins.",
      };
    case "HTTP 421":
      return {
        title: "Refused",
        message: "The server does not answer for this host name.",
        advice: "Add the name to web.allowedHosts.",
      };
    default:
      return {
        title: "Unexpected answer",
        message: `Something other than claude-runner answered, or answered as well: ${status}.`,
        advice: "If there is a proxy in between, check it.",
      };
  }
}

function codeName(code: Code): string {
  if (code === Code.Canceled) return "CANCELLED";
  return (Code[code] ?? "Unknown").replace(/(?!^)[A-Z]/g, "_$&").toUpperCase();
}

/** `QUEUE_FULL` as a title: `Queue full`. */
function titleOf(reason: string): string {
  const words = reason
    .replace(/^UPSTREAM_/, "MODEL API: ")
    .replaceAll("_", " ")
    .toLowerCase();
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}`.replace("Model api", "Model API");
}
