/**
 * RunnerError to gRPC: the code, the `google.rpc` details and the push-back of each reason.
 *
 * The only place that knows status codes. All details of one status stay under 4 KiB together, since clients stop at 8
 * to 16 KiB of trailers, and some of them report something else then.
 */

import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type TurnResult, TurnResultSchema } from "../../gen/claude/runner/v1/result_pb.ts";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  QuotaFailureSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
} from "../../gen/google/rpc/error_details_pb.ts";
import { isRunnerError, RunnerError, type RunnerReason, withoutStack } from "../runner-error.ts";
import { clipUtf8 } from "../utf8.ts";
import { duration } from "./protobuf.ts";

export const errorDomain = "claude-runner";

/** The header that tells a client's retry policy when to retry; negative: do not. */
export const pushbackHeader = "grpc-retry-pushback-ms";

const maxDetailsBytes = 4096;
const maxMessageBytes = 1024;

/** What a reason comes with. */
interface Policy {
  /** The code before anything was streamed; `statusCode` has the exceptions. */
  readonly code: Code;
  /**
   * For a refusal before the prompt was written: when the same call may get through, in milliseconds, unless whoever
   * refused it knew better.
   */
  readonly retryAfterMs?: number;
  /** A detail beside ErrorInfo, RetryInfo, BadRequest and the turn's result. */
  readonly detail?: "quota" | "model";
}

/** What each reason comes with. A new one must choose. */
const policyOf = {
  INVALID_REQUEST: { code: Code.InvalidArgument },
  UNAUTHENTICATED: { code: Code.Unauthenticated },
  NOT_ALLOWED: { code: Code.PermissionDenied },
  QUOTA_EXCEEDED: { code: Code.ResourceExhausted, retryAfterMs: 1_000, detail: "quota" },
  QUEUE_FULL: { code: Code.Unavailable, retryAfterMs: 1_000 },
  QUEUE_TIMEOUT: { code: Code.Unavailable, retryAfterMs: 1_000 },
  POOL_DRAINING: { code: Code.Unavailable, retryAfterMs: 2_000 },
  WORKER_START_FAILED: { code: Code.Unavailable, retryAfterMs: 15_000 },
  CLI_UNAVAILABLE: { code: Code.Unavailable, retryAfterMs: 5_000 },
  NOT_SUPPORTED_BY_CLI: { code: Code.FailedPrecondition },
  WORKER_DIED: { code: Code.Unavailable, retryAfterMs: 250 },
  DRAINED: { code: Code.Aborted },
  CLIENT_STALLED: { code: Code.Aborted },
  RESPONSE_TOO_LARGE: { code: Code.ResourceExhausted },
  REQUEST_TOO_LARGE: { code: Code.ResourceExhausted },
  CANCELLED: { code: Code.Canceled },
  DEADLINE_EXCEEDED: { code: Code.DeadlineExceeded },
  INTERNAL: { code: Code.Internal },
  UPSTREAM_INVALID_REQUEST: { code: Code.InvalidArgument },
  UPSTREAM_CONTEXT_TOO_LONG: { code: Code.InvalidArgument },
  UPSTREAM_REQUEST_TOO_LARGE: { code: Code.InvalidArgument },
  UPSTREAM_BILLING: { code: Code.FailedPrecondition },
  UPSTREAM_AUTH: { code: Code.FailedPrecondition },
  UPSTREAM_MODEL_NOT_FOUND: { code: Code.NotFound, detail: "model" },
  UPSTREAM_RATE_LIMITED: { code: Code.ResourceExhausted, detail: "quota" },
  UPSTREAM_USAGE_LIMIT: { code: Code.ResourceExhausted, detail: "quota" },
  UPSTREAM_OVERLOADED: { code: Code.Unavailable },
  UPSTREAM_5XX: { code: Code.Unavailable },
  UPSTREAM_UNREACHABLE: { code: Code.Unavailable },
  UPSTREAM_TIMEOUT: { code: Code.Unavailable },
  UPSTREAM_CONFLICT: { code: Code.Aborted },
  UPSTREAM_MALFORMED: { code: Code.Internal },
  UPSTREAM_UNKNOWN: { code: Code.Internal },
} as const satisfies Record<RunnerReason, Policy>;

/** How far a turn had come when it failed. */
export interface FailureStage {
  /** The turn, as logs and spans name it; absent while the request was not yet one. */
  readonly turnId?: string;
  /** The sequence of the last event that was sent; 0 or absent: none was. */
  readonly lastSequence?: number;
  /** Whether the prompt line had been written: the turn may have cost money, so nobody repeats it by himself. */
  readonly promptWritten: boolean;
  /** Whether text or a tool use had been streamed. */
  readonly contentStreamed: boolean;
  /** Whether its caller is an operator, who gets what is for operators only. Absent: no. */
  readonly forOperator?: boolean | undefined;
  /** Whether the call's own deadline has passed. */
  readonly deadlinePassed: boolean;
  /** The turn's result, if it had begun. */
  readonly result: TurnResult | undefined;
}

const beforeTheTurn: FailureStage = {
  promptWritten: false,
  contentStreamed: false,
  deadlinePassed: false,
  result: undefined,
};

/** The status code of a reason at a stage. */
export function statusCode(reason: RunnerReason, stage: FailureStage = beforeTheTurn): Code {
  if (reason === "QUEUE_TIMEOUT" && stage.deadlinePassed) return Code.DeadlineExceeded;
  if (reason === "WORKER_DIED" && stage.promptWritten) return Code.Aborted;
  if (reason.startsWith("UPSTREAM_") && stage.contentStreamed) return Code.Aborted;
  return policyOf[reason].code;
}

/**
 * Any error as the one that a listener sends. What was not meant for the caller becomes a bare INTERNAL; whoever calls
 * this logs the cause.
 */
export function toConnectError(error: unknown, stage: FailureStage = beforeTheTurn): ConnectError {
  if (error instanceof ConnectError) return error;
  const known = isRunnerError(error) ? error : new RunnerError("INTERNAL", "internal error");
  const code = statusCode(known.reason, stage);
  const details = detailsOf(known, stage);
  const metadata = new Headers();
  const retryAfterMs = retryAfter(known, stage);
  if (stage.promptWritten) metadata.set(pushbackHeader, "-1");
  else if (retryAfterMs !== undefined) metadata.set(pushbackHeader, String(pushbackMs(retryAfterMs)));
  const message = clipUtf8(messageOf(known, stage), maxMessageBytes);
  return withoutStack(() => new ConnectError(message, code, metadata, details, error));
}

function messageOf(error: RunnerError, { forOperator = false }: FailureStage): string {
  return error.messageFor(forOperator);
}

/**
 * When a retry makes sense, in milliseconds, where somebody knows it: whoever refused, or the server for itself. What
 * began is not refused, and when the model API is well again nobody knows but itself.
 */
function retryAfter(error: RunnerError, { promptWritten }: FailureStage): number | undefined {
  const policy: Policy = policyOf[error.reason];
  return error.retryAfterMs ?? (promptWritten ? undefined : policy.retryAfterMs);
}

/** Never 0, for which gRPC core (Python, C++, Ruby) waits for ever, and never negative, which says not to retry. */
function pushbackMs(retryAfterMs: number): number {
  return Math.max(1, Math.ceil(retryAfterMs));
}

interface Detail {
  readonly desc: DescMessage;
  readonly value: MessageInitShape<DescMessage>;
}

function detailsOf(error: RunnerError, stage: FailureStage): Detail[] {
  const budget = new DetailBudget(maxDetailsBytes);
  const facts: Record<string, string> = {};
  let factBytes = 0;
  for (const [key, value] of Object.entries(error.facts)) {
    const text = clipUtf8(String(value), 200);
    factBytes += key.length + Buffer.byteLength(text);
    if (factBytes < 1500) facts[key] = text;
  }
  if (stage.turnId !== undefined) facts.turnId = stage.turnId;
  if (stage.lastSequence) facts.lastSequence = String(stage.lastSequence);
  if (error.violations.length > 0) facts.violationCount ??= String(error.violations.length);
  const retryAfterMs = retryAfter(error, stage);
  if (retryAfterMs !== undefined) facts.retryAfterMs = String(Math.ceil(retryAfterMs));
  budget.add(ErrorInfoSchema, { reason: error.reason, domain: errorDomain, metadata: facts });

  if (retryAfterMs !== undefined) budget.add(RetryInfoSchema, { retryDelay: duration(retryAfterMs) });
  const { detail }: Policy = policyOf[error.reason];
  if (detail === "quota") {
    const subject = clipUtf8(String(error.facts.subject ?? error.reason), 200);
    budget.add(QuotaFailureSchema, { violations: [{ subject, description: clipUtf8(error.message, 500) }] });
  }
  if (detail === "model") {
    budget.add(ResourceInfoSchema, {
      resourceType: "model",
      resourceName: clipUtf8(String(error.facts.model ?? ""), 200),
    });
  }
  if (stage.result !== undefined) {
    const { result } = stage;
    budget.add(TurnResultSchema, {
      ...result,
      text: "",
      textTruncated: result.textSizeBytes > 0n,
      structuredOutput: undefined,
      structuredOutputJson: "",
      permissionDenials: [],
      refusalExplanation: "",
      error: result.error && { ...result.error, message: clipUtf8(result.error.message, 200) },
    });
  }
  if (error.violations.length > 0) {
    // The first violations that fit; ErrorInfo has the count of all.
    const fieldViolations: { readonly field: string; readonly description: string }[] = [];
    let bytes = anyBytes(BadRequestSchema);
    for (const { field, description } of error.violations) {
      const violation = { field: clipUtf8(field, 200), description: clipUtf8(description, 300) };
      // Elements of a list add up: what one takes alone it takes among others.
      bytes += encodedBytes(BadRequestSchema, { fieldViolations: [violation] });
      if (bytes > budget.leftBytes) break;
      fieldViolations.push(violation);
    }
    budget.add(BadRequestSchema, { fieldViolations });
  }
  return budget.details;
}

/** Collects details as long as they fit. */
class DetailBudget {
  readonly details: Detail[] = [];
  #leftBytes: number;
  constructor(bytes: number) {
    this.#leftBytes = bytes;
  }
  get leftBytes(): number {
    return this.#leftBytes;
  }
  add<D extends DescMessage>(desc: D, value: MessageInitShape<D>): void {
    const bytes = anyBytes(desc) + encodedBytes(desc, value);
    if (bytes > this.#leftBytes) return;
    this.#leftBytes -= bytes;
    this.details.push({ desc, value: value as MessageInitShape<DescMessage> });
  }
}

function encodedBytes<D extends DescMessage>(desc: D, value: MessageInitShape<D>): number {
  return toBinary(desc, create(desc, value)).length;
}

/** What the Any around a detail takes at most: the type's name and the framing. */
function anyBytes(desc: DescMessage): number {
  return desc.typeName.length + 32;
}
