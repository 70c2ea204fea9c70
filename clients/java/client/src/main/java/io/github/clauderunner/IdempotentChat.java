package io.github.clauderunner;

import io.github.clauderunner.v1.ChatRequest;
import io.github.clauderunner.v1.ChatResponse;
import io.grpc.Context;
import io.grpc.Status;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.function.BiFunction;

/**
 * A collected turn whose call is sent again when its connection breaks: by its request id the
 * server knows that it is the same turn. What counts as broken, and for how long it is tried, is
 * decided in {@link RejoinRules}.
 */
final class IdempotentChat {
  private final ChatRequest request;
  private final TurnOptions options;
  private final Interrupts interrupts;
  private final Interrupts.Handle interrupt;
  private final RetryTime time;

  /**
   * When the connection broke over which the turn last gave a sign of itself, which the headers of
   * a response are, or else when the first one did: a turn that waits for long is silent.
   */
  private long quietSince;

  /**
   * How many attempts have failed. Signs do not set it back: the pauses after connections that
   * break behind the headers grow like all others.
   */
  private int tryCount;

  /** Whether any attempt had headers: then the turn has run. */
  private boolean hasBegun;

  /** Whether the server may have the turn: not if it has refused each attempt. */
  private boolean mayRun;

  /**
   * Runs the turn.
   *
   * @param call sends the call once, or as often as the channel's retry does
   */
  static ChatResponse run(
      ChatRequest request,
      TurnOptions options,
      Interrupts interrupts,
      RetryTime time,
      BiFunction<ChatRequest, TurnOptions, ChatResponse> call) {
    return new IdempotentChat(RequestIds.named(request), options, interrupts, time).run(call);
  }

  private IdempotentChat(
      ChatRequest request, TurnOptions options, Interrupts interrupts, RetryTime time) {
    this.request = request;
    this.options = options.begun();
    this.interrupts = interrupts;
    this.interrupt = interrupts.of(request.getRequestId(), options);
    this.time = time;
  }

  private ChatResponse run(BiFunction<ChatRequest, TurnOptions, ChatResponse> call) {
    while (true) {
      try {
        ChatResponse response = call.apply(request, options);
        interrupt.release();
        return response;
      } catch (RunnerException e) {
        if (interrupts.isClosed() || isTheCallers(e)) {
          interrupt.run();
          throw e;
        }
        pause(nextWait(e).orElseThrow(() -> over(e)));
      }
    }
  }

  /** Notes a failure; empty when the call is not sent again. */
  private Optional<Duration> nextWait(RunnerException failure) {
    if (failure.hasBegun() || tryCount == 0) {
      quietSince = time.nanos();
    }
    hasBegun |= failure.hasBegun();
    mayRun |= hasBegun || failure.reasonText().isEmpty();
    if (!failure.isBreak()) {
      return Optional.empty();
    }
    Duration withoutSign = Duration.ofNanos(time.nanos() - quietSince);
    tryCount += 1;
    return RejoinRules.nextWait(
        RejoinRules.PATIENCE, withoutSign, tryCount - 1, failure.pushback(), time.jitter());
  }

  /** What the call fails with: it must not invite to run a second time what may have run. */
  private RunnerException over(RunnerException failure) {
    interrupt.release();
    boolean isLost = failure.isBreak() ? mayRun : hasBegun && failure.mayRetry();
    return isLost ? failure.ofLostTurn() : failure;
  }

  /** Whether the caller has ended the call, which would otherwise look like a break. */
  private static boolean isTheCallers(RunnerException failure) {
    return Context.current().isCancelled()
        || Thread.currentThread().isInterrupted()
        || failure.code() == Status.Code.DEADLINE_EXCEEDED;
  }

  private void pause(Duration wait) {
    // Past the deadline, cancelled or closed, the next attempt fails at once.
    Duration bound = options.timeLeft().map(left -> left.plusMillis(1)).orElse(wait);
    CountDownLatch left = interrupt.left();
    Context.CancellationListener listener = ended -> left.countDown();
    Context context = Context.current();
    context.addListener(listener, Runnable::run);
    try {
      time.await(left, wait.compareTo(bound) < 0 ? wait : bound);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      interrupt.run();
      throw new RunnerException(
          Status.CANCELLED.withDescription("the thread that waits for the turn was interrupted"),
          null,
          true);
    } finally {
      context.removeListener(listener);
    }
  }
}
