package io.github.clauderunner;

import io.grpc.ClientInterceptor;
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
  private static final TurnOptions NONE = new TurnOptions(Optional.empty(), List.of());

  private final Optional<Duration> deadline;
  private final List<ClientInterceptor> interceptors;

  private TurnOptions(Optional<Duration> deadline, List<ClientInterceptor> interceptors) {
    this.deadline = deadline;
    this.interceptors = interceptors;
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
    return new TurnOptions(Optional.of(deadline), interceptors);
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
    return new TurnOptions(deadline, List.copyOf(more));
  }

  /** The stub with these options. */
  <S extends AbstractStub<S>> S on(S stub) {
    S chosen = stub.withInterceptors(interceptors.toArray(ClientInterceptor[]::new));
    // The conversion saturates: a deadline of centuries is a long one, not a mistake.
    return deadline
        .map(
            time ->
                chosen.withDeadlineAfter(TimeUnit.NANOSECONDS.convert(time), TimeUnit.NANOSECONDS))
        .orElse(chosen);
  }
}
