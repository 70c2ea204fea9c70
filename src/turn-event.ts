/**
 * What can happen in a turn: the typed events that a worker gives, `init` first and `ended` last.
 *
 * The kinds mirror the events of event.proto, where each one is explained.
 */
import type { Json } from "./json-value.ts";
import type { TurnEnd } from "./turn-end.ts";
import type { Usage } from "./usage.ts";

export type BlockKind =
  | "text"
  | "thinking"
  | "redactedThinking"
  | "toolUse"
  | "serverToolUse"
  | "serverToolResult"
  | "unknown";

/** Where in the turn a block is: the position of its message in the turn and its own in the message, both from 0. */
export interface BlockPosition {
  readonly messageIndex: number;
  readonly blockIndex: number;
}

export type ToolResultContent =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "media"; readonly mediaType: string; readonly sizeBytes: number }
  | { readonly kind: "other"; readonly value: Json };

export interface Hunk {
  readonly oldStartLine: number;
  readonly oldLineCount: number;
  readonly newStartLine: number;
  readonly newLineCount: number;
  readonly lines: readonly string[];
}

/** What a tool itself reported, typed where the tool is known. Host paths are already replaced. */
export type ToolOutput =
  | {
      readonly kind: "bash";
      readonly stdout: string;
      readonly stderr: string;
      readonly interrupted: boolean;
      readonly isImage: boolean;
      readonly backgroundTaskId: string;
      readonly persistedSizeBytes: number;
    }
  | {
      readonly kind: "fileRead";
      readonly path: string;
      readonly startLine: number;
      readonly lineCount: number;
      readonly totalLineCount: number;
      readonly fileKind: string;
    }
  | { readonly kind: "fileChange"; readonly path: string; readonly created: boolean; readonly hunks: readonly Hunk[] }
  | {
      readonly kind: "agent";
      readonly report: string;
      readonly agentId: string;
      readonly totalTokens: number;
      readonly toolUses: number;
      readonly durationMs: number;
    }
  | { readonly kind: "other"; readonly value: Json };

export type TaskState = "started" | "progress" | "completed" | "failed" | "stopped" | "unknown";

/** What can happen in a turn. The kinds mirror the events of event.proto, where each one is explained. */
export type TurnEventBody =
  | {
      readonly kind: "init";
      readonly cliVersion: string;
      readonly model: string;
      readonly upstreamSessionId: string;
      readonly permissionMode: string;
      readonly tools: readonly string[];
      readonly mcpServers: readonly { readonly name: string; readonly status: string }[];
      readonly capabilities: readonly string[];
      readonly apiKeySource: string;
    }
  | ({ readonly kind: "textDelta"; readonly text: string } & BlockPosition)
  | ({ readonly kind: "thinkingDelta"; readonly thinking: string } & BlockPosition)
  | ({ readonly kind: "toolInputDelta"; readonly partialJson: string } & BlockPosition)
  | ({ readonly kind: "signatureDelta"; readonly signature: string } & BlockPosition)
  | ({ readonly kind: "citationDelta"; readonly citation: Json } & BlockPosition)
  | ({
      readonly kind: "blockStart";
      readonly blockKind: BlockKind;
      readonly rawKind: string;
      readonly toolUseId: string;
      readonly toolName: string;
    } & BlockPosition)
  | ({ readonly kind: "blockStop" } & BlockPosition)
  | {
      readonly kind: "messageStart";
      readonly messageIndex: number;
      readonly messageId: string;
      readonly model: string;
      readonly usage: Usage;
      readonly timeToFirstTokenMs: number | undefined;
    }
  | {
      readonly kind: "messageDelta";
      readonly messageIndex: number;
      readonly stopReason: string;
      readonly stopSequence: string;
      readonly usage: Usage;
      readonly refusalCategory: string;
      readonly refusalExplanation: string;
    }
  | { readonly kind: "messageStop"; readonly messageIndex: number }
  | {
      readonly kind: "assistantBlock";
      readonly messageIndex: number;
      readonly messageId: string;
      readonly model: string;
      readonly block:
        | { readonly kind: "text"; readonly text: string }
        | {
            readonly kind: "thinking";
            readonly thinking: string;
            readonly signature: string;
            readonly redactedData: string;
          }
        | { readonly kind: "other"; readonly value: Json };
      readonly synthetic: boolean;
      readonly aborted: boolean;
      readonly error: string;
    }
  | {
      readonly kind: "toolUse";
      readonly toolUseId: string;
      readonly toolName: string;
      readonly input: Json;
      /** The exact JSON text that the model wrote. */
      readonly inputJson: string;
      readonly messageIndex: number;
      readonly unparsable: boolean;
    }
  | {
      readonly kind: "toolResult";
      readonly toolUseId: string;
      readonly isError: boolean;
      readonly content: readonly ToolResultContent[];
      readonly output: ToolOutput | undefined;
      readonly permissionDecision: string;
      readonly permissionSource: string;
      readonly nonExecutionKind: string;
      readonly elidedBytes: number;
    }
  | {
      readonly kind: "retracted";
      readonly messageIndex: number;
      readonly fromBlockIndex: number;
      readonly messageId: string;
      readonly textBytes: number;
      readonly cause: "streamBroken" | "refusal" | "unknown";
    }
  | {
      readonly kind: "status";
      readonly activity: "requesting" | "compacting" | "idle" | "unknown";
      readonly rawActivity: string;
      readonly permissionMode: string;
      readonly compactResult: string;
      readonly compactError: string;
    }
  | {
      readonly kind: "apiRetry";
      readonly attempt: number;
      readonly maxAttempts: number;
      readonly delayMs: number;
      readonly httpStatus: number | undefined;
      readonly error: string;
    }
  | {
      readonly kind: "rateLimit";
      readonly status: string;
      /** Milliseconds since 1970. */
      readonly resetAtMs: number | undefined;
      readonly window: string;
      readonly utilization: number | undefined;
      readonly usingOverage: boolean;
    }
  | {
      readonly kind: "modelSwitched";
      readonly trigger: string;
      readonly fromModel: string;
      readonly toModel: string;
      readonly refusalCategory: string;
      readonly refusalExplanation: string;
    }
  | {
      readonly kind: "compacted";
      readonly trigger: string;
      readonly tokensBefore: number;
      readonly tokensAfter: number;
    }
  | {
      readonly kind: "permissionDenied";
      readonly toolName: string;
      readonly toolUseId: string;
      readonly message: string;
      readonly reasonType: string;
      readonly reason: string;
    }
  | {
      readonly kind: "task";
      readonly taskId: string;
      readonly toolUseId: string;
      readonly state: TaskState;
      readonly description: string;
      readonly taskType: string;
      readonly subagentType: string;
      readonly totalTokens: number;
      readonly toolUses: number;
      readonly durationMs: number | undefined;
      readonly lastToolName: string;
      readonly summary: string;
      readonly isBackgrounded: boolean;
    }
  | {
      readonly kind: "toolProgress";
      readonly toolUseId: string;
      readonly toolName: string;
      readonly elapsedMs: number;
    }
  | { readonly kind: "backgroundTasks"; readonly taskIds: readonly string[] }
  | {
      readonly kind: "notice";
      readonly level: "info" | "suggestion" | "warning";
      readonly noticeKind: string;
      readonly text: string;
    }
  | { readonly kind: "syntheticPrompt"; readonly text: string }
  | {
      readonly kind: "hook";
      readonly hookName: string;
      readonly hookEvent: string;
      readonly phase: string;
      readonly outcome: string;
      readonly exitCode: number | undefined;
    }
  | { readonly kind: "thinkingProgress"; readonly estimatedTokens: number }
  /** A line that has no typed event. At less than full detail only those that are not known at all are kept. */
  | { readonly kind: "unknown"; readonly name: string; readonly internal: boolean }
  /** The turn is over. Always the last one. */
  | { readonly kind: "ended"; readonly end: TurnEnd };

export type TurnEvent = TurnEventBody & {
  /** The tool use that started the sub-agent to which this belongs. Absent: the main conversation. */
  readonly parentToolUseId?: string | undefined;
  /** At full detail: the line that led to this event, on the first event that it led to. Host paths are replaced. */
  readonly raw?: string | undefined;
};
