/**
 * What each attribute of spans and metrics means. docs/tracing.md and docs/metrics.md are made from it, and `npm run
 * observability` checks it against what arrives in Jaeger and Prometheus.
 */
import { attributeNames as names } from "./instruments.ts";

export interface AboutAttribute {
  readonly type: "text" | "integer" | "true or false" | "list of texts";
  /** Of an integer that is not a plain count. */
  readonly unit?: string;
  readonly meaning: string;
}

const text = (meaning: string): AboutAttribute => ({ type: "text", meaning });
const integer = (unit: string | undefined, meaning: string): AboutAttribute => ({
  type: "integer",
  ...(unit !== undefined && { unit }),
  meaning,
});

/** By the attribute's name. */
export const aboutAttributes: Readonly<Record<string, AboutAttribute>> = {
  [names.rpcSystem]: text("`grpc` for gRPC and gRPC-Web, `connectrpc` for Connect and JSON."),
  [names.rpcMethod]: text("The full name of the method, such as `claude.runner.v1.ClaudeRunner/StreamChat`."),
  [names.rpcStatusCode]: text("The status that the call ended with, as gRPC spells it: `OK`, `UNAVAILABLE`."),
  [names.errorType]: text(
    "On a call that failed: its status. On a retry: the HTTP status of the model API's answer or, if there was none, a word for the failure, such as `connection_failed`.",
  ),
  [names.errorReason]: text("Why it failed: the reason of error.proto that the caller got too, in lower case."),
  [names.tenant]: text("The tenant that the token belongs to."),
  [names.profile]: text("The profile's name."),
  [names.turnId]: text("The turn's id, the same in every event, in the log and in errors."),
  [names.detail]: text("How much was streamed: `text`, `standard` or `full`."),
  [names.outcome]: text(
    "What came of the turn: the outcomes of result.proto in lower case, or `not_started` for a turn that was refused or ended before a worker had its prompt; the reason says why.",
  ),
  [names.claimSource]: text(
    "Where the worker came from: `reused` (it has served this tenant with the same system prompt), `spare`, `cold_no_spare` (it was started after the turn had arrived) or `cold_pool_off` (the profile keeps no spares).",
  ),
  [names.conversationSource]: text(
    "How Claude came to know the conversation so far: `new` (there was none), `kept` (the worker still had it), `seeded` (it was handed over) or `resumed` (a new process read the transcript).",
  ),
  [names.workerId]: text("The worker's id, the same in the log."),
  [names.workerAgeMs]: integer("ms", "How long ago the worker was started."),
  [names.workerTurnCount]: integer(undefined, "How many turns the worker had served before."),
  [names.queueLength]: integer(undefined, "How many turns were waiting when this one arrived."),
  [names.seededMessageCount]: integer(undefined, "How many messages of history were handed to the worker."),
  [names.sessionState]: text(
    "`running`: one of its turns waits or runs. `suspended`: it could not go on when it was asked to; the next turn tries again. `idle`: neither.",
  ),
  [names.rejoinKind]: text("`attach`: by AttachTurn. `request_id`: by a call that repeats an earlier one."),
  [names.storeKind]: text("Where turns and sessions are kept: `sqlite` is a file, `memory` is gone after a restart."),
  [names.storeOperation]: text("What was written, such as `accept_turn` or `end_turn`."),
  [names.toolName]: text("The tool's name, such as `Bash`. Its input and output are never recorded."),
  [names.toolIsError]: {
    type: "true or false",
    meaning: "Whether the tool reported an error, from which the model may recover.",
  },
  [names.toolWasCut]: { type: "true or false", meaning: "Whether the turn ended before the tool did." },
  [names.costUsdMicros]: integer("µ$", "The estimated cost of the turn, in millionths of a US dollar."),
  [names.retryAttempt]: integer(undefined, "The number of the attempt that failed, from 1."),
  [names.retryDelayMs]: integer("ms", "How long Claude Code waits before it asks again."),
  [names.genAiOperation]: text("Always `chat`."),
  [names.genAiProvider]: text("Always `anthropic`."),
  [names.genAiRequestModel]: text("The model that the turn asked for."),
  [names.genAiResponseModel]: text("The model that Claude Code says it uses."),
  [names.genAiConversationId]: text(
    "Claude Code's own session id, which belongs to its process and not to the caller's conversation.",
  ),
  [names.genAiInputTokens]: integer(
    "tokens",
    "Tokens that the model read, without those read from or written to the prompt cache.",
  ),
  [names.genAiOutputTokens]: integer("tokens", "Tokens that the model wrote."),
  [names.genAiCacheReadTokens]: integer("tokens", "Tokens that were read from the model API's prompt cache."),
  [names.genAiCacheCreationTokens]: integer("tokens", "Tokens that were written to that cache."),
  [names.genAiFinishReasons]: {
    type: "list of texts",
    meaning: "Why the model stopped, such as `end_turn`. Absent if it was interrupted.",
  },
  [names.genAiTokenType]: text("The kind of tokens."),
  [names.stage]: text("The stage of a call, named like its span: `queue_wait` is `runner.queue_wait`."),
  [names.recycleReason]: text(
    "Why a worker ended. Ordinary: `single_use`, `max_turns`, `max_age`, `memory`, `idle_cpu`, `idle_timeout`, `surplus`, `evicted`, `memory_limit`, `outdated`, `not_parked`, `parked_too_long`, `parked_surplus`, `superseded`, `session_deleted`, `drained`, `stopped`. `after_` and an outcome: its last turn left it unfit. The others name what went wrong.",
  ),
  [names.resetOutcome]: text(
    "`clean`, or why the worker was ended instead. `cut_short`: it died, or was ended for another reason, meanwhile.",
  ),
  [names.shedReason]: text(
    "Why the pool refused the turn. `wait_too_long`: it would have waited longer than allowed. `deadline`: the caller's deadline passed.",
  ),
  [names.workerState]: text("What the worker is doing."),
  [names.cliSpanDropReason]: text(
    "Why a span of Claude Code joined no trace. Ordinary: `not_sampled`, `not_a_turn` (a seeded question, a reset).",
  ),
  [names.cliSpanFailure]: text("What went wrong at the port for spans of Claude Code."),
};
