/**
 * The client of claude-runner, for any Connect transport. `@claude-runner/client/node` and `/web` connect it.
 */
export type { CallOptions, ChatOptions, StreamOptions } from "./call-options.ts";
export {
  type AttachOptions,
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
// The contract's own Session and Turn are what the server has written down; by these names the client has its handles.
export type { Session as SessionRecord } from "./gen/claude/runner/v1/session_pb.ts";
export * from "./gen/claude/runner/v1/session_pb.ts";
export type { Turn as TurnRecord } from "./gen/claude/runner/v1/turn_pb.ts";
export * from "./gen/claude/runner/v1/turn_pb.ts";
export { defaultRetryPolicy, type RetryPolicy } from "./retry.ts";
export { type ForkOptions, Session, type SessionOptions, type SessionTurn, type SessionUpdate } from "./session.ts";
export { Turn } from "./turn.ts";
export type { TurnName } from "./turn-name.ts";
