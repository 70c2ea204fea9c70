/**
 * Every metric and span name, with its unit. A leaf: anybody may import it, and without an SDK it does nothing.
 *
 * No attribute here ever holds a prompt, an answer, a token or a key.
 */
import { type Counter, type Histogram, metrics, type ObservableGauge, trace } from "@opentelemetry/api";

export const tracerName = "claude-runner";

/** The tracer of all spans that are made by hand. Looked up at each use, so that an SDK that starts later is used. */
export const tracer = () => trace.getTracer(tracerName);

/** The tracer of what Claude Code measured itself, so that a backend can tell whose clock it was. */
export const cliTracer = () => trace.getTracer("claude-code");

/** The stages of a turn, each a child span of the call and a histogram of its own. */
export const spanNames = {
  queueWait: "runner.queue_wait",
  claim: "runner.claim",
  bind: "runner.bind",
  seedHistory: "runner.seed_history",
  stdinWrite: "runner.stdin_write",
  firstEvent: "runner.first_event",
  firstText: "runner.first_text",
  turn: "runner.turn",
  tool: "runner.tool",
} as const;

/** The spans of Claude Code that are taken over, under its own names. Only with `telemetry.cliSpans`. */
export const cliSpanNames = {
  /** All that Claude Code does for one prompt. */
  interaction: "claude_code.interaction",
  /** A request to the model, with its retries. */
  modelRequest: "claude_code.llm_request",
  /** A tool use, where there is no `runner.tool` of the same. */
  tool: "claude_code.tool",
  /** The part of a tool use in which it is decided whether it may run. */
  toolPermission: "claude_code.tool.blocked_on_user",
  /** The part in which it runs. */
  toolExecution: "claude_code.tool.execution",
  /** The start of a sub-agent, where it is not the execution of a tool. */
  subAgent: "claude_code.subagent.spawn",
  hook: "claude_code.hook",
  compaction: "claude_code.compaction",
  /** A call to an MCP server. */
  mcpCall: "claude_code.mcp.rpc",
  /** The shell that a Bash tool use runs. */
  subprocess: "claude_code.bash.subprocess",
} as const;

/** Span and metric attributes of our own, and those of the GenAI conventions, whose package marks them as incubating. */
export const attributeNames = {
  tenant: "runner.tenant",
  profile: "runner.profile",
  turnId: "runner.turn.id",
  outcome: "runner.turn.outcome",
  detail: "runner.turn.detail",
  claimSource: "runner.claim.source",
  queueLength: "runner.queue.length",
  workerId: "runner.worker.id",
  workerAgeMs: "runner.worker.age_ms",
  workerTurnCount: "runner.worker.turn_count",
  workerState: "runner.worker.state",
  recycleReason: "runner.recycle.reason",
  shedReason: "runner.shed.reason",
  seededMessageCount: "runner.seeded_message_count",
  toolName: "runner.tool.name",
  toolIsError: "runner.tool.is_error",
  eventName: "runner.event.name",
  stage: "runner.stage",
  errorReason: "runner.error.reason",
  costUsdMicros: "runner.cost_usd_micros",
  /** On a span that nobody measured as such: it was made up from what else is known. */
  synthesized: "runner.synthesized",
  /** On the event of one try at a model request: the how-manieth it is, from 1. */
  cliAttempt: "runner.cli.attempt",
  /** How many tries a model request took. */
  cliAttemptCount: "runner.cli.attempt_count",
  /** The model API's id of the request, for its support. */
  cliRequestId: "runner.cli.request_id",
  /** What of Claude Code made the request: `sdk` is the conversation itself, `agent.…` a sub-agent. */
  cliRequestSource: "runner.cli.request_source",
  /** From the request that was answered to the first of its answer, in milliseconds. */
  cliTimeToFirstTokenMs: "runner.cli.time_to_first_token_ms",
  /** Whether a tool use was allowed: `accept` or `reject`. */
  cliDecision: "runner.cli.decision",
  /** Who decided, such as `config`. */
  cliDecisionSource: "runner.cli.decision_source",
  /** The MCP server that a tool is of. */
  cliMcpServer: "runner.cli.mcp_server",
  cliSpanDropReason: "runner.cli_spans.drop_reason",
  cliSpanFailure: "runner.cli_spans.failure",
  errorType: "error.type",
  httpStatusCode: "http.response.status_code",
  genAiOperation: "gen_ai.operation.name",
  genAiProvider: "gen_ai.provider.name",
  genAiRequestModel: "gen_ai.request.model",
  genAiResponseModel: "gen_ai.response.model",
  genAiConversationId: "gen_ai.conversation.id",
  genAiInputTokens: "gen_ai.usage.input_tokens",
  genAiOutputTokens: "gen_ai.usage.output_tokens",
  genAiCacheReadTokens: "gen_ai.usage.cache_read.input_tokens",
  genAiCacheCreationTokens: "gen_ai.usage.cache_creation.input_tokens",
  genAiFinishReasons: "gen_ai.response.finish_reasons",
  genAiTokenType: "gen_ai.token.type",
  genAiToolCallId: "gen_ai.tool.call.id",
} as const;

/** Buckets for stages that take from a tenth of a millisecond to minutes, in seconds. */
const stageBuckets = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300,
  600,
];

export interface Instruments {
  /** Stages of turns, in seconds, by `runner.stage` and `runner.profile`. */
  readonly stageDuration: Histogram;
  /** Calls, in seconds, as the RPC conventions name it. */
  readonly callDuration: Histogram;
  /** From the written prompt to the first text, in seconds, as the GenAI conventions name it. */
  readonly timeToFirstToken: Histogram;
  /** Tokens of turns by kind, as the GenAI conventions name it. */
  readonly tokenUsage: Histogram;
  /** Turns that ended, by outcome. */
  readonly turns: Counter;
  /** Estimated cost, in millionths of a US dollar. */
  readonly costUsdMicros: Counter;
  /** Claims, by `runner.claim.source`. */
  readonly claims: Counter;
  /** Workers that ended, by why. */
  readonly recycles: Counter;
  /** Turns that were refused, by why. */
  readonly sheds: Counter;
  /** Claims of a profile that made a new binding. Rising with the turns: callers change the system prompt each time. */
  readonly bindings: Counter;
  /** Workers that were started, and starts that failed. */
  readonly workerStarts: Counter;
  readonly workerStartFailures: Counter;
  /** From a worker's start to its first answer, in seconds. */
  readonly workerStartDuration: Histogram;
  /** Resets, in seconds. */
  readonly resetDuration: Histogram;
  /** Lines of the CLI without a type here, by name. */
  readonly unknownEvents: Counter;
  /** Turns that were given to a second worker because the first died before it had the prompt. */
  readonly takeovers: Counter;
  /** Spans of Claude Code that joined the trace of their turn. These four stay at zero without `telemetry.cliSpans`. */
  readonly cliSpansJoined: Counter;
  /** Spans of Claude Code that joined none, by `runner.cli_spans.drop_reason`. */
  readonly cliSpansDropped: Counter;
  /** What was sent to the port for them and not taken, and a port that could not be opened. */
  readonly cliSpanFailures: Counter;
  /** Traced turns whose spans did not come in time. */
  readonly turnsWithoutCliSpans: Counter;
  /** Workers by state and profile; read from the pool when metrics are collected. */
  readonly workers: ObservableGauge;
  /** Turns that wait for a worker, by profile. */
  readonly queueLength: ObservableGauge;
  /** Turns in flight, waiting ones included. */
  readonly turnsInFlight: ObservableGauge;
}

let made: Instruments | undefined;

/** The instruments, made at first use: after the SDK was started, or never effective. */
export function instruments(): Instruments {
  made ??= make();
  return made;
}

/** Makes them anew from the meter provider that is registered now. For `telemetry/sdk.ts` and tests. */
export function resetInstruments(): void {
  made = undefined;
}

function make(): Instruments {
  const meter = metrics.getMeter(tracerName);
  const seconds = { unit: "s", advice: { explicitBucketBoundaries: stageBuckets } };
  return {
    stageDuration: meter.createHistogram("runner.stage.duration", { ...seconds, description: "Stages of turns." }),
    callDuration: meter.createHistogram("rpc.server.call.duration", { ...seconds, description: "Calls." }),
    timeToFirstToken: meter.createHistogram("gen_ai.server.time_to_first_token", {
      ...seconds,
      description: "From the written prompt to the first text.",
    }),
    tokenUsage: meter.createHistogram("gen_ai.client.token.usage", {
      unit: "{token}",
      description: "Tokens of turns.",
    }),
    turns: meter.createCounter("runner.turns", { unit: "{turn}", description: "Turns that ended." }),
    costUsdMicros: meter.createCounter("runner.cost", { unit: "{usd_micro}", description: "Estimated cost of turns." }),
    claims: meter.createCounter("runner.claims", { unit: "{claim}", description: "Workers given to turns." }),
    recycles: meter.createCounter("runner.worker.recycles", { unit: "{worker}", description: "Workers that ended." }),
    sheds: meter.createCounter("runner.sheds", { unit: "{turn}", description: "Turns that were refused." }),
    bindings: meter.createCounter("runner.bindings", { unit: "{binding}", description: "Bindings that were made." }),
    workerStarts: meter.createCounter("runner.worker.starts", {
      unit: "{worker}",
      description: "Workers that were started.",
    }),
    workerStartFailures: meter.createCounter("runner.worker.start_failures", {
      unit: "{worker}",
      description: "Starts that failed.",
    }),
    workerStartDuration: meter.createHistogram("runner.worker.start.duration", {
      ...seconds,
      description: "From a worker's start to its first answer.",
    }),
    resetDuration: meter.createHistogram("runner.worker.reset.duration", {
      ...seconds,
      description: "Resets of workers.",
    }),
    unknownEvents: meter.createCounter("runner.unknown_events", {
      unit: "{event}",
      description: "Lines of the CLI without a type.",
    }),
    takeovers: meter.createCounter("runner.takeovers", {
      unit: "{turn}",
      description: "Turns given to a second worker.",
    }),
    cliSpansJoined: meter.createCounter("runner.cli_spans.joined", {
      unit: "{span}",
      description: "Spans of Claude Code that joined the trace of their turn.",
    }),
    cliSpansDropped: meter.createCounter("runner.cli_spans.dropped", {
      unit: "{span}",
      description: "Spans of Claude Code that joined no trace, by why.",
    }),
    cliSpanFailures: meter.createCounter("runner.cli_spans.failures", {
      unit: "{failure}",
      description: "What the port for Claude Code's spans was sent and did not take.",
    }),
    turnsWithoutCliSpans: meter.createCounter("runner.cli_spans.turns_without", {
      unit: "{turn}",
      description: "Traced turns whose spans of Claude Code did not come.",
    }),
    workers: meter.createObservableGauge("runner.workers", { unit: "{worker}", description: "Workers by state." }),
    queueLength: meter.createObservableGauge("runner.queue.length", {
      unit: "{turn}",
      description: "Turns that wait for a worker.",
    }),
    turnsInFlight: meter.createObservableGauge("runner.turns.in_flight", {
      unit: "{turn}",
      description: "Turns in flight.",
    }),
  };
}
