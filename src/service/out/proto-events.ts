/**
 * What happens in a turn as the caller gets it: TurnEvent to the events of the contract, in slices where it is long.
 *
 * Leaves out the envelope and the raw lines (`event-encoder.ts`), complete blocks (`blocks.ts`) and what tools answer
 * (`tool-results.ts`).
 */
import {
  Activity,
  BlockKind as BlockKindMessage,
  ClaimSource as ClaimSourceMessage,
  ConversationSource as ConversationSourceMessage,
  NoticeLevel,
  RetractionCause,
  TaskState as TaskStateMessage,
} from "../../../gen/claude/runner/v1/event_pb.ts";
import { type ConversationSource, conversationSource } from "../../conversations/conversation-source.ts";
import type { Claim, ClaimSource } from "../../pool/claim.ts";
import { earlierMessageCount, type Turn } from "../../turn.ts";
import type { BlockKind, TaskState, TurnEvent } from "../../turn-event.ts";
import { cutUtf8, sliceUtf8 } from "../../utf8.ts";
import { duration, int32, int64, timestamp } from "../protobuf.ts";
import { toAssistantBlocks, toToolUses } from "./blocks.ts";
import { type Event, parts } from "./responses.ts";
import { toUsage } from "./result.ts";
import { maxSliceBytes } from "./slices.ts";
import { struct } from "./structs.ts";
import { toToolResults } from "./tool-results.ts";

/** For texts that are short in all sane cases; the fullest detail has them whole. */
const maxShortTextBytes = 64 * 1024;

export const claimSources = {
  REUSED: ClaimSourceMessage.REUSED,
  SPARE: ClaimSourceMessage.SPARE,
  COLD_NO_SPARE: ClaimSourceMessage.COLD_NO_SPARE,
  COLD_POOL_OFF: ClaimSourceMessage.COLD_POOL_OFF,
} as const satisfies Record<ClaimSource, ClaimSourceMessage>;

const conversationSources = {
  new: ConversationSourceMessage.NEW,
  kept: ConversationSourceMessage.KEPT,
  seeded: ConversationSourceMessage.SEEDED,
  resumed: ConversationSourceMessage.RESUMED,
} as const satisfies Record<ConversationSource, ConversationSourceMessage>;

/** The first event: what the CLI said at the turn's beginning and how the turn got its worker. */
export function toStarted(
  init: Extract<TurnEvent, { kind: "init" }>,
  turn: Turn,
  claim: Claim,
  at: { readonly nowMs: number; readonly queueWaitMs: number },
): Event {
  const source = conversationSource(turn, claim);
  return {
    case: "started",
    value: {
      claimSource: claimSources[claim.source],
      workerId: claim.worker.id,
      workerTurnCount: claim.turnCount,
      workerAge: duration(at.nowMs - claim.worker.startedAtMs),
      cliVersion: init.cliVersion,
      model: init.model,
      upstreamSessionId: init.upstreamSessionId,
      profile: turn.profile,
      permissionMode: init.permissionMode,
      tools: [...init.tools],
      mcpServers: init.mcpServers.map(({ name, status }) => ({ name, status })),
      capabilities: turn.detail === "full" ? [...init.capabilities] : [],
      apiKeySource: init.apiKeySource,
      queueWait: duration(at.queueWaitMs),
      seededMessageCount: source === "seeded" ? earlierMessageCount(turn) : 0,
      conversationSource: conversationSources[source],
      sessionId: turn.sessionId ?? "",
    },
  };
}

export function heartbeat(elapsedMs: number): Event {
  return { case: "heartbeat", value: { elapsed: duration(elapsedMs) } };
}

const blockKinds = {
  text: BlockKindMessage.TEXT,
  thinking: BlockKindMessage.THINKING,
  redactedThinking: BlockKindMessage.REDACTED_THINKING,
  toolUse: BlockKindMessage.TOOL_USE,
  serverToolUse: BlockKindMessage.SERVER_TOOL_USE,
  serverToolResult: BlockKindMessage.SERVER_TOOL_RESULT,
  unknown: BlockKindMessage.UNSPECIFIED,
} as const satisfies Record<BlockKind, BlockKindMessage>;

const taskStates = {
  started: TaskStateMessage.STARTED,
  progress: TaskStateMessage.PROGRESS,
  completed: TaskStateMessage.COMPLETED,
  failed: TaskStateMessage.FAILED,
  stopped: TaskStateMessage.STOPPED,
  unknown: TaskStateMessage.UNSPECIFIED,
} as const satisfies Record<TaskState, TaskStateMessage>;

const activities = {
  requesting: Activity.REQUESTING,
  compacting: Activity.COMPACTING,
  idle: Activity.IDLE,
  unknown: Activity.UNSPECIFIED,
} as const;

const retractionCauses = {
  streamBroken: RetractionCause.STREAM_BROKEN,
  refusal: RetractionCause.REFUSAL,
  unknown: RetractionCause.UNSPECIFIED,
} as const;

const noticeLevels = {
  info: NoticeLevel.INFO,
  suggestion: NoticeLevel.SUGGESTION,
  warning: NoticeLevel.WARNING,
} as const;

const short = (text: string) => cutUtf8(text, maxShortTextBytes);

/** One event of the turn as events of the contract: more than one where it is long, at least one always. */
export function toEvents(event: TurnEvent): Event[] {
  switch (event.kind) {
    case "textDelta": {
      const { blockIndex, messageIndex } = event;
      return sliceUtf8(event.text, maxSliceBytes).map((text) => ({
        case: "textDelta",
        value: { text, blockIndex, messageIndex },
      }));
    }
    case "thinkingDelta": {
      const { blockIndex, messageIndex } = event;
      return sliceUtf8(event.thinking, maxSliceBytes).map((thinking) => ({
        case: "thinkingDelta",
        value: { thinking, blockIndex, messageIndex },
      }));
    }
    case "toolInputDelta": {
      const { blockIndex, messageIndex } = event;
      return sliceUtf8(event.partialJson, maxSliceBytes).map((partialJson) => ({
        case: "toolInputDelta",
        value: { partialJson, blockIndex, messageIndex },
      }));
    }
    case "signatureDelta": {
      const { blockIndex, messageIndex } = event;
      return sliceUtf8(event.signature, maxSliceBytes).map((signature) => ({
        case: "signatureDelta",
        value: { signature, blockIndex, messageIndex },
      }));
    }
    case "citationDelta": {
      const citation = struct(event.citation);
      const { blockIndex, messageIndex } = event;
      return [{ case: "citationDelta", value: { blockIndex, messageIndex, ...(citation && { citation }) } }];
    }
    case "blockStart": {
      const { blockIndex, messageIndex, rawKind, toolUseId, toolName } = event;
      return [
        {
          case: "blockStart",
          value: { blockIndex, messageIndex, kind: blockKinds[event.blockKind], rawKind, toolUseId, toolName },
        },
      ];
    }
    case "blockStop":
      return [{ case: "blockStop", value: { blockIndex: event.blockIndex, messageIndex: event.messageIndex } }];
    case "messageStart": {
      const { messageIndex, messageId, model, timeToFirstTokenMs } = event;
      return [
        {
          case: "messageStart",
          value: {
            messageIndex,
            messageId,
            model,
            usage: toUsage(event.usage),
            ...(timeToFirstTokenMs !== undefined && { timeToFirstToken: duration(timeToFirstTokenMs) }),
          },
        },
      ];
    }
    case "messageDelta":
      return [
        {
          case: "messageDelta",
          value: {
            messageIndex: event.messageIndex,
            stopReason: event.stopReason,
            stopSequence: short(event.stopSequence),
            usage: toUsage(event.usage),
            refusalCategory: short(event.refusalCategory),
            refusalExplanation: short(event.refusalExplanation),
          },
        },
      ];
    case "messageStop":
      return [{ case: "messageStop", value: { messageIndex: event.messageIndex } }];
    case "assistantBlock":
      return toAssistantBlocks(event);
    case "toolUse":
      return toToolUses(event);
    case "toolResult":
      return toToolResults(event);
    case "retracted":
      return [
        {
          case: "retracted",
          value: {
            messageIndex: event.messageIndex,
            fromBlockIndex: event.fromBlockIndex,
            messageId: event.messageId,
            textBytes: int64(event.textBytes),
            cause: retractionCauses[event.cause],
          },
        },
      ];
    case "status":
      return [
        {
          case: "status",
          value: {
            activity: activities[event.activity],
            rawActivity: event.rawActivity,
            permissionMode: event.permissionMode,
            compactResult: short(event.compactResult),
            compactError: short(event.compactError),
          },
        },
      ];
    case "apiRetry":
      return [
        {
          case: "apiRetry",
          value: {
            attempt: int32(event.attempt),
            maxAttemptCount: int32(event.maxAttempts),
            delay: duration(event.delayMs),
            ...(event.httpStatus !== undefined && { httpStatus: int32(event.httpStatus) }),
            error: short(event.error),
          },
        },
      ];
    case "rateLimit":
      return [
        {
          case: "rateLimit",
          value: {
            status: event.status,
            ...(event.resetAtMs !== undefined && { resetTime: timestamp(event.resetAtMs) }),
            window: event.window,
            ...(event.utilization !== undefined && { utilization: event.utilization }),
            usingOverage: event.usingOverage,
          },
        },
      ];
    case "modelSwitched": {
      const { trigger, fromModel, toModel } = event;
      return [
        {
          case: "modelSwitched",
          value: {
            trigger,
            fromModel,
            toModel,
            refusalCategory: short(event.refusalCategory),
            refusalExplanation: short(event.refusalExplanation),
          },
        },
      ];
    }
    case "compacted":
      return [
        {
          case: "compacted",
          value: {
            trigger: event.trigger,
            tokensBeforeCount: int64(event.tokensBefore),
            tokensAfterCount: int64(event.tokensAfter),
          },
        },
      ];
    case "permissionDenied": {
      const { toolName, toolUseId, reasonType } = event;
      return [
        {
          case: "permissionDenied",
          value: { toolName, toolUseId, message: short(event.message), reasonType, reason: short(event.reason) },
        },
      ];
    }
    case "task":
      return [
        {
          case: "task",
          value: {
            taskId: event.taskId,
            toolUseId: event.toolUseId,
            state: taskStates[event.state],
            description: short(event.description),
            taskType: event.taskType,
            subagentType: event.subagentType,
            totalTokenCount: int64(event.totalTokens),
            toolUseCount: int32(event.toolUses),
            ...(event.durationMs !== undefined && { duration: duration(event.durationMs) }),
            lastToolName: event.lastToolName,
            summary: short(event.summary),
            isBackgrounded: event.isBackgrounded,
          },
        },
      ];
    case "toolProgress":
      return [
        {
          case: "toolProgress",
          value: { toolUseId: event.toolUseId, toolName: event.toolName, elapsed: duration(event.elapsedMs) },
        },
      ];
    case "backgroundTasks":
      return [{ case: "backgroundTasks", value: { taskIds: [...event.taskIds] } }];
    case "notice": {
      const level = noticeLevels[event.level];
      return parts(sliceUtf8(event.text, maxSliceBytes), (text, part) => ({
        case: "notice",
        value: { level, kind: event.noticeKind, text, ...part },
      }));
    }
    case "syntheticPrompt":
      return parts(sliceUtf8(event.text, maxSliceBytes), (text, part) => ({
        case: "syntheticPrompt",
        value: { text, ...part },
      }));
    case "hook": {
      const { hookName, hookEvent, phase, outcome, exitCode } = event;
      return [
        {
          case: "hook",
          value: { hookName, hookEvent, phase, outcome, ...(exitCode !== undefined && { exitCode: int32(exitCode) }) },
        },
      ];
    }
    case "thinkingProgress":
      return [{ case: "thinkingProgress", value: { estimatedTokenCount: int64(event.estimatedTokens) } }];
    case "unknown":
      return [{ case: "unknown", value: { kind: cutUtf8(event.name, 256) } }];
    case "init": // a second one within a turn; the first became `started`
      return [{ case: "unknown", value: { kind: "system/init" } }];
    case "ended":
      throw new Error("bug: the end of a turn is not mapped here");
    default:
      return event satisfies never;
  }
}
