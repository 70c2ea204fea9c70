/**
 * What happens in a turn as the caller gets it: TurnEvent to StreamChatResponse, in slices where it is long.
 *
 * Keeps every event below 1 MiB: at most 256 KiB of text, 208 KiB of structure and 512 KiB of raw line in one.
 */
import type { JsonObject, MessageInitShape } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import {
  Activity,
  BlockKind as BlockKindMessage,
  ClaimSource as ClaimSourceMessage,
  NoticeLevel,
  RetractionCause,
  TaskState as TaskStateMessage,
} from "../../gen/claude/runner/v1/event_pb.ts";
import type { StreamChatResponse, StreamChatResponseSchema } from "../../gen/claude/runner/v1/runner_pb.ts";
import type { Claim, ClaimSource } from "../pool/claim.ts";
import type { BlockKind, Detail, TaskState, Turn, TurnEvent, TurnEventBody } from "../turn.ts";
import { duration, struct, timestamp } from "./protobuf.ts";
import { maxStructJsonBytes, toUsage } from "./result.ts";
import { cutUtf8, maxSliceBytes, sliceUtf8 } from "./slices.ts";
import { toToolResults } from "./tool-results.ts";

export type Response = MessageInitShape<typeof StreamChatResponseSchema>;
/** The `event` of a response. */
export type Event = NonNullable<Response["event"]>;

const maxRawBytes = 512 * 1024;
/** For texts that are short in all sane cases; the fullest detail has them whole. */
const maxShortTextBytes = 64 * 1024;

/** Numbers the events of one turn and puts them into their envelope. */
export class EventStream {
  readonly #turn: Turn;
  readonly #wallNow: () => number;
  #sequence = 0;
  #createTime = timestamp(0);
  #createTimeMs = 0;

  constructor(turn: Turn, wallNow: () => number) {
    this.#turn = turn;
    this.#wallNow = wallNow;
  }

  /** The sequence of the last event. */
  get lastSequence(): number {
    return this.#sequence;
  }

  /** One event in its envelope. */
  envelop(event: Event, parentToolUseId?: string): Response {
    this.#sequence += 1;
    return {
      sequence: this.#sequence,
      createTime: this.#now(),
      turnId: this.#turn.id,
      parentToolUseId: parentToolUseId ?? "",
      event,
    };
  }

  /** What a caller gets of an event at the detail that it asked for: nothing, one response, or several. */
  responses(event: TurnEvent): Response[] {
    if (event.kind === "textDelta" && event.raw === undefined && event.text.length * 3 <= maxSliceBytes) {
      return [this.#textDelta(event)];
    }
    if (!isWanted(event, this.#turn.detail)) return [];
    const events = toEvents(event);
    const responses = events.map((each) => this.envelop(each, event.parentToolUseId));
    return event.raw === undefined ? responses : this.withRaw(responses, event.raw, event.parentToolUseId);
  }

  /** Puts a line on the first response; what does not fit follows on `unknown` events. */
  withRaw(responses: Response[], raw: string, parentToolUseId?: string): Response[] {
    const [first, ...more] = rawPieces(raw);
    responses[0]!.rawJson = first;
    return [...responses, ...more.map((piece) => this.#carrier(piece, parentToolUseId))];
  }

  /** What of the last event's line has to go in front of it, since nothing may come behind; it carries the rest itself. */
  beforeLast(raw: string): { readonly responses: Response[]; readonly rest: RawPiece } {
    const pieces = rawPieces(raw);
    return { responses: pieces.slice(0, -1).map((piece) => this.#carrier(piece)), rest: pieces.at(-1)! };
  }

  /** Nearly all events are short pieces of text: made as the finished message, which nobody has to build from parts. */
  #textDelta({ text, blockIndex, messageIndex, parentToolUseId = "" }: Extract<TurnEvent, { kind: "textDelta" }>) {
    this.#sequence += 1;
    return {
      $typeName: "claude.runner.v1.StreamChatResponse",
      sequence: this.#sequence,
      createTime: this.#now(),
      turnId: this.#turn.id,
      parentToolUseId,
      event: {
        case: "textDelta",
        value: { $typeName: "claude.runner.v1.TextDelta", text, blockIndex, messageIndex },
      },
    } satisfies StreamChatResponse;
  }

  /** Many events share a millisecond, and so their timestamp. */
  #now(): Timestamp {
    const nowMs = this.#wallNow();
    if (nowMs !== this.#createTimeMs) {
      this.#createTimeMs = nowMs;
      this.#createTime = timestamp(nowMs);
    }
    return this.#createTime;
  }

  #carrier(piece: RawPiece, parentToolUseId?: string): Response {
    const continuesRawJson = piece.offsetBytes > 0n;
    const response = this.envelop({ case: "unknown", value: { kind: "raw_json", continuesRawJson } }, parentToolUseId);
    response.rawJson = piece;
    return response;
  }
}

export interface RawPiece {
  readonly json: string;
  readonly offsetBytes: bigint;
  readonly totalBytes: bigint;
}

/** A line in pieces that fit into an event; at least one. */
function rawPieces(raw: string): RawPiece[] {
  const totalBytes = BigInt(Buffer.byteLength(raw));
  let offsetBytes = 0n;
  return sliceUtf8(raw, maxRawBytes).map((json) => {
    const piece = { json, offsetBytes, totalBytes };
    offsetBytes += BigInt(Buffer.byteLength(json));
    return piece;
  });
}

function isWanted(event: TurnEventBody, detail: Detail): boolean {
  if (detail === "full") return true;
  if (event.kind === "unknown" && event.internal) return false;
  return detail === "standard" || event.kind === "textDelta" || event.kind === "retracted";
}

const claimSources = {
  REUSED: ClaimSourceMessage.REUSED,
  SPARE: ClaimSourceMessage.SPARE,
  COLD_NO_SPARE: ClaimSourceMessage.COLD_NO_SPARE,
  COLD_POOL_OFF: ClaimSourceMessage.COLD_POOL_OFF,
} as const satisfies Record<ClaimSource, ClaimSourceMessage>;

/** The first event: what the CLI said at the turn's beginning and how the turn got its worker. */
export function toStarted(
  init: Extract<TurnEvent, { kind: "init" }>,
  turn: Turn,
  claim: Claim,
  at: { readonly nowMs: number; readonly queueWaitMs: number },
): Event {
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
      capabilities: [...init.capabilities],
      apiKeySource: init.apiKeySource,
      queueWait: duration(at.queueWaitMs),
      seededMessageCount: turn.history.length,
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
function toEvents(event: TurnEvent): Event[] {
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
      return [
        {
          case: "citationDelta",
          value: { blockIndex, messageIndex, ...(citation && isSmall(citation) && { citation }) },
        },
      ];
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
            textBytes: BigInt(event.textBytes),
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
            attempt: event.attempt,
            maxAttemptCount: event.maxAttempts,
            delay: duration(event.delayMs),
            ...(event.httpStatus !== undefined && { httpStatus: event.httpStatus }),
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
            tokensBeforeCount: BigInt(event.tokensBefore),
            tokensAfterCount: BigInt(event.tokensAfter),
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
            totalTokenCount: BigInt(event.totalTokens),
            toolUseCount: event.toolUses,
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
        { case: "hook", value: { hookName, hookEvent, phase, outcome, ...(exitCode !== undefined && { exitCode }) } },
      ];
    }
    case "thinkingProgress":
      return [{ case: "thinkingProgress", value: { estimatedTokenCount: BigInt(event.estimatedTokens) } }];
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

/** Slices as events; those of something whole carry no `part`. */
export function parts(
  slices: readonly string[],
  make: (slice: string, part: { part?: { index: number; count: number } }) => Event,
): Event[] {
  const count = slices.length;
  return slices.map((slice, index) => make(slice, count === 1 ? {} : { part: { index, count } }));
}

function isSmall(json: unknown): boolean {
  return JSON.stringify(json).length <= maxStructJsonBytes;
}

function toAssistantBlocks(event: Extract<TurnEvent, { kind: "assistantBlock" }>): Event[] {
  const { messageIndex, messageId, model, synthetic, aborted, error, block } = event;
  const shared = { messageIndex, messageId, model, synthetic, aborted, error };
  switch (block.kind) {
    case "text":
      return parts(sliceUtf8(block.text, maxSliceBytes), (text, part) => ({
        case: "assistantBlock",
        value: { ...shared, block: { case: "text", value: { text } }, ...part },
      }));
    case "thinking": {
      // A signature or encrypted thinking is never cut: a piece of one is of no use.
      const signature = block.signature.length <= maxSliceBytes ? block.signature : "";
      const redactedData = block.redactedData.length <= maxSliceBytes ? block.redactedData : "";
      return parts(sliceUtf8(block.thinking, maxSliceBytes), (thinking, part) => ({
        case: "assistantBlock",
        value: {
          ...shared,
          block: {
            case: "thinking",
            value: { thinking, ...((part.part?.index ?? 0) === 0 && { signature, redactedData }) },
          },
          ...part,
        },
      }));
    }
    case "other": {
      const other: JsonObject | undefined = struct(block.value);
      return [
        {
          case: "assistantBlock",
          value: { ...shared, ...(other && isSmall(other) && { block: { case: "other", value: other } }) },
        },
      ];
    }
    default:
      return block satisfies never;
  }
}

function toToolUses(event: Extract<TurnEvent, { kind: "toolUse" }>): Event[] {
  const { toolUseId, toolName, messageIndex, unparsable, inputJson } = event;
  const input = inputJson.length <= maxStructJsonBytes && !unparsable ? struct(event.input) : undefined;
  return parts(sliceUtf8(inputJson, maxSliceBytes), (slice, part) => ({
    case: "toolUse",
    value: { toolUseId, toolName, messageIndex, unparsable, inputJson: slice, ...(input && { input }), ...part },
  }));
}
