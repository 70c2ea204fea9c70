package io.github.clauderunner;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.BadRequest.FieldViolation;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.github.clauderunner.v1.ErrorReason;
import io.github.clauderunner.v1.TurnResult;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What the server, or the way to it, could not do. A turn that Claude or the caller's own limits
 * ended is not an error but a {@link TurnResult}.
 *
 * <p>It is a {@link StatusRuntimeException}, so that interceptors and code that know gRPC's own
 * exception go on to work; the accessors here read the details that the server attaches.
 */
public final class RunnerException extends StatusRuntimeException {
  private static final long serialVersionUID = 1L;

  static final String DOMAIN = "claude-runner";
  private static final String REASON_PREFIX = "ERROR_REASON_";

  static final Metadata.Key<byte[]> DETAILS =
      Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER);
  static final Metadata.Key<String> PUSHBACK =
      Metadata.Key.of("grpc-retry-pushback-ms", Metadata.ASCII_STRING_MARSHALLER);

  private final transient List<Any> details;
  private final transient ErrorInfo info;
  private final transient boolean hasBegun;
  private final transient boolean mayRetry;

  /**
   * Reads the details.
   *
   * @param trailers null: there are none
   * @param hasBegun whether anything of the response was seen
   */
  RunnerException(Status status, Metadata trailers, boolean hasBegun) {
    super(status, trailers);
    details = detailsOf(trailers);
    info =
        detail(ErrorInfo.class)
            .filter(found -> found.getDomain().equals(DOMAIN))
            .orElse(ErrorInfo.getDefaultInstance());
    this.hasBegun = hasBegun;
    mayRetry = status.getCode() == Status.Code.UNAVAILABLE && !hasBegun && !isToldNotTo(trailers);
  }

  /**
   * What a generated stub threw, as one of these: for calls that were made through {@link
   * ClaudeRunnerClient#channel()}.
   *
   * @param failure what was thrown
   * @return the same, or an exception that reads its details
   */
  public static RunnerException from(Throwable failure) {
    return from(failure, false);
  }

  /** The same, of a call of which it is known whether anything of the response was seen. */
  static RunnerException from(Throwable failure, boolean hasBegun) {
    return failure instanceof RunnerException known
        ? known
        : new RunnerException(
            Status.fromThrowable(failure), Status.trailersFromThrowable(failure), hasBegun);
  }

  /**
   * The code.
   *
   * @return what kind of failure it is, in gRPC's terms
   */
  public Status.Code code() {
    return getStatus().getCode();
  }

  /**
   * Why, out of the closed list that the server has.
   *
   * @return the reason; {@code ERROR_REASON_UNSPECIFIED} when the failure did not come from the
   *     server, {@code UNRECOGNIZED} when this client does not know it: see {@link #reasonText()}
   */
  public ErrorReason reason() {
    if (info.getReason().isEmpty()) {
      return ErrorReason.ERROR_REASON_UNSPECIFIED;
    }
    var known = ErrorReason.getDescriptor().findValueByName(REASON_PREFIX + info.getReason());
    return known == null ? ErrorReason.UNRECOGNIZED : ErrorReason.valueOf(known);
  }

  /**
   * Why, as the server spells it.
   *
   * @return the reason, such as {@code QUEUE_FULL}; empty when the failure did not come from the
   *     server
   */
  public String reasonText() {
    return info.getReason();
  }

  /**
   * What happened, in words for a person. They may change: decide by {@link #reason()}.
   *
   * @return the server's or gRPC's words, without the code; may be empty
   */
  public String message() {
    String words = getStatus().getDescription();
    return words == null ? "" : words;
  }

  /**
   * The numbers of the message, with their units in the keys, such as {@code waitedMs}.
   *
   * @return the facts; empty when there are none
   */
  public Map<String, String> facts() {
    return info.getMetadataMap();
  }

  /**
   * When it makes sense to try again, by the server's estimate.
   *
   * @return the time from now; empty when the server does not say
   */
  public Optional<Duration> retryDelay() {
    return detail(RetryInfo.class)
        .filter(RetryInfo::hasRetryDelay)
        .map(RetryInfo::getRetryDelay)
        .map(delay -> Duration.ofSeconds(delay.getSeconds(), delay.getNanos()));
  }

  /**
   * Whether the same request may be sent again without doing anything twice: the server was not
   * available, nothing of the response was seen, not even its headers, and the server does not
   * forbid it. The retries that are on by default have been made by then.
   *
   * @return whether it may
   */
  public boolean mayRetry() {
    return mayRetry;
  }

  /**
   * Every rule that the request breaks.
   *
   * @return field and description of each; empty when the request is not to blame
   */
  public List<FieldViolation> violations() {
    return detail(BadRequest.class).map(BadRequest::getFieldViolationsList).orElse(List.of());
  }

  /**
   * The result of the turn that failed, without its texts: what it used and cost, and where the
   * time went.
   *
   * @return the result; empty when the turn had not begun
   */
  public Optional<TurnResult> result() {
    return detail(TurnResult.class);
  }

  /** Code, words and reason; for a failure on the way to the server its cause. Never the token. */
  @Override
  public String getMessage() {
    String words = super.getMessage();
    if (!info.getReason().isEmpty()) {
      return words + " (" + info.getReason() + ")";
    }
    Throwable cause = getCause();
    return cause == null || cause.getMessage() == null
        ? words
        : words + " (" + cause.getMessage() + ")";
  }

  /** A reason that this client knows, as the server spells it. */
  static String textOf(ErrorReason reason) {
    return reason.getValueDescriptor().getName().substring(REASON_PREFIX.length());
  }

  /** Whether anything of the response was seen: then the turn has begun. */
  boolean hasBegun() {
    return hasBegun;
  }

  /** Whether the call failed, and its turn did not: see {@link RejoinRules#isBreak}. */
  boolean isBreak() {
    return RejoinRules.isBreak(code(), reasonText());
  }

  /** How long the server asks to wait before the call is made again. */
  Optional<Duration> pushback() {
    String pushback = getTrailers() == null ? null : getTrailers().get(PUSHBACK);
    return pushback == null || isToldNotTo(getTrailers())
        ? Optional.empty()
        : Optional.of(Duration.ofMillis(Integer.parseInt(pushback)));
  }

  /**
   * The same, of a turn that could not be found again and may still run: to send its request anew
   * would be to run it twice.
   */
  RunnerException ofLostTurn() {
    String words = "the turn could not be rejoined, and may still run: " + message();
    return new RunnerException(
        getStatus().withDescription(words).withCause(this), getTrailers(), true);
  }

  private <M extends Message> Optional<M> detail(Class<M> type) {
    for (Any detail : details) {
      if (detail.is(type)) {
        try {
          return Optional.of(detail.unpack(type));
        } catch (InvalidProtocolBufferException e) {
          return Optional.empty(); // What cannot be read tells nothing; the code still does.
        }
      }
    }
    return Optional.empty();
  }

  private static List<Any> detailsOf(Metadata trailers) {
    byte[] bytes = trailers == null ? null : trailers.get(DETAILS);
    if (bytes == null) {
      return List.of();
    }
    try {
      return com.google.rpc.Status.parseFrom(bytes).getDetailsList();
    } catch (InvalidProtocolBufferException e) {
      return List.of(); // As above.
    }
  }

  /** By a push-back that is negative or no number. */
  private static boolean isToldNotTo(Metadata trailers) {
    String pushback = trailers == null ? null : trailers.get(PUSHBACK);
    if (pushback == null) {
      return false;
    }
    try {
      return Integer.parseInt(pushback) < 0;
    } catch (NumberFormatException e) {
      return true;
    }
  }
}
