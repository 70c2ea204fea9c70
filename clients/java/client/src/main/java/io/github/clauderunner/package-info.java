/**
 * The client of claude-runner: Claude Code as a typed gRPC service.
 *
 * <p>{@link io.github.clauderunner.ClaudeRunnerClient} is where to start. Requests, events and
 * results are the generated messages of {@code io.github.clauderunner.v1}; this package adds the
 * connection, turns to iterate, conversations, and one type of error.
 */
package io.github.clauderunner;
