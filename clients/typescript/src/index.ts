/**
 * The client of claude-runner, for any Connect transport. `@claude-runner/client/node` and `/web` connect it.
 */
export {
  type CallOptions,
  type ChatInput,
  ClaudeRunnerClient,
  type ClientOptions,
  type StreamInput,
} from "./client.ts";
export { Conversation, type ConversationStart } from "./conversation.ts";
export { ClaudeRunnerError, type Violation } from "./error.ts";
export * from "./gen/claude/runner/v1/error_pb.ts";
export * from "./gen/claude/runner/v1/event_pb.ts";
export * from "./gen/claude/runner/v1/pool_pb.ts";
export * from "./gen/claude/runner/v1/result_pb.ts";
export * from "./gen/claude/runner/v1/runner_pb.ts";
export { defaultRetryPolicy, type RetryPolicy } from "./retry.ts";
export { Turn } from "./turn.ts";
