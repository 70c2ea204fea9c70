/**
 * Events that are told in words, beside the answer. Pure.
 */
import {
  type ApiRetry,
  type ModelSwitched,
  NoticeLevel,
  type RateLimit,
  type Retracted,
  RetractionCause,
  type TaskEvent,
  TaskState,
} from "../clients/typescript/src/gen/claude/runner/v1/event_pb.ts";
import type { StreamChatResponse } from "../clients/typescript/src/gen/claude/runner/v1/runner_pb.ts";
import { counted, countText, epochMsOf, millisecondsOf, sizeText, timeText } from "./format.ts";

export interface Note {
  readonly text: string;
  readonly tone: "info" | "warning";
  /** A note replaces the one before it when that has the same topic. Empty: it stands alone. */
  readonly topic: string;
}

/** The note of an event; `undefined` for events that are shown in another way or not at all. */
export function noteOf(event: StreamChatResponse["event"]): Note | undefined {
  switch (event.case) {
    case "retracted":
      return { text: retractedWords(event.value), tone: "warning", topic: "" };
    case "apiRetry":
      return { text: retryWords(event.value), tone: "warning", topic: "retry" };
    case "rateLimit":
      return { text: rateLimitWords(event.value), tone: toneOf(event.value.status !== "allowed"), topic: "rate limit" };
    case "modelSwitched":
      // Without another model this is how the turn ends, which is told there.
      if (event.value.toModel === "") return undefined;
      return { text: switchedWords(event.value), tone: "warning", topic: "" };
    case "compacted": {
      const { tokensBeforeCount: before, tokensAfterCount: after } = event.value;
      const sizes = after > 0n ? `, from ${countText(before)} to ${countText(after)} tokens` : "";
      return info(`The conversation was summarised to fit the context window${sizes}.`);
    }
    case "notice": {
      const { text, level } = event.value;
      if (text.trim() === "") return undefined;
      return { text, tone: toneOf(level === NoticeLevel.WARNING), topic: "" };
    }
    case "syntheticPrompt":
      return info(`Claude Code continued on its own with: ${event.value.text}`);
    case "hook": {
      const { hookName, hookEvent, phase, outcome } = event.value;
      return { text: `Hook ${hookName} (${hookEvent}): ${outcome || phase}`, tone: "info", topic: `hook ${hookName}` };
    }
    case "backgroundTasks": {
      const { length } = event.value.taskIds;
      return { text: `${counted(length, "task")} in the background`, tone: "info", topic: "background" };
    }
    case "gap": {
      const { firstSequence, lastSequence } = event.value;
      const count = counted(lastSequence - firstSequence + 1, "event");
      return { text: `${count} of this turn can no longer be read.`, tone: "warning", topic: "" };
    }
    default:
      return undefined;
  }
}

const info = (text: string): Note => ({ text, tone: "info", topic: "" });
const toneOf = (isWarning: boolean): Note["tone"] => (isWarning ? "warning" : "info");

const retractionCauses: Readonly<Partial<Record<RetractionCause, string>>> = {
  [RetractionCause.STREAM_BROKEN]: "the stream from the model broke off",
  [RetractionCause.REFUSAL]: "the model refused, and another answer takes its place",
};

function retractedWords({ textBytes, cause }: Retracted): string {
  const what = textBytes > 0n ? `${sizeText(Number(textBytes))} of text` : "what was begun";
  const why = retractionCauses[cause];
  return `Taken back: ${what}${why ? `, since ${why}` : ""}.`;
}

function retryWords({ attempt, maxAttemptCount, delay, httpStatus, error }: ApiRetry): string {
  const what = httpStatus === undefined ? error || "no answer" : `status ${httpStatus}${error && `, ${error}`}`;
  const when = delay === undefined ? "" : ` in ${timeText(millisecondsOf(delay))}`;
  return `The model API failed (${what}). Retry ${attempt} of ${maxAttemptCount}${when}.`;
}

function rateLimitWords({ status, window, utilization, resetTime, usingOverage }: RateLimit): string {
  const used = utilization === undefined ? "" : `, ${Math.round(utilization * 100)} % used`;
  const until = resetTime === undefined ? "" : `, anew at ${new Date(epochMsOf(resetTime)).toLocaleTimeString()}`;
  const overage = usingOverage ? ", overage in use" : "";
  return `The account's rate limit${window && ` (${window.replaceAll("_", " ")})`}: ${status.replaceAll("_", " ")}${used}${until}${overage}.`;
}

function switchedWords({ trigger, fromModel, toModel, refusalExplanation }: ModelSwitched): string {
  const why = trigger === "" ? "" : ` (${trigger})`;
  const more = refusalExplanation === "" ? "" : ` ${refusalExplanation}`;
  return `${toModel} answers instead of ${fromModel}${why}.${more}`;
}

const taskStates: Readonly<Partial<Record<TaskState, string>>> = {
  [TaskState.STARTED]: "started",
  [TaskState.PROGRESS]: "working",
  [TaskState.COMPLETED]: "completed",
  [TaskState.FAILED]: "failed",
  [TaskState.STOPPED]: "stopped",
};

/** What a sub-agent or a long command tells about itself, in one line. */
export function taskWords(task: TaskEvent): string {
  const parts = [`${task.subagentType || task.description || "task"} ${taskStates[task.state] ?? ""}`.trim()];
  if (task.isBackgrounded) parts.push("in the background");
  if (task.toolUseCount > 0) parts.push(counted(task.toolUseCount, "tool use"));
  if (task.totalTokenCount > 0n) parts.push(counted(task.totalTokenCount, "token"));
  if (task.lastToolName !== "") parts.push(`last ${task.lastToolName}`);
  if (task.summary !== "") parts.push(task.summary);
  return parts.join(" · ");
}
