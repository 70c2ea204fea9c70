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

/** The spans below the call's own; each but `tool` is a stage of a histogram as well. docs/tracing.md says what each is. */
export const spanNames = {
  check: "runner.check",
  sessionWait: "runner.session_wait",
  queueWait: "runner.queue_wait",
  claim: "runner.claim",
  bind: "runner.bind",
  configure: "runner.configure",
  seedHistory: "runner.seed_history",
  stdinWrite: "runner.stdin_write",
  turn: "runner.turn",
  reply: "runner.reply",
  firstEvent: "runner.first_event",
  firstText: "runner.first_text",
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
/** On `runner.turn`: Claude Code repeats a request to the model API. */
export const retryEventName = "runner.upstream_retry";

/** Span and metric attributes of our own, and those of the GenAI conventions, whose package marks them as incubating. */
export const attributeNames = {
  tenant: "runner.tenant",
  profile: "runner.profile",
  turnId: "runner.turn.id",
  outcome: "runner.turn.outcome",
  detail: "runner.turn.detail",
  claimSource: "runner.claim.source",
  conversationSource: "runner.conversation.source",
  queueLength: "runner.queue.length",
  workerId: "runner.worker.id",
  workerAgeMs: "runner.worker.age_ms",
  workerTurnCount: "runner.worker.turn_count",
  workerState: "runner.worker.state",
  recycleReason: "runner.recycle.reason",
  resetOutcome: "runner.reset.outcome",
  shedReason: "runner.shed.reason",
  seededMessageCount: "runner.seeded_message_count",
  sessionState: "runner.session.state",
  rejoinKind: "runner.rejoin.kind",
  storeKind: "runner.store.kind",
  storeOperation: "runner.store.operation",
  toolName: "runner.tool.name",
  toolIsError: "runner.tool.is_error",
  toolWasCut: "runner.tool.was_cut",
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
  httpStatusCode: "http.response.status_code",
  retryAttempt: "runner.retry.attempt",
  retryDelayMs: "runner.retry.delay_ms",
  errorType: "error.type",
  rpcSystem: "rpc.system.name",
  rpcMethod: "rpc.method",
  rpcStatusCode: "rpc.status_code",
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

/** The kinds of tokens that are counted apart; the values of `gen_ai.token.type`. */
export const tokenTypes = ["input", "output", "cache_read", "cache_creation"] as const;

/** Buckets for stages that take from a tenth of a millisecond to minutes, in seconds. */
const stageBuckets = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300,
  600,
];

/** Buckets for tokens, those of the GenAI conventions. */
const tokenBuckets = Array.from({ length: 14 }, (_, power) => 4 ** power);

/** What each of them measures is its description, in `make`. */
export interface Instruments {
  readonly stageDuration: Histogram;
  readonly callDuration: Histogram;
  readonly timeToFirstToken: Histogram;
  readonly tokenUsage: Histogram;
  readonly turns: Counter;
  readonly costUsdMicros: Counter;
  readonly claims: Counter;
  readonly recycles: Counter;
  readonly sheds: Counter;
  readonly bindings: Counter;
  readonly workerStarts: Counter;
  readonly workerStartFailures: Counter;
  readonly workerStartDuration: Histogram;
  readonly resetDuration: Histogram;
  readonly upstreamRetries: Counter;
  readonly unknownEvents: Counter;
  readonly takeovers: Counter;
  readonly cliSpansJoined: Counter;
  readonly cliSpansDropped: Counter;
  readonly cliSpanFailures: Counter;
  readonly turnsWithoutCliSpans: Counter;
  readonly rejoins: Counter;
  readonly intakeRefusals: Counter;
  readonly storeWriteDuration: Histogram;
  readonly workers: ObservableGauge;
  readonly queueLength: ObservableGauge;
  readonly turnsInFlight: ObservableGauge;
  readonly ready: ObservableGauge;
  readonly workerMemory: ObservableGauge;
  readonly workerMemoryLimit: ObservableGauge;
  readonly serverMemory: ObservableGauge;
  readonly sessions: ObservableGauge;
  readonly turnsUnread: ObservableGauge;
  readonly turnReaders: ObservableGauge;
  readonly turnEventMemory: ObservableGauge;
  readonly storeReady: ObservableGauge;
  readonly storeSize: ObservableGauge;
  readonly storeContent: ObservableGauge;
  readonly storeContentLimit: ObservableGauge;
  readonly storeOwedEnds: ObservableGauge;
}

const profile = attributeNames.profile;
const genAi = [attributeNames.genAiRequestModel, attributeNames.genAiProvider, attributeNames.genAiOperation];

/** What each metric is measured by: its attributes, which are the labels in Prometheus. */
export const metricAttributes: Readonly<Record<keyof Instruments, readonly string[]>> = {
  stageDuration: [attributeNames.stage, profile],
  callDuration: [attributeNames.rpcSystem, attributeNames.rpcMethod, attributeNames.rpcStatusCode],
  timeToFirstToken: [profile, ...genAi],
  tokenUsage: [profile, ...genAi, attributeNames.genAiTokenType],
  turns: [profile, attributeNames.outcome, attributeNames.errorReason],
  costUsdMicros: [profile, attributeNames.tenant, attributeNames.genAiRequestModel],
  claims: [profile, attributeNames.claimSource, attributeNames.conversationSource],
  recycles: [profile, attributeNames.recycleReason],
  sheds: [profile, attributeNames.shedReason],
  bindings: [profile],
  workerStarts: [profile],
  workerStartFailures: [profile, attributeNames.errorReason],
  workerStartDuration: [profile],
  resetDuration: [profile, attributeNames.resetOutcome],
  upstreamRetries: [profile, attributeNames.errorType],
  unknownEvents: [profile],
  takeovers: [profile],
  cliSpansJoined: [],
  cliSpansDropped: [attributeNames.cliSpanDropReason],
  cliSpanFailures: [attributeNames.cliSpanFailure],
  turnsWithoutCliSpans: [],
  rejoins: [attributeNames.rejoinKind],
  intakeRefusals: [profile, attributeNames.errorReason],
  storeWriteDuration: [attributeNames.storeOperation],
  workers: [profile, attributeNames.workerState],
  queueLength: [profile],
  turnsInFlight: [],
  ready: [profile],
  workerMemory: [],
  workerMemoryLimit: [],
  serverMemory: [],
  sessions: [attributeNames.sessionState],
  turnsUnread: [],
  turnReaders: [],
  turnEventMemory: [],
  storeReady: [attributeNames.storeKind],
  storeSize: [],
  storeContent: [],
  storeContentLimit: [],
  storeOwedEnds: [],
};

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

/** The descriptions are the documentation, here and in Prometheus. */
function make(): Instruments {
  const meter = metrics.getMeter(tracerName);
  const counter = (name: string, unit: string, description: string) => meter.createCounter(name, { unit, description });
  const gauge = (name: string, unit: string, description: string) =>
    meter.createObservableGauge(name, { unit, description });
  const histogram = (name: string, unit: string, description: string, buckets = stageBuckets) =>
    meter.createHistogram(name, { unit, description, advice: { explicitBucketBoundaries: buckets } });
  return {
    stageDuration: histogram(
      "runner.stage.duration",
      "s",
      "How long stages of calls took, including those that failed.",
    ),
    callDuration: histogram("rpc.server.call.duration", "s", "How long calls took, by their final status."),
    timeToFirstToken: histogram(
      "gen_ai.server.time_to_first_token",
      "s",
      "From the written prompt to the first text of the answer.",
    ),
    tokenUsage: histogram(
      "gen_ai.client.token.usage",
      "{token}",
      "Tokens of a turn. Input tokens are those neither read from nor written to the cache.",
      tokenBuckets,
    ),
    turns: counter(
      "runner.turns",
      "{turn}",
      "Turns that ended or were refused, by outcome and by the reason of a failure.",
    ),
    costUsdMicros: counter("runner.cost_usd_micros", "{usd_micro}", "Estimated cost, in millionths of a US dollar."),
    claims: counter(
      "runner.claims",
      "{claim}",
      "Workers given to turns, by where they came from and how they got the conversation so far.",
    ),
    recycles: counter("runner.worker.recycles", "{worker}", "Workers that ended, by reason."),
    sheds: counter("runner.sheds", "{turn}", "Turns that the pool refused, by reason."),
    bindings: counter(
      "runner.bindings",
      "{binding}",
      "Workers that got a system prompt and schema. If there are as many as turns, callers change the system prompt each time.",
    ),
    workerStarts: counter("runner.worker.starts", "{worker}", "Workers that were started."),
    workerStartFailures: counter(
      "runner.worker.start_failures",
      "{worker}",
      "Starts of workers that failed, by reason.",
    ),
    workerStartDuration: histogram("runner.worker.start.duration", "s", "From a worker's start to its first answer."),
    resetDuration: histogram("runner.worker.reset.duration", "s", "How long resets of workers took, by outcome."),
    upstreamRetries: counter(
      "runner.upstream.retries",
      "{retry}",
      "Requests to the model API that Claude Code repeated, by how the previous attempt failed.",
    ),
    unknownEvents: counter("runner.unknown_events", "{event}", "Lines of Claude Code that this version does not know."),
    takeovers: counter(
      "runner.takeovers",
      "{turn}",
      "Turns given to a second worker because the first died before it had the prompt.",
    ),
    workers: gauge("runner.workers", "{worker}", "Workers, by state."),
    queueLength: gauge("runner.queue.length", "{turn}", "Turns that are waiting for a worker."),
    turnsInFlight: gauge(
      "runner.turns.in_flight",
      "{turn}",
      "Turns that were accepted and have not ended, waiting ones included.",
    ),
    ready: gauge("runner.ready", "", "1 while turns of the profile can be served, otherwise 0."),
    workerMemory: gauge(
      "runner.workers.memory",
      "By",
      "Private memory of all workers; estimated for those that have not been measured yet.",
    ),
    workerMemoryLimit: gauge(
      "runner.workers.memory_limit",
      "By",
      "The most memory that all workers may use: `pool.memoryBudgetBytes`.",
    ),
    serverMemory: gauge("runner.server.memory", "By", "Resident memory of the server's own process."),
    rejoins: counter(
      "runner.rejoins",
      "{call}",
      "Calls that read a turn which another call began, by how they named it.",
    ),
    intakeRefusals: counter(
      "runner.intake.refusals",
      "{turn}",
      "Turns of a session or with a `request_id` that were refused before they were accepted, by reason. They are not in `runner.turns`.",
    ),
    storeWriteDuration: histogram(
      "runner.store.write.duration",
      "s",
      "How long writes to the store took, the wait for others included.",
    ),
    sessions: gauge("runner.sessions", "{session}", "Sessions that are kept, counted every 10 seconds."),
    turnsUnread: gauge("runner.turns.unread", "{turn}", "Turns that wait or run although no call reads them."),
    turnReaders: gauge("runner.turn_readers", "{call}", "Calls of AttachTurn that read a turn now."),
    turnEventMemory: gauge(
      "runner.turn_events.memory",
      "By",
      "Memory that the events of turns take, and the answers of those that ended.",
    ),
    storeReady: gauge("runner.store.ready", "", "1 while the store takes what is new, otherwise 0."),
    storeSize: gauge("runner.store.size", "By", "The used part of the store's file, or of its memory."),
    storeContent: gauge(
      "runner.store.content",
      "By",
      "Words, results and events that are stored, counted every 10 seconds.",
    ),
    storeContentLimit: gauge("runner.store.content_limit", "By", "The most of these: `store.maxBytes`."),
    storeOwedEnds: gauge(
      "runner.store.owed_ends",
      "{turn}",
      "Ends of turns that the store could not take and will be given again.",
    ),
    cliSpansJoined: counter(
      "runner.cli_spans.joined",
      "{span}",
      "Spans of Claude Code that joined the trace of their turn.",
    ),
    cliSpansDropped: counter(
      "runner.cli_spans.dropped",
      "{span}",
      "Spans of Claude Code that joined no trace, by reason.",
    ),
    cliSpanFailures: counter(
      "runner.cli_spans.failures",
      "{failure}",
      "Requests that the port for Claude Code's spans refused.",
    ),
    turnsWithoutCliSpans: counter(
      "runner.cli_spans.turns_without",
      "{turn}",
      "Traced turns for which Claude Code sent no spans.",
    ),
  };
}
