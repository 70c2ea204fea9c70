package io.github.clauderunner;

import io.github.clauderunner.v1.AttachTurnRequest;
import io.github.clauderunner.v1.StreamChatRequest;
import io.github.clauderunner.v1.StreamChatResponse;
import io.github.clauderunner.v1.TurnResult;
import io.grpc.Context;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * A turn's events over calls that break: attaches to the turn again and goes on after the event
 * that was given last. What counts as broken, and for how long it is tried, is decided in {@link
 * RejoinRules}.
 *
 * <p>Made in the context of the turn, whose cancellation ends it.
 */
final class RejoiningEvents implements Iterator<StreamChatResponse> {
  /** Makes the calls about one turn. */
  interface Calls {
    /** The turn's own call. */
    Iterator<StreamChatResponse> stream(StreamChatRequest request);

    /** A call that reads it again; returns when the server has found it. */
    AttachedEvents attach(AttachTurnRequest request);

    /** Whether the client was closed. */
    boolean isClosed();
  }

  private final Calls calls;
  private final ResponseWatch watch;
  private final AttachTurnRequest attach;
  private final Duration patience;

  /** Empty for a reader: the turn goes on without it. */
  private final Optional<Interrupts.Handle> interrupt;

  private final Context context = Context.current();
  private final CountDownLatch cancelled = new CountDownLatch(1);

  /** The turn's own call; empty for a reader, who has not begun it. */
  private final Optional<StreamChatRequest> request;

  /** Null: a reader's first call is still to be made. */
  private Iterator<StreamChatResponse> link;

  private StreamChatResponse next;
  private boolean isOver;
  private int cursor;
  private boolean hasContent;
  private TurnResult result;
  private String turnId = "";

  /** When the link broke over which nothing has come since, in nanoseconds; 0: it works. */
  private long brokenSince;

  private int tryCount;

  /** Whether the server may have the turn: not as long as it has refused each of its calls. */
  private boolean mayRun;

  /** Of a turn that is begun here. */
  static RejoiningEvents begun(
      Calls calls,
      ResponseWatch watch,
      StreamChatRequest request,
      AttachTurnRequest attach,
      Duration patience,
      Interrupts.Handle interrupt) {
    var events =
        new RejoiningEvents(
            calls, watch, Optional.of(request), attach, patience, Optional.of(interrupt));
    events.link = calls.stream(request);
    return events;
  }

  /** Of a turn that somebody else has begun. */
  static RejoiningEvents read(
      Calls calls, ResponseWatch watch, AttachTurnRequest attach, Duration patience) {
    return new RejoiningEvents(calls, watch, Optional.empty(), attach, patience, Optional.empty());
  }

  private RejoiningEvents(
      Calls calls,
      ResponseWatch watch,
      Optional<StreamChatRequest> request,
      AttachTurnRequest attach,
      Duration patience,
      Optional<Interrupts.Handle> interrupt) {
    this.calls = calls;
    this.watch = watch;
    this.request = request;
    this.attach = attach;
    this.patience = patience;
    this.interrupt = interrupt;
    mayRun = request.isEmpty();
    cursor = attach.getAfterSequence();
    context.addListener(ended -> cancelled.countDown(), Runnable::run);
  }

  /** The turn's id, as far as it is known. */
  String turnId() {
    return turnId.isEmpty() ? watch.turnId() : turnId;
  }

  @Override
  public boolean hasNext() {
    while (next == null && !isOver) {
      RunnerException broke;
      try {
        if (link == null) {
          attach();
        }
        if (link.hasNext()) {
          note(link.next());
          continue;
        }
        broke = withoutResult();
      } catch (StatusRuntimeException e) {
        broke = RunnerException.from(e, watch.hasBegun() || cursor > 0);
        if (isTheCallers(broke) || !broke.isBreak()) {
          throw over(broke);
        }
      }
      if (result != null) {
        // A status that was lost, or is that of a reader: the result says the same as the turn's
        // own.
        Optional<RunnerException> failure = TurnFailure.of(result, turnId(), cursor, hasContent);
        RunnerException end = over(failure.orElse(null));
        if (end != null) {
          throw end;
        }
      } else if (link instanceof AttachedEvents attached && attached.wasAll()) {
        throw over(broke);
      } else {
        rejoin(broke);
      }
    }
    return next != null;
  }

  @Override
  public StreamChatResponse next() {
    if (!hasNext()) {
      throw new NoSuchElementException("the turn is over");
    }
    StreamChatResponse event = next;
    next = null;
    return event;
  }

  /**
   * Takes an event unless it was given before. Only heartbeats repeat a number; those before the
   * first event come from a turn that waits, and are no part of a stream that begins with started.
   */
  private void note(StreamChatResponse event) {
    brokenSince = 0;
    tryCount = 0;
    name(event.getTurnId());
    switch (event.getEventCase()) {
      case TEXT_DELTA, TOOL_USE, GAP -> hasContent = true;
      case RESULT -> result = event.getResult();
      default -> {
        // Every other kind leaves all of it as it is.
      }
    }
    if (event.hasHeartbeat() ? cursor > 0 : event.getSequence() > cursor) {
      next = event;
    }
    cursor = Math.max(cursor, event.getSequence());
  }

  /** Tries until a call is taken, or it has been tried for long enough. */
  private void rejoin(RunnerException broke) {
    if (brokenSince == 0) {
      brokenSince = System.nanoTime();
    }
    boolean isKnown = watch.hasBegun() || cursor > 0 || link instanceof AttachedEvents;
    mayRun |= isKnown || broke.reasonText().isEmpty();
    RunnerException latest = broke;
    while (true) {
      pause(latest);
      try {
        attach();
        return;
      } catch (StatusRuntimeException e) {
        latest = RunnerException.from(e, false);
      }
      if (isTheCallers(latest)) {
        throw over(latest);
      }
      switch (RejoinRules.refusal(latest)) {
        case FOR_NOW -> {
          // Once more.
        }
        case NOT_FOUND -> {
          if (request.isEmpty() || watch.hasBegun() || cursor > 0) {
            // A turn that was there and is not known any more is not run again.
            throw over(latest);
          }
          link = inContext(() -> calls.stream(request.get()));
          return;
        }
        case FINAL -> throw over(latest);
      }
    }
  }

  private void attach() {
    AttachedEvents attached =
        inContext(() -> calls.attach(attach.toBuilder().setAfterSequence(cursor).build()));
    name(attached.turnId());
    link = attached;
  }

  private void name(String id) {
    turnId = id;
    interrupt.ifPresent(handle -> handle.name(id));
  }

  /** Waits before the next try, or throws: since it was tried for long enough, or is cancelled. */
  private void pause(RunnerException latest) {
    Duration withoutNews = Duration.ofNanos(System.nanoTime() - brokenSince);
    double jitter = ThreadLocalRandom.current().nextDouble();
    Optional<Duration> wait =
        RejoinRules.nextWait(patience, withoutNews, tryCount, latest.pushback(), jitter);
    tryCount += 1;
    if (wait.isEmpty()) {
      throw over(mayRun ? latest.ofLostTurn() : latest);
    }
    try {
      // When it is cancelled meanwhile, the next call fails at once.
      cancelled.await(wait.get().toNanos(), TimeUnit.NANOSECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new RunnerException(
          Status.CANCELLED.withDescription("the thread that reads the turn was interrupted"),
          null,
          true);
    }
  }

  /** Whether the caller has ended the call: then nothing broke, and the turn is interrupted. */
  private boolean isTheCallers(RunnerException failure) {
    return context.isCancelled()
        || Thread.currentThread().isInterrupted()
        || calls.isClosed()
        || failure.code() == Status.Code.DEADLINE_EXCEEDED;
  }

  /** Nothing more comes. The turn goes on only if the caller has left it. */
  private RunnerException over(RunnerException failure) {
    isOver = true;
    if (failure == null || !isTheCallers(failure)) {
      interrupt.ifPresent(Interrupts.Handle::release);
    }
    return failure;
  }

  private <T> T inContext(Supplier<T> call) {
    Context previous = context.attach();
    try {
      return call.get();
    } finally {
      context.detach(previous);
    }
  }

  private static RunnerException withoutResult() {
    return new RunnerException(
        Status.INTERNAL.withDescription("the server ended the turn without a result"), null, true);
  }
}
