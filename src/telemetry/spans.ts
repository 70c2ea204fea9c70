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
const claim = [names.claimSource, names.conversationSource, names.workerId, names.workerTurnCount, names.workerAgeMs];
/** Only on a span that did not come to its end. */
const failure = [names.errorReason];

export const aboutSpans: Readonly<Record<SpanKey, AboutSpan>> = {
  call: {
    meaning: "The call, from when its request has been read until its caller has the end of the answer.",
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
    meaning: "The check of the request, and of the tenant's limit on turns in flight.",
    attributes: failure,
  },
  sessionWait: {
    parent: "call",
    meaning: "The wait for the earlier turns of the session, and for what was said in them.",
    attributes: failure,
  },
  queueWait: {
    parent: "call",
    meaning: "The wait for a worker. An error if the turn was refused.",
    attributes: [names.queueLength, ...failure],
  },
  claim: {
    parent: "call",
    meaning: "From when the pool gives a worker until the turn has it.",
    attributes: [...claim, ...failure],
  },
  bind: {
    parent: "call",
    meaning: "Giving the worker its system prompt and schema. Absent if the worker is reused.",
    attributes: failure,
  },
  configure: {
    parent: "call",
    meaning: "Setting the model and the effort, if they differ from the worker's.",
    attributes: failure,
  },
  seedHistory: {
    parent: "call",
    meaning: "Handing the history to the worker. Absent if there is none.",
    attributes: [names.seededMessageCount, ...failure],
  },
  stdinWrite: { parent: "call", meaning: "Writing the prompt to the worker.", attributes: failure },
  turn: {
    parent: "call",
    meaning: `The work of Claude Code, from the written prompt to its result. Has an event \`${retryEventName}\` for each request to the model API that it repeats.`,
    attributes: failure,
  },
  reply: {
    parent: "call",
    meaning: "From the result, or the refusal, until the caller has it. Long if the caller does not read.",
    attributes: [],
  },
  firstEvent: { parent: "turn", meaning: "From the written prompt to the first event of Claude Code.", attributes: [] },
  firstText: {
    parent: "turn",
    meaning: "From the written prompt to the first text of the answer. Absent if there was none.",
    attributes: [],
  },
  tool: {
    parent: "turn",
    meaning: "A tool use, from the model's request to the tool's answer. Absent at the detail `text`.",
    attributes: [names.toolName, names.toolIsError, names.toolWasCut],
  },
};

/** On the event for a repeated request. */
export const retryAttributes: readonly string[] = [names.retryAttempt, names.retryDelayMs, names.errorType];
