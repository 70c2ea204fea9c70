/**
 * One turn of `chat`: asks, shows what comes, tells how it ended.
 */
import { type MessageInitShape, toJsonString } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { ClaimSource, type Started } from "../../gen/claude/runner/v1/event_pb.ts";
import { Outcome, type TurnResult } from "../../gen/claude/runner/v1/result_pb.ts";
import {
  ClaudeRunner,
  type StreamChatRequestSchema,
  StreamChatResponseSchema,
} from "../../gen/claude/runner/v1/runner_pb.ts";
import { milliseconds } from "../service/protobuf.ts";
import { callFailure, tellFailure } from "./call-failure.ts";
import { costAfterAll, type TurnCost } from "./chat-cost.ts";
import { ChatScreen } from "./chat-screen.ts";
import type { Connection } from "./connection.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import type { Terminal } from "./terminal.ts";
import { formatMs } from "./timeline.ts";

export interface ChatTurnOptions {
  readonly terminal: Terminal;
  readonly connection: Connection;
  readonly request: MessageInitShape<typeof StreamChatRequestSchema>;
  /** Aborting it interrupts the turn. */
  readonly signal: AbortSignal;
  readonly timeoutMs?: number | undefined;
  readonly isQuiet: boolean;
  /** Every event as a line of JSON, instead of the answer. */
  readonly isJson: boolean;
}

export interface ChatTurnEnd {
  readonly exitCode: ExitCode;
  /** What Claude said in the turn, without what was retracted; with a schema its JSON. */
  readonly text: string;
}

export async function chatTurn(options: ChatTurnOptions): Promise<ChatTurnEnd> {
  const { terminal, connection, request, signal, isJson, isQuiet } = options;
  const hasSchema = (request.outputSchemaJson ?? "") !== "";
  const screen = new ChatScreen({ terminal, isQuiet: isQuiet || isJson, showsText: !isJson && !hasSchema });
  let started: Started | undefined;
  let turnId = "";
  let result: TurnResult | undefined;
  let failure: unknown;
  try {
    const events = createClient(ClaudeRunner, connection.transport).streamChat(request, {
      signal,
      ...(options.timeoutMs !== undefined && { timeoutMs: options.timeoutMs }),
    });
    for await (const event of events) {
      if (isJson) terminal.stdout.write(`${toJsonString(StreamChatResponseSchema, event)}\n`);
      screen.show(event);
      turnId = event.turnId;
      if (event.event.case === "started") started = event.event.value;
      if (event.event.case === "result") result = event.event.value;
    }
  } catch (error) {
    failure = error;
  }
  screen.finish();

  if (failure === undefined && result !== undefined && hasSchema && !isJson) printStructured(screen, terminal, result);
  if (result !== undefined) screen.note(endLine(result, started));
  const text = screen.text || result?.text || result?.structuredOutputJson || "";
  if (signal.aborted) {
    if (!isJson) {
      screen.warn("interrupted");
      const cost = await costAfterAll(connection.transport, turnId);
      if (cost !== undefined) screen.note(costWords(cost));
    }
    return { exitCode: exitCodes.interrupted, text };
  }
  if (failure !== undefined) return { exitCode: tellEnd(failure, options), text };
  return { exitCode: tellOutcome(result, screen), text };
}

function printStructured(screen: ChatScreen, terminal: Terminal, result: TurnResult): void {
  if (result.structuredOutputJson === "") return;
  // A person reads it indented; a program gets the exact text.
  const text = terminal.isStdoutTty
    ? JSON.stringify(JSON.parse(result.structuredOutputJson), undefined, 2)
    : result.structuredOutputJson;
  screen.print(text);
}

/** A number that this client does not know is no mistake: the server may be newer. */
const claimWords: Readonly<Partial<Record<number, string>>> = {
  [ClaimSource.REUSED]: "reused worker",
  [ClaimSource.SPARE]: "spare worker",
  [ClaimSource.COLD_NO_SPARE]: "cold start",
  [ClaimSource.COLD_POOL_OFF]: "cold start",
};

/** Time, tokens, money, and where it ran. */
function endLine(result: TurnResult, started: Started | undefined): string {
  const { stages } = result;
  const parts: string[] = [];
  if (stages?.total !== undefined) parts.push(formatMs(milliseconds(stages.total)));
  if (stages?.arrivalToFirstText !== undefined) {
    parts.push(`first text after ${formatMs(milliseconds(stages.arrivalToFirstText))}`);
  }
  parts.push(costWords(result));
  if (started !== undefined)
    parts.push(started.model, `${claimWords[started.claimSource] ?? "worker"} ${started.workerId}`);
  return parts.join(" · ");
}

/** Tokens and money. */
function costWords({ usage, costUsdMicros, costIsEstimate }: TurnCost): string {
  const parts: string[] = [];
  if (usage !== undefined) {
    const cached = usage.cacheReadInputTokenCount + usage.cacheCreationInputTokenCount;
    const read = (usage.inputTokenCount + cached).toLocaleString("en-US");
    parts.push(`${read} tokens in, ${usage.outputTokenCount.toLocaleString("en-US")} out`);
  }
  parts.push(`${costIsEstimate ? "about " : ""}$${(Number(costUsdMicros) / 1e6).toFixed(4)}`);
  return parts.join(" · ");
}

/** Ends that are under OK and still not an answer. */
const outcomeWords: Readonly<Partial<Record<number, string>>> = {
  [Outcome.REFUSED]: "the model refused to answer",
  [Outcome.MAX_OUTPUT_TOKENS]: "the answer was cut off at the model's output limit",
  [Outcome.CONTEXT_WINDOW]: "the model's context window is full",
  [Outcome.MODEL_CALL_LIMIT]: "stopped: the turn made as many model calls as it may",
  [Outcome.INCOMPLETE]: "the model API did not say that the answer is complete",
  [Outcome.COST_LIMIT]: "stopped: the turn cost as much as it may",
  [Outcome.OUTPUT_LIMIT]: "stopped: the turn wrote as much as it may",
  [Outcome.DURATION_LIMIT]: "stopped: the turn took as long as it may",
  [Outcome.STRUCTURED_OUTPUT_FAILED]: "the model gave no answer that follows the schema",
  [Outcome.BLOCKED_BY_HOOK]: "a hook of the profile blocked the prompt",
};

function tellOutcome(result: TurnResult | undefined, screen: ChatScreen): ExitCode {
  if (result === undefined) {
    screen.warn("the server ended the turn without a result");
    return exitCodes.failed;
  }
  if (result.outcome === Outcome.COMPLETED) return exitCodes.ok;
  const explanation = result.refusalExplanation === "" ? "" : `: ${result.refusalExplanation}`;
  screen.warn(`${outcomeWords[result.outcome] ?? `the turn ended with outcome ${result.outcome}`}${explanation}`);
  return exitCodes.incomplete;
}

function tellEnd(error: unknown, { terminal, connection, isJson }: ChatTurnOptions): ExitCode {
  const failure = callFailure(error, connection);
  if (isJson) {
    const { code, reason, message, violations } = failure;
    terminal.stdout.write(`${JSON.stringify({ error: { code, reason, message, violations } })}\n`);
  }
  tellFailure(failure, terminal);
  return failure.exitCode;
}
