package io.github.clauderunner;

import io.github.clauderunner.v1.GetTurnRequest;
import io.github.clauderunner.v1.InterruptTurnRequest;
import io.github.clauderunner.v1.TurnServiceGrpc;
import io.github.clauderunner.v1.TurnServiceGrpc.TurnServiceBlockingStub;
import io.grpc.Channel;
import io.grpc.Context;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Ends turns that go on without their callers, when their callers leave them: in the background, as
 * well as it can, and within a few seconds.
 */
final class Interrupts {
  private static final Duration TIMEOUT = Duration.ofSeconds(5);

  private final Channel channel;
  private final Set<Handle> open = ConcurrentHashMap.newKeySet();
  private final Set<Thread> underWay = ConcurrentHashMap.newKeySet();
  private volatile boolean isClosed;

  Interrupts(Channel channel) {
    this.channel = channel;
  }

  /** A turn that somebody has begun, and that is interrupted unless it is released first. */
  final class Handle implements Runnable {
    private final TurnOptions options;
    private final String requestId;
    private final CountDownLatch left = new CountDownLatch(1);
    private String turnId = "";
    private boolean isReleased;

    private Handle(TurnOptions options, String requestId) {
      // The caller's deadline bounds the caller's wait, which is over by then.
      this.options = options.withoutDeadline();
      this.requestId = requestId;
    }

    /** The turn's id is known. */
    synchronized void name(String turnId) {
      this.turnId = turnId;
    }

    /** At zero once its caller leaves it: there is nothing to wait for any more. */
    CountDownLatch left() {
      return left;
    }

    /** The turn is over, or is meant to go on. */
    synchronized void release() {
      isReleased = true;
      open.remove(this);
    }

    /** Its caller leaves it. */
    @Override
    public synchronized void run() {
      left.countDown();
      if (!isReleased) {
        release();
        begin(options, requestId, turnId);
      }
    }
  }

  Handle of(String requestId, TurnOptions options) {
    var handle = new Handle(options, requestId);
    open.add(handle);
    return handle;
  }

  /** Whether the client was closed: then no turn is rejoined any more. */
  boolean isClosed() {
    return isClosed;
  }

  /** Interrupts every turn that is still read, and waits for all interrupts that are under way. */
  void close() {
    isClosed = true;
    open.forEach(Handle::run);
    try {
      for (Thread each : underWay) {
        each.join(TIMEOUT.toMillis());
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void begin(TurnOptions options, String requestId, String turnId) {
    // The context of the caller is cancelled, and so would be every call in it.
    Runnable calls = Context.ROOT.wrap(() -> interrupt(options, requestId, turnId));
    var thread =
        new Thread(
            () -> {
              try {
                calls.run();
              } finally {
                underWay.remove(Thread.currentThread());
              }
            },
            "claude-runner-interrupt");
    thread.setDaemon(true);
    underWay.add(thread);
    thread.start();
  }

  private void interrupt(TurnOptions options, String requestId, String turnId) {
    TurnServiceBlockingStub turns =
        options
            .on(TurnServiceGrpc.newBlockingStub(channel))
            .withDeadlineAfter(TIMEOUT.toMillis(), TimeUnit.MILLISECONDS);
    try {
      String id =
          turnId.isEmpty()
              ? turns
                  .getTurn(GetTurnRequest.newBuilder().setRequestId(requestId).build())
                  .getTurn()
                  .getId()
              : turnId;
      turns.interruptTurn(InterruptTurnRequest.newBuilder().setTurnId(id).build());
    } catch (StatusRuntimeException e) {
      // Nobody waits for it. The turn ends by its own limits then.
    }
  }
}
