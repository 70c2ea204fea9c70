/**
 * The end of a turn as the caller gets it: TurnEnd and the stage timings to TurnResult.
 */
import { create } from "@bufbuild/protobuf";
import { ErrorReason } from "../../../gen/claude/runner/v1/error_pb.ts";
import {
  type ModelUsage as ModelUsageMessage,
  ModelUsageSchema,
  Outcome as OutcomeMessage,
  type Stages,
  StagesSchema,
  type TurnResult,
  TurnResultSchema,
  type Usage as UsageMessage,
  UsageSchema,
  WorkerFate,
} from "../../../gen/claude/runner/v1/result_pb.ts";
import type { RunnerReason } from "../../runner-error.ts";
import type { Outcome, TurnEnd } from "../../turn-end.ts";
import type { StageTimes } from "../../turns/stages.ts";
import type { ModelUsage, Usage } from "../../usage.ts";
import { cutUtf8 } from "../../utf8.ts";
import { duration, int32, int64 } from "../protobuf.ts";
import { value } from "./structs.ts";

/** The longest final text in a result, in bytes; the deltas have all of it. */
export const maxResultTextBytes = 256 * 1024;

export const outcomes = {
  completed: OutcomeMessage.COMPLETED,
  refused: OutcomeMessage.REFUSED,
  maxOutputTokens: OutcomeMessage.MAX_OUTPUT_TOKENS,
  contextWindow: OutcomeMessage.CONTEXT_WINDOW,
  incomplete: OutcomeMessage.INCOMPLETE,
  modelCallLimit: OutcomeMessage.MODEL_CALL_LIMIT,
  costLimit: OutcomeMessage.COST_LIMIT,
  outputLimit: OutcomeMessage.OUTPUT_LIMIT,
  durationLimit: OutcomeMessage.DURATION_LIMIT,
  structuredOutputFailed: OutcomeMessage.STRUCTURED_OUTPUT_FAILED,
  blockedByHook: OutcomeMessage.BLOCKED_BY_HOOK,
  cancelled: OutcomeMessage.CANCELLED,
  deadlineExceeded: OutcomeMessage.DEADLINE_EXCEEDED,
  upstreamError: OutcomeMessage.UPSTREAM_ERROR,
  workerDied: OutcomeMessage.WORKER_DIED,
  drained: OutcomeMessage.DRAINED,
  clientStalled: OutcomeMessage.CLIENT_STALLED,
  internalError: OutcomeMessage.INTERNAL_ERROR,
  lost: OutcomeMessage.LOST,
  interrupted: OutcomeMessage.INTERRUPTED,
} as const satisfies Record<Outcome, OutcomeMessage>;

const fates = {
  reset: WorkerFate.RESET,
  kept: WorkerFate.KEPT,
  ended: WorkerFate.RECYCLED,
} as const;

export interface ResultContext {
  readonly times: StageTimes;
  readonly lastSequence: number;
  /** Whether the caller is an operator. Absent: no. */
  readonly forOperator?: boolean | undefined;
  /** What is planned for the worker. */
  readonly fate: keyof typeof fates;
}

export function toResult(end: TurnEnd, at: ResultContext): TurnResult {
  const text = cutUtf8(end.text, maxResultTextBytes);
  const textBytes = Buffer.byteLength(end.text);
  const structured = end.structuredOutputJson;
  const structuredOutput = end.structuredOutput === undefined ? undefined : value(end.structuredOutput);
  return create(TurnResultSchema, {
    outcome: outcomes[end.outcome],
    text,
    textTruncated: text.length < end.text.length,
    textSizeBytes: int64(textBytes),
    ...(structuredOutput && { structuredOutput }),
    structuredOutputJson: Buffer.byteLength(structured) <= maxResultTextBytes ? structured : "",
    usage: toUsage(end.usage),
    costUsdMicros: int64(end.costUsdMicros),
    costIsEstimate: end.costIsEstimate,
    modelUsage: end.modelUsage.map(toModelUsage),
    modelCallCount: int32(end.modelCallCount),
    contextTokenCount: int64(end.contextTokens),
    contextWindowTokenCount: int64(end.contextWindowTokens),
    stages: toStages(at.times, end.apiMs),
    stopReason: end.stopReason,
    terminalReason: end.terminalReason,
    cliSubtype: end.cliSubtype,
    ...(end.error && {
      error: {
        reason: errorReason(end.error.reason),
        message: cutUtf8(end.error.messageFor(at.forOperator ?? false), 4096),
        ...(end.upstreamFailure?.httpStatus !== undefined && { httpStatus: int32(end.upstreamFailure.httpStatus) }),
        cliError: end.upstreamFailure?.cliError ?? "",
        apiErrorType: end.upstreamFailure?.apiErrorType ?? "",
        requestId: end.upstreamFailure?.requestId ?? "",
      },
    }),
    permissionDenials: end.permissionDenials.slice(0, 100).map(({ toolName, toolUseId }) => ({ toolName, toolUseId })),
    refusalCategory: end.refusalCategory,
    refusalExplanation: cutUtf8(end.refusalExplanation, 4096),
    lastSequence: at.lastSequence,
    workerFate: fates[at.fate],
  });
}

export function toUsage(usage: Usage): UsageMessage {
  return create(UsageSchema, {
    inputTokenCount: int64(usage.inputTokens),
    outputTokenCount: int64(usage.outputTokens),
    cacheReadInputTokenCount: int64(usage.cacheReadInputTokens),
    cacheCreationInputTokenCount: int64(usage.cacheCreationInputTokens),
    thinkingTokenCount: int64(usage.thinkingTokens),
    webSearchRequestCount: int32(usage.webSearchRequests),
  });
}

function toModelUsage({ model, usage, costUsdMicros, costBasis }: ModelUsage): ModelUsageMessage {
  return create(ModelUsageSchema, { model, usage: toUsage(usage), costUsdMicros: int64(costUsdMicros), costBasis });
}

export function toStages(times: StageTimes, apiMs: number | undefined): Stages {
  const of = (ms: number | undefined) => (ms === undefined ? undefined : duration(ms));
  return create(StagesSchema, {
    queueWait: of(times.queueWait),
    claim: of(times.claim),
    bind: of(times.bind),
    seedHistory: of(times.seedHistory),
    stdinWrite: of(times.stdinWrite),
    firstEvent: of(times.firstEvent),
    firstText: of(times.firstText),
    arrivalToFirstText: of(times.arrivalToFirstText),
    turn: of(times.turn),
    total: of(times.total),
    api: of(apiMs),
    sessionWait: of(times.sessionWait),
  });
}

/** A reason as the enum of error.proto, whose values have the same names. */
export function errorReason(reason: RunnerReason): ErrorReason {
  return ErrorReason[reason];
}
