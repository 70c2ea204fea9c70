package io.github.clauderunner;

import io.github.clauderunner.v1.Started;
import io.github.clauderunner.v1.StreamChatResponse;
import io.github.clauderunner.v1.TurnResult;
import io.grpc.Context;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.lang.ref.Cleaner;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.function.BiConsumer;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * A turn that is under way: iterating it gives its events in order, as they come.
 *
 * <pre>{@code
 * try (Turn turn = runner.stream("Say hello")) {
 *   for (String text : turn.text()) {
 *     System.out.print(text);
 *   }
 * }
 * }</pre>
 *
 * <p>Reading waits for the next event, and the server waits for the reader: at most a handful of
 * events are held here. Kinds of event that this client does not know are skipped. The first event
 * is {@code started}, the last one {@code result}; a turn that fails gives a {@link
 * RunnerException} after its last event.
 *
 * <p>There is one stream of events: a second iterator goes on where the first one stands. A turn is
 * read by one thread at a time; {@link #cancel()} and {@link #close()} may be called from any. To
 * interrupt the thread that reads cancels the turn, too.
 */
public final class Turn implements Iterable<StreamChatResponse>, AutoCloseable {
  private static final Status CANCELLED =
      Status.CANCELLED.withDescription("the turn was cancelled by its caller");

  /** Cancels turns that somebody dropped without closing: their workers are for others. */
  private static final Cleaner CLEANER = Cleaner.create();

  private final Context.CancellableContext context;
  private final Cleaner.Cleanable cancellation;
  private final BiConsumer<String, TurnResult> whenAnswered;
  private final Iterator<StreamChatResponse> responses;

  private final ResponseWatch watch = new ResponseWatch();
  private final TurnText text = new TurnText();
  private StreamChatResponse next;
  private String turnId = "";
  private Started started;
  private TurnResult result;
  private RunnerException failure;
  private int unknownCount;
  private boolean hasGap;
  private volatile boolean isOver;

  /**
   * Calls the server.
   *
   * @param call makes the call in the current gRPC context, watched
   * @param whenLeft runs when the turn is cancelled, and when it has ended; must not know the turn
   * @param whenAnswered gets text and result when the stream has ended with the status OK; no text
   *     when there was a gap
   */
  Turn(
      Function<ResponseWatch, Iterator<StreamChatResponse>> call,
      Runnable whenLeft,
      BiConsumer<String, TurnResult> whenAnswered) {
    this.whenAnswered = whenAnswered;
    context = Context.current().withCancellation();
    cancellation = CLEANER.register(this, new Cancellation(context, whenLeft));
    responses = callIn(context, () -> call.apply(watch));
  }

  private static Iterator<StreamChatResponse> callIn(
      Context context, Supplier<Iterator<StreamChatResponse>> call) {
    Context previous = context.attach();
    try {
      return call.get();
    } finally {
      context.detach(previous);
    }
  }

  /**
   * The events. Both methods wait for the next one, and throw a {@link RunnerException} when the
   * turn has failed or was cancelled.
   *
   * @return an iterator that goes on where the last one stands
   */
  @Override
  public Iterator<StreamChatResponse> iterator() {
    return new Iterator<>() {
      @Override
      public boolean hasNext() {
        return advance();
      }

      @Override
      public StreamChatResponse next() {
        if (!advance()) {
          throw new NoSuchElementException("the turn is over");
        }
        StreamChatResponse event = next;
        next = null;
        return event;
      }
    };
  }

  /**
   * The answer's text piece by piece, as it comes; other events are passed over.
   *
   * <p>A piece that the server retracts later has been given already by then: {@link #fullText()}
   * and {@link #result()} leave it out. What sub-agents say is in the events only.
   *
   * @return the pieces; iterating throws as iterating the events does
   */
  public Iterable<String> text() {
    return () -> {
      Iterator<StreamChatResponse> events = iterator();
      return new Iterator<>() {
        @Override
        public boolean hasNext() {
          while (events.hasNext()) {
            if (TurnText.isPiece(next)) {
              return true;
            }
            events.next();
          }
          return false;
        }

        @Override
        public String next() {
          if (!hasNext()) {
            throw new NoSuchElementException("the turn is over");
          }
          return events.next().getTextDelta().getText();
        }
      };
    };
  }

  /**
   * Reads the turn to its end.
   *
   * @return its whole text, of all messages, without what was retracted
   * @throws RunnerException if the turn fails
   */
  public String fullText() {
    readToEnd();
    return text.toString();
  }

  /**
   * Reads the turn to its end.
   *
   * @return what came of it. An outcome other than {@code OUTCOME_COMPLETED}, such as a limit that
   *     was reached or a refusal, is a result like any other
   * @throws RunnerException if the turn fails
   */
  public TurnResult result() {
    readToEnd();
    return result;
  }

  /**
   * The text of what was read so far, without what was retracted. Never waits; of use when a turn
   * has failed.
   *
   * @return the text; empty when there is none yet
   */
  public String textSoFar() {
    return text.toString();
  }

  /**
   * How the turn began. Never waits.
   *
   * @return the first event's content; empty until that was read
   */
  public Optional<Started> started() {
    return Optional.ofNullable(started);
  }

  /**
   * The turn's id, as it stands in the server's logs and on its spans. Never waits.
   *
   * @return the id; an empty text until the headers of the response came, which servers send before
   *     the first event
   */
  public String turnId() {
    return turnId.isEmpty() ? watch.turnId() : turnId;
  }

  /**
   * Whether the server no longer had some of the events: then the text that was read is incomplete,
   * and the result has it, up to 256 KiB. Only of a turn that was rejoined or attached to, or whose
   * request repeats the {@code request_id} of another. Never waits.
   *
   * @return whether there was a gap so far
   */
  public boolean hasGap() {
    return hasGap;
  }

  /**
   * How many events were skipped because this client does not know their kind: the server is newer.
   * Never waits.
   *
   * @return the count so far
   */
  public int unknownCount() {
    return unknownCount;
  }

  /**
   * Ends the turn: the server interrupts Claude Code, and the worker is free again. Reading on
   * gives what has arrived already, then a {@link RunnerException} with the code {@code CANCELLED}.
   * Does nothing to a turn that is over.
   */
  public void cancel() {
    end();
  }

  /**
   * Cancels the turn unless it is over: leaving a {@code try} block early leaves nothing behind.
   */
  @Override
  public void close() {
    cancel();
  }

  /** Whether nothing more will happen in it: it has ended, failed or was cancelled. */
  boolean isOver() {
    return isOver;
  }

  /** Twice is fine, and a call that has ended cannot be cancelled any more. */
  private void end() {
    isOver = true;
    cancellation.clean();
  }

  private void readToEnd() {
    while (advance()) {
      next = null;
    }
  }

  /** Waits until there is a {@link #next} event; false when the turn is over. */
  private boolean advance() {
    if (next != null) {
      return true;
    }
    if (failure != null) {
      throw failure;
    }
    try {
      while (next == null && responses.hasNext()) {
        note(responses.next());
      }
    } catch (StatusRuntimeException e) {
      failure = RunnerException.from(e, watch.hasBegun());
    }
    if (next != null) {
      return true;
    }
    if (failure == null && result == null) {
      failure =
          new RunnerException(
              Status.INTERNAL.withDescription("the server ended the turn without a result"),
              null,
              true);
    }
    // A turn that was cancelled just before its end counts as cancelled.
    boolean isAnswered = failure == null && !isOver;
    end();
    if (isAnswered) {
      whenAnswered.accept(hasGap ? "" : text.toString(), result);
    }
    if (failure != null) {
      throw failure;
    }
    return false;
  }

  private void note(StreamChatResponse event) {
    turnId = event.getTurnId();
    switch (event.getEventCase()) {
      case EVENT_NOT_SET -> {
        unknownCount += 1;
        return;
      }
      case STARTED -> started = event.getStarted();
      case RESULT -> result = event.getResult();
      case GAP -> hasGap = true;
      default -> text.add(event);
    }
    next = event;
  }

  /** Must not know the turn, which could otherwise never be dropped. */
  private record Cancellation(Context.CancellableContext context, Runnable whenLeft)
      implements Runnable {
    @Override
    public void run() {
      context.cancel(CANCELLED.asException());
      whenLeft.run();
    }
  }
}
