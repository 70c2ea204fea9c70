/**
 * Every span with where it is and what is on it. docs/tracing.md is made from it, and `npm run observability` checks it
 * against what arrives in Jaeger.
 */
import { attributeNames as names, retryEventName, type spanNames } from "./instruments.ts";

/** `call` stands for the server span, whose name is that of its method. */
export type SpanKey = "call" | keyof typeof spanNames;

export interface AboutSpan {
  /** The span that it lies below; absent: the caller's. */
  readonly parent?: SpanKey;
  readonly meaning: string;
  /** Attributes that it may have. */
  readonly attributes: readonly string[];
}

/** How a turn got its worker. */
const claim = [names.claimSource, names.workerId, names.workerTurnCount, names.workerAgeMs];
/** Only on a span that did not come to its end. */
const failure = [names.errorReason];

export const aboutSpans: Readonly<Record<SpanKey, AboutSpan>> = {
  call: {
    meaning: "The call, from its request having been read until its caller has the last of its answer.",
    attributes: [
      names.rpcSystem,
      names.rpcMethod,
      names.rpcStatusCode,
      names.errorType,
      names.errorReason,
      names.tenant,
      names.profile,
      names.turnId,
      names.detail,
      names.outcome,
      ...claim,
      names.queueLength,
      names.costUsdMicros,
      names.genAiOperation,
      names.genAiProvider,
      names.genAiRequestModel,
      names.genAiResponseModel,
      names.genAiConversationId,
      names.genAiInputTokens,
      names.genAiOutputTokens,
      names.genAiCacheReadTokens,
      names.genAiCacheCreationTokens,
      names.genAiFinishReasons,
    ],
  },
  check: {
    parent: "call",
    meaning: "The request is checked, and the tenant's cap on turns in flight looked at.",
    attributes: failure,
  },
  queueWait: {
    parent: "call",
    meaning: "The wait for a worker. Failed: the turn was refused.",
    attributes: [names.queueLength, ...failure],
  },
  claim: {
    parent: "call",
    meaning: "From the pool's giving a worker to the turn's having it.",
    attributes: [...claim, ...failure],
  },
  bind: {
    parent: "call",
    meaning: "A worker without a system prompt and schema gets them. Absent when it was reused.",
    attributes: failure,
  },
  configure: {
    parent: "call",
    meaning: "Model and effort are set, where they differ from what the worker has.",
    attributes: failure,
  },
  seedHistory: {
    parent: "call",
    meaning: "The worker takes the history. Absent when there is none.",
    attributes: [names.seededMessageCount, ...failure],
  },
  stdinWrite: { parent: "call", meaning: "The prompt is written to the worker.", attributes: failure },
  turn: {
    parent: "call",
    meaning: `Claude Code works, from the written prompt to its result. Has an event \`${retryEventName}\` for each request to the model API that it repeats.`,
    attributes: failure,
  },
  reply: {
    parent: "call",
    meaning: "From the result, or the refusal, until the caller has it. Long: the caller does not read.",
    attributes: [],
  },
  firstEvent: { parent: "turn", meaning: "Until Claude Code says its first word.", attributes: [] },
  firstText: { parent: "turn", meaning: "Until the first text of the answer. Absent when none came.", attributes: [] },
  tool: {
    parent: "turn",
    meaning: "A tool use, from the model's wish to the tool's answer. Absent at the detail `text`.",
    attributes: [names.toolName, names.toolIsError, names.toolWasCut],
  },
};

/** On the event for a repeated request. */
export const retryAttributes: readonly string[] = [names.retryAttempt, names.retryDelayMs, names.errorType];
