package io.github.clauderunner;

import io.github.clauderunner.v1.ChatRequest;
import io.github.clauderunner.v1.ChatResponse;
import io.grpc.Context;
import io.grpc.Status;
import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.BiFunction;

/**
 * A collected turn whose call is sent again when its connection breaks: by its request id the
 * server knows that it is the same turn.
 */
final class IdempotentChat {
  private static final int MAX_ATTEMPTS = 4;

  private IdempotentChat() {}

  /**
   * Runs the turn.
   *
   * @param call sends the call once, or as often as the channel's retry does
   */
  static ChatResponse run(
      ChatRequest request,
      TurnOptions options,
      Interrupts interrupts,
      BiFunction<ChatRequest, TurnOptions, ChatResponse> call) {
    ChatRequest named = RequestIds.named(request);
    TurnOptions begun = options.begun();
    Interrupts.Handle interrupt = interrupts.of(named.getRequestId(), options);
    for (int attempt = 1; ; attempt += 1) {
      try {
        ChatResponse response = call.apply(named, begun);
        interrupt.release();
        return response;
      } catch (RunnerException e) {
        if (interrupts.isClosed() || isTheCallers(e)) {
          interrupt.run();
          throw e;
        }
        if (!e.isBreak() || attempt == MAX_ATTEMPTS) {
          interrupt.release();
          throw e;
        }
        pause(attempt, begun, interrupt);
      }
    }
  }

  /** Whether the caller has ended the call, which would otherwise look like a break. */
  private static boolean isTheCallers(RunnerException failure) {
    return Context.current().isCancelled()
        || Thread.currentThread().isInterrupted()
        || failure.code() == Status.Code.DEADLINE_EXCEEDED;
  }

  private static void pause(int attempt, TurnOptions begun, Interrupts.Handle interrupt) {
    Duration wait = RejoinRules.ownWait(attempt - 1, ThreadLocalRandom.current().nextDouble());
    Duration left = begun.timeLeft().orElse(wait);
    try {
      // Past the deadline the next attempt fails at once.
      Thread.sleep(Math.max(0, Math.min(wait.toMillis(), left.toMillis() + 1)));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      interrupt.run();
      throw new RunnerException(
          Status.CANCELLED.withDescription("the thread that waits for the turn was interrupted"),
          null,
          true);
    }
  }
}
