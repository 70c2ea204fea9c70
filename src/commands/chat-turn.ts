/**
 * One turn of `chat`: asks, shows what comes, tells how it ended.
 */
import { randomUUID } from "node:crypto";
import { type MessageInitShape, toJsonString } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { ErrorReasonSchema } from "../../gen/claude/runner/v1/error_pb.ts";
import { ClaimSource, type Started } from "../../gen/claude/runner/v1/event_pb.ts";
import { Outcome, type TurnResult } from "../../gen/claude/runner/v1/result_pb.ts";
import {
  ClaudeRunner,
  type StreamChatRequestSchema,
  type StreamChatResponse,
  StreamChatResponseSchema,
} from "../../gen/claude/runner/v1/runner_pb.ts";
import { milliseconds } from "../service/protobuf.ts";
import { begunEvents } from "./attached-events.ts";
import { callFailure, tellFailure } from "./call-failure.ts";
import { costAfterAll, type TurnCost } from "./chat-cost.ts";
import { ChatScreen } from "./chat-screen.ts";
import type { Connection } from "./connection.ts";
import { nameOf } from "./enum-words.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import type { Terminal } from "./terminal.ts";
import { formatMs } from "./timeline.ts";

/** What is done with a turn's events, wherever they come from. */
export interface ShowOptions {
  readonly terminal: Terminal;
  readonly connection: Connection;
  readonly isQuiet: boolean;
  /** Every event as a line of JSON, instead of the answer. */
  readonly isJson: boolean;
}

/** A request as a literal, to which more can be added. */
export type ChatRequest = Extract<MessageInitShape<typeof StreamChatRequestSchema>, { readonly $typeName?: undefined }>;

export interface ChatTurnOptions extends ShowOptions {
  readonly request: ChatRequest;
  /** Aborting it interrupts the turn. */
  readonly signal: AbortSignal;
  readonly timeoutMs?: number | undefined;
}

export interface ChatTurnEnd {
  readonly exitCode: ExitCode;
  /** What Claude said in the turn, without what was retracted; with a schema its JSON. */
  readonly text: string;
}

/** A turn whose events have come to an end. */
export interface ShownTurn {
  readonly screen: ChatScreen;
  readonly text: string;
  /** Empty: no event came. */
  readonly turnId: string;
  readonly result: TurnResult | undefined;
  /** What the stream failed with. */
  readonly failure: unknown;
}

/** Asks without a session. Its words are this program's to keep, and an interrupted turn is one whose call is cancelled. */
export async function chatTurn(options: ChatTurnOptions): Promise<ChatTurnEnd> {
  const { connection, request, signal, isJson, timeoutMs } = options;
  const shown = await showTurn(options, hasSchema(request), () =>
    createClient(ClaudeRunner, connection.transport).streamChat(request, {
      signal,
      ...(timeoutMs !== undefined && { timeoutMs }),
    }),
  );
  if (!signal.aborted) return { exitCode: tellEnd(shown, options), text: shown.text };
  if (!isJson) {
    shown.screen.warn("interrupted");
    const cost = await costAfterAll(connection.transport, shown.turnId);
    if (cost !== undefined) shown.screen.note(costWords(cost));
  }
  return { exitCode: exitCodes.interrupted, text: shown.text };
}

/** Asks in a session: the turn is rejoined when the connection breaks, and goes on when this program ends. */
export async function sessionTurn(options: ChatTurnOptions): Promise<ChatTurnEnd & { readonly hasBegun: boolean }> {
  const { connection, request, signal, timeoutMs } = options;
  const late = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
  const stop = late === undefined ? signal : AbortSignal.any([signal, late]);
  const { transport } = connection;
  const shown = await showTurn(options, hasSchema(request), (say) =>
    begunEvents({ transport, request, requestId: randomUUID(), stop, say }),
  );
  const { text, turnId } = shown;
  const hasBegun = turnId !== "";
  // What was asked to stop may have ended by itself first.
  const isStopped = stop.aborted && (shown.failure !== undefined || shown.result === undefined);
  if (!isStopped) return { exitCode: tellEnd(shown, options), text, hasBegun };
  if (!options.isJson) shown.screen.warn(signal.aborted ? "interrupted" : "stopped: it took longer than --timeout");
  return { exitCode: signal.aborted ? exitCodes.interrupted : exitCodes.failed, text, hasBegun };
}

const hasSchema = ({ outputSchemaJson = "" }: ChatTurnOptions["request"]): boolean => outputSchemaJson !== "";

/** Shows events until they end. `say`: for what happens to the connection meanwhile. */
export async function showTurn(
  { terminal, isQuiet, isJson }: ShowOptions,
  isStructured: boolean,
  events: (say: (text: string) => void) => AsyncIterable<StreamChatResponse>,
): Promise<ShownTurn> {
  const screen = new ChatScreen({ terminal, isQuiet: isQuiet || isJson, showsText: !isJson && !isStructured });
  let started: Started | undefined;
  let turnId = "";
  let result: TurnResult | undefined;
  let failure: unknown;
  let hasGap = false;
  try {
    for await (const event of events((text) => screen.warn(text))) {
      if (isJson) terminal.stdout.write(`${toJsonString(StreamChatResponseSchema, event)}\n`);
      screen.show(event);
      turnId = event.turnId;
      if (event.event.case === "started") started = event.event.value;
      if (event.event.case === "gap") hasGap = true;
      if (event.event.case === "result") result = event.event.value;
    }
  } catch (error) {
    failure = error;
  }
  screen.finish();
  if (failure === undefined && result !== undefined && isStructured && !isJson)
    printStructured(screen, terminal, result);
  if (result !== undefined) screen.note(endLine(result, started));
  const streamed = hasGap ? "" : screen.text;
  return { screen, text: streamed || result?.text || result?.structuredOutputJson || "", turnId, result, failure };
}

/** Tells how a turn ended that nobody has interrupted here. */
export function tellEnd({ failure, result, screen }: ShownTurn, options: ShowOptions): ExitCode {
  return failure === undefined ? tellOutcome(result, screen) : tellCallFailure(failure, options);
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
  // Of a turn that is read again the call itself ends well.
  if (result.error !== undefined) {
    const { message, reason } = result.error;
    screen.warn(`the turn failed: ${message} (${nameOf(ErrorReasonSchema, reason)})`);
    return exitCodes.failed;
  }
  const explanation = result.refusalExplanation === "" ? "" : `: ${result.refusalExplanation}`;
  screen.warn(`${outcomeWords[result.outcome] ?? `the turn ended with outcome ${result.outcome}`}${explanation}`);
  return exitCodes.incomplete;
}

function tellCallFailure(error: unknown, { terminal, connection, isJson }: ShowOptions): ExitCode {
  const failure = callFailure(error, connection);
  if (isJson) {
    const { code, reason, message, violations } = failure;
    terminal.stdout.write(`${JSON.stringify({ error: { code, reason, message, violations } })}\n`);
  }
  tellFailure(failure, terminal);
  return failure.exitCode;
}
