/**
 * The nouns of the domain: what a turn asks for, what happens in it, how it ends, and the port behind which a worker's
 * process hides.
 *
 * Knows no RPC and no CLI. The generated types live at the edge (`service/`); the CLI's words live in `cli/`.
 */
import type { RunnerError } from "./errors.ts";

// ---- What a turn asks for -------------------------------------------------------------------------------------

export type Effort = "low" | "medium" | "high" | "xhigh" | "max";

/** How much of a turn is streamed: little, every typed event, or those and every line of the CLI. */
export type Detail = "text" | "standard" | "full";

export type ContentBlock =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "image"; readonly mediaType: string; readonly data: Uint8Array }
  | { readonly kind: "pdf"; readonly data: Uint8Array; readonly title?: string }
  | { readonly kind: "textDocument"; readonly text: string; readonly title?: string };

export interface HistoryMessage {
  readonly role: "user" | "assistant";
  readonly text: string;
}

/** Bounds of a turn; reaching one ends it under status OK. `undefined`: no bound. */
export interface TurnLimits {
  readonly maxModelCallCount?: number | undefined;
  readonly maxCostUsdMicros?: number | undefined;
  readonly maxOutputBytes?: number | undefined;
  readonly maxDurationMs?: number | undefined;
}

/**
 * What a worker is fixed to for life by its first `initialize`. `undefined` means that the profile's launch settings
 * stand.
 */
export interface Binding {
  readonly systemPrompt?: string | undefined;
  readonly appendSystemPrompt?: string | undefined;
  readonly outputSchemaJson?: string | undefined;
}

/** What can be changed between turns. */
export interface ModelSettings {
  readonly model: string;
  readonly effort: Effort;
}

/** One turn, checked and complete: nothing of it needs another look. */
export interface Turn {
  /** A v4 UUID of ours; also the uuid on the user line, which has to be new for each line. */
  readonly id: string;
  readonly tenant: string;
  /** The name of the profile. */
  readonly profile: string;
  readonly content: readonly ContentBlock[];
  readonly history: readonly HistoryMessage[];
  readonly binding: Binding;
  readonly settings: ModelSettings;
  readonly limits: TurnLimits;
  readonly detail: Detail;
  readonly labels: Readonly<Record<string, string>>;
}

// ---- What happens in a turn -----------------------------------------------------------------------------------

export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheReadInputTokens: number;
  readonly cacheCreationInputTokens: number;
  readonly thinkingTokens: number;
  readonly webSearchRequests: number;
}

export const noUsage: Usage = {
  inputTokens: 0,
  outputTokens: 0,
  cacheReadInputTokens: 0,
  cacheCreationInputTokens: 0,
  thinkingTokens: 0,
  webSearchRequests: 0,
};

export interface ModelUsage {
  readonly model: string;
  readonly usage: Usage;
  readonly costUsdMicros: number;
  /** What the price is based on, in the CLI's words: `list`, `unknown`, … */
  readonly costBasis: string;
}

/** Any JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

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

// ---- How a turn ends ------------------------------------------------------------------------------------------

/** What ended a turn before Claude was done. The first one wins. */
export type EndCause =
  | "cancelled"
  | "deadlineExceeded"
  | "drained"
  | "clientStalled"
  | "modelCallLimit"
  | "costLimit"
  | "outputLimit"
  | "durationLimit"
  /** The model API does not accept the credential; waiting out the CLI's retries would help nobody. */
  | "upstreamAuth";

/** What came of a turn, as in result.proto. */
export type Outcome =
  | "completed"
  | "refused"
  | "maxOutputTokens"
  | "contextWindow"
  | "modelCallLimit"
  | "costLimit"
  | "outputLimit"
  | "durationLimit"
  | "structuredOutputFailed"
  | "blockedByHook"
  | "cancelled"
  | "deadlineExceeded"
  | "upstreamError"
  | "workerDied"
  | "drained"
  | "clientStalled"
  | "internalError";

/** What the model API or the CLI said about a failure. */
export interface UpstreamFailure {
  readonly httpStatus: number | undefined;
  readonly cliError: string;
  readonly apiErrorType: string;
  readonly requestId: string;
}

/** The end of a turn, as the worker saw it. */
export interface TurnEnd {
  readonly outcome: Outcome;
  /** Set exactly when the call ends with a failing status. */
  readonly error: RunnerError | undefined;
  readonly upstreamFailure: UpstreamFailure | undefined;
  /** The final answer. */
  readonly text: string;
  readonly structuredOutput: Json | undefined;
  readonly structuredOutputJson: string;
  readonly usage: Usage;
  readonly modelUsage: readonly ModelUsage[];
  readonly costUsdMicros: number;
  readonly costIsEstimate: boolean;
  readonly modelCallCount: number;
  readonly stopReason: string;
  readonly terminalReason: string;
  readonly cliSubtype: string;
  readonly permissionDenials: readonly { readonly toolName: string; readonly toolUseId: string }[];
  readonly refusalCategory: string;
  readonly refusalExplanation: string;
  /** Time in requests to the model API by the CLI's account, in milliseconds. */
  readonly apiMs: number | undefined;
  /** Whether the worker may be tried with a reset: false after anything that a reset does not undo. */
  readonly workerReusable: boolean;
}

// ---- The port behind which a worker's process hides -----------------------------------------------------------

/** How a worker's process ended. */
export interface WorkerExit {
  readonly code: number | null;
  readonly signal: string | null;
  /** One line for logs; redacted, never shown to callers. */
  readonly detail: string;
}

export type ResetOutcome =
  | { readonly clean: true }
  /** The worker must be ended. `why` is a short code for logs and the recycle counter. */
  | { readonly clean: false; readonly why: string };

/** What a process uses. `undefined` where the platform does not tell. */
export interface ProcessUsage {
  readonly privateBytes: number | undefined;
  readonly cpuMs: number | undefined;
}

/** A turn on a worker whose prompt is being or has been written. */
export interface RunningTurn {
  /**
   * Settles when the prompt line is with the process. Rejects with WORKER_DIED when it could not be written whole: the
   * turn may go to another worker then.
   */
  readonly written: Promise<void>;
  /**
   * What happens, `init` first and `ended` last; does not throw. Reading slowly stops the reading of the process's
   * output after a bounded number of events. `init` may be missing when the turn ends before it.
   */
  readonly events: AsyncIterable<TurnEvent>;
  /**
   * The next of `events` if it is there already, without a wait: a reader of many small events takes them by the dozen.
   * Absent: there is no such way. Not while a `next()` of `events` is under way.
   */
  takeReady?(): TurnEvent | undefined;
  /** How the turn ended; known also when nobody reads `events`. Never rejects. */
  readonly ended: Promise<TurnEnd>;
  /** Settles after `ended`, when the process has said that it is idle, or is gone. Never rejects. */
  readonly idle: Promise<void>;
  /** How long the reader of `events` has been keeping the process from being read, in milliseconds. 0: it is not. */
  blockedMs(): number;
  /**
   * Ends the turn early. The first cause wins; `ended` follows within the stop timeouts whatever the process does.
   * Events that nobody has read by then may be dropped, except `ended`.
   */
  interrupt(cause: EndCause): void;
}

/**
 * One CLI process as the pool and the service see it. One call at a time, in the order ready, bind, then for each turn
 * configure, seed, run, reset. Everything rejects with WORKER_DIED once the process is gone or does not answer in time.
 */
export interface WorkerProcess {
  /** Short and unique within the server's life, such as `w17`. */
  readonly id: string;
  readonly pid: number | undefined;
  /** When the process was started, on the clock's `now()`. */
  readonly startedAtMs: number;
  /** Settles once, when the process and its group are gone and its folders are swept. Never rejects. */
  readonly exited: Promise<WorkerExit>;
  /** Settles when the process answers. Rejects when it does not within its start timeout. */
  ready(signal?: AbortSignal): Promise<void>;
  /** Whether an idle process still answers. Rejects when it does not within `timeoutMs`. */
  ping(timeoutMs: number, signal?: AbortSignal): Promise<void>;
  /** Fixes the system prompt and the schema; once in a process's life. */
  bind(binding: Binding, signal?: AbortSignal): Promise<void>;
  /** Sets model and effort where they differ from what the process has, and checks that they hold. */
  configure(settings: ModelSettings, signal?: AbortSignal): Promise<void>;
  /** Hands over the conversation so far, without model calls. */
  seed(history: readonly HistoryMessage[], signal?: AbortSignal): Promise<void>;
  /** Writes the prompt. */
  run(turn: Turn): RunningTurn;
  /** Makes an idle process forget its turn, and sets model and effort back to the profile's. Does not reject. */
  reset(): Promise<ResetOutcome>;
  usage(): Promise<ProcessUsage>;
  /** Ends the process in steps, down to its whole group, and sweeps what it left. Does not reject; twice is fine. */
  stop(): Promise<void>;
}
