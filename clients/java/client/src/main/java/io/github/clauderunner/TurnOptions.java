package io.github.clauderunner;

import io.grpc.ClientInterceptor;
import io.grpc.Deadline;
import io.grpc.stub.AbstractStub;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * How one turn is called; what it asks for is in its request. Immutable: every {@code with} gives a
 * new one.
 */
public final class TurnOptions {
  /** When the call has to be over. */
  private sealed interface End {
    /** So long after it is made. */
    record After(Duration time) implements End {}

    /** By then, however many calls it takes. */
    record At(Deadline deadline) implements End {}
  }

  private static final TurnOptions NONE =
      new TurnOptions(Optional.empty(), List.of(), Optional.empty(), false);

  private final Optional<End> end;
  private final List<ClientInterceptor> interceptors;
  private final Optional<Duration> rejoin;
  private final boolean isIdempotent;

  private TurnOptions(
      Optional<End> end,
      List<ClientInterceptor> interceptors,
      Optional<Duration> rejoin,
      boolean isIdempotent) {
    this.end = end;
    this.interceptors = interceptors;
    this.rejoin = rejoin;
    this.isIdempotent = isIdempotent;
  }

  /**
   * No options: the turn gets the server's default deadline, 10 minutes unless its operator has set
   * another.
   *
   * @return options to add to
   */
  public static TurnOptions none() {
    return NONE;
  }

  /**
   * With a deadline: see {@link #withDeadline(Duration)}.
   *
   * @param deadline how long the turn may take, from the call on
   * @return these options
   */
  public static TurnOptions deadline(Duration deadline) {
    return NONE.withDeadline(deadline);
  }

  /**
   * How long the turn may take from the call to its end, retries and waiting for a worker included.
   * Then it fails with {@code DEADLINE_EXCEEDED}. A deadline beyond the server's maximum, 60
   * minutes by default, is shortened to that.
   *
   * @param deadline the time; when it is not positive the call fails at once
   * @return options with it
   */
  public TurnOptions withDeadline(Duration deadline) {
    return new TurnOptions(
        Optional.of(new End.After(deadline)), interceptors, rejoin, isIdempotent);
  }

  /**
   * Rejoins the turn of {@code stream} when its connection breaks: see {@link
   * #withRejoin(Duration)}, with 60 seconds.
   *
   * @return options with it
   */
  public TurnOptions withRejoin() {
    return withRejoin(RejoinRules.PATIENCE);
  }

  /**
   * Rejoins the turn of {@code stream} when its connection breaks: the turn goes on without its
   * caller, and what it streamed meanwhile is read from where the connection broke. The stream has
   * no seam: no event comes twice, and none is lost.
   *
   * <p>The request gets a {@code request_id}, unless it has one, and {@code
   * ON_DISCONNECT_CONTINUE}. Closing or cancelling the turn, and its deadline, interrupt it by a
   * call in the background. A {@code gap} among the events says that the server no longer had some
   * of them: the text is incomplete then, and the result has it, up to 256 KiB.
   *
   * @param patience how long it is tried without a sign of the turn
   * @return options with it
   */
  public TurnOptions withRejoin(Duration patience) {
    return new TurnOptions(end, interceptors, Optional.of(patience), isIdempotent);
  }

  /**
   * Runs the turn of {@code chat} once however often the call is sent, and so sends it again when
   * the connection breaks, and while the server takes no calls for the moment: for 60 seconds
   * without a sign of the turn.
   *
   * <p>The request gets a {@code request_id}, unless it has one, and {@code
   * ON_DISCONNECT_CONTINUE}. Interrupting the thread that waits, and the deadline, interrupt the
   * turn by a call in the background.
   *
   * @return options with it
   */
  public TurnOptions withIdempotence() {
    return new TurnOptions(end, interceptors, rejoin, true);
  }

  /**
   * Adds an interceptor for this turn only, for instance one that attaches headers ({@code
   * MetadataUtils.newAttachHeadersInterceptor}). One that was added later sees the call later.
   *
   * @param interceptor the interceptor
   * @return options with it
   */
  public TurnOptions withInterceptor(ClientInterceptor interceptor) {
    var more = new ArrayList<>(interceptors);
    // A stub calls its last one first.
    more.add(0, Objects.requireNonNull(interceptor, "interceptor"));
    return new TurnOptions(end, List.copyOf(more), rejoin, isIdempotent);
  }

  /** For how long a stream that broke is rejoined; empty: it is not. */
  Optional<Duration> rejoin() {
    return rejoin;
  }

  boolean isIdempotent() {
    return isIdempotent;
  }

  /** These options for several calls with one deadline, which runs from now on. */
  TurnOptions begun() {
    Optional<End> by =
        end.map(each -> each instanceof End.After after ? new End.At(inTime(after.time())) : each);
    return new TurnOptions(by, interceptors, rejoin, isIdempotent);
  }

  /** These options without a deadline. */
  TurnOptions withoutDeadline() {
    return new TurnOptions(Optional.empty(), interceptors, rejoin, isIdempotent);
  }

  /** How much of the deadline is left, once these options have begun; empty: there is none. */
  Optional<Duration> timeLeft() {
    return end.map(
        each ->
            each instanceof End.At at
                ? Duration.ofNanos(at.deadline().timeRemaining(TimeUnit.NANOSECONDS))
                : ((End.After) each).time());
  }

  /** The conversion saturates: a deadline of centuries is a long one, not a mistake. */
  private static Deadline inTime(Duration time) {
    return Deadline.after(TimeUnit.NANOSECONDS.convert(time), TimeUnit.NANOSECONDS);
  }

  /** The stub with these options. */
  <S extends AbstractStub<S>> S on(S stub) {
    S chosen = stub.withInterceptors(interceptors.toArray(ClientInterceptor[]::new));
    return begun().end.map(each -> chosen.withDeadline(((End.At) each).deadline())).orElse(chosen);
  }
}
