/**
 * How a turn ends: what ended it early, what came of it, and what it used.
 */

import type { Json } from "./json-value.ts";
import type { RunnerError } from "./runner-error.ts";
import type { ModelUsage, Usage } from "./usage.ts";

/** What ended a turn before Claude was done. The first one wins. */
export type EndCause =
  | "cancelled"
  | "deadlineExceeded"
  | "drained"
  | "clientStalled"
  /** Somebody stopped the turn who is not its caller. */
  | "interrupted"
  | "modelCallLimit"
  | "costLimit"
  | "outputLimit"
  | "durationLimit"
  /** The model API does not accept the credential; waiting out the CLI's retries would help nobody. */
  | "upstreamAuth"
  /** The model API has sent nothing for longer than Claude Code itself waits for it. */
  | "upstreamSilent"
  /** Claude Code did not take the schema: the answer could not follow it. */
  | "schemaNotTaken";

/** What came of a turn, as in result.proto. */
export const outcomes = [
  "completed",
  "refused",
  "maxOutputTokens",
  "contextWindow",
  "incomplete",
  "modelCallLimit",
  "costLimit",
  "outputLimit",
  "durationLimit",
  "structuredOutputFailed",
  "blockedByHook",
  "cancelled",
  "deadlineExceeded",
  "upstreamError",
  "workerDied",
  "drained",
  "clientStalled",
  "internalError",
  /** The server died mid-turn: found afterwards, never said by a worker. */
  "lost",
  "interrupted",
] as const;
export type Outcome = (typeof outcomes)[number];

/** What the model API or the CLI said about a failure. */
export interface UpstreamFailure {
  readonly httpStatus: number | undefined;
  readonly cliError: string;
  readonly apiErrorType: string;
  readonly requestId: string;
}

/**
 * What Claude Code has in its conversation of a turn's answer beside the answer's texts.
 *
 * - nothing: seeding the texts leads to the same requests, byte for byte
 * - thinking: seeding leads to the same words, without the thinking that led to them
 * - more: blocks of other kinds, or words of Claude Code's own, such as a request to go on after a cut
 */
export type AnswerBeside = "nothing" | "thinking" | "more";

/** The end of a turn, as the worker saw it. */
export interface TurnEnd {
  readonly outcome: Outcome;
  /** Set exactly when the call ends with a failing status. */
  readonly error: RunnerError | undefined;
  readonly upstreamFailure: UpstreamFailure | undefined;
  /** The final answer. */
  readonly text: string;
  /**
   * All texts of the main conversation as Claude Code has them, block for block: what a history has to have to go on from
   * this turn. None is empty. Empty: Claude said nothing that a conversation could go on from.
   */
  readonly answerBlocks: readonly string[];
  readonly answerBeside: AnswerBeside;
  readonly structuredOutput: Json | undefined;
  readonly structuredOutputJson: string;
  readonly usage: Usage;
  readonly modelUsage: readonly ModelUsage[];
  readonly costUsdMicros: number;
  readonly costIsEstimate: boolean;
  readonly modelCallCount: number;
  /** What the conversation takes up of the model's context window, by the usage of the last model call. 0: unknown. */
  readonly contextTokens: number;
  /** The size of that window. 0: unknown. */
  readonly contextWindowTokens: number;
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
  /**
   * The how-manieth user line it was that the process took in its life, from 1; seeded questions and resets by command
   * count too. Absent: the process did not take the prompt.
   */
  readonly promptNumber?: number | undefined;
  /** The model call that was under way when the turn ended early. Absent: there was none. */
  readonly cutModelCall?: CutModelCall | undefined;
}

/** A model call that did not come to its end. Moments are on the clock's `now()`. */
export interface CutModelCall {
  readonly startedAtMs: number;
  /** When the model began to answer. Absent: it had not. */
  readonly answeredAtMs?: number | undefined;
  /** Who answered. Absent: nobody had. */
  readonly model?: string | undefined;
  /** When the turn was ended. */
  readonly endedAtMs: number;
}
