package io.github.clauderunner;

import io.grpc.Status;
import java.time.Duration;
import java.util.Optional;

/**
 * When a stream that broke is rejoined: what counts as broken, and for how long it is tried. Pure
 * decisions; {@link RejoiningEvents} carries them out.
 */
final class RejoinRules {
  /** For how long a turn is tried without a sign of it, unless the caller says. */
  static final Duration PATIENCE = Duration.ofSeconds(60);

  private static final long INITIAL_WAIT_MS = 200;
  private static final long MAX_WAIT_MS = 10_000;
  private static final double JITTER = 0.2;

  /** What a refusal to attach to a turn means. */
  enum AttachRefusal {
    /** Nothing about the turn: try again. */
    FOR_NOW,
    /** There is no such turn. */
    NOT_FOUND,
    /** It stays refused. */
    FINAL
  }

  private RejoinRules() {}

  /**
   * Whether a call ended since something on the way broke, or since the server takes no calls for
   * the moment, and not by a word of the server about its turn. Whatever the server says has a
   * reason. That the caller cancelled looks like a break: who asks has to know.
   */
  static boolean isBreak(Status.Code code, String reason) {
    return switch (reason) {
      case "" ->
          switch (code) {
            case UNAVAILABLE, INTERNAL, UNKNOWN, CANCELLED -> true;
            default -> false;
          };
      case "READER_BEHIND", "POOL_DRAINING", "STORE_UNAVAILABLE" -> true;
      default -> false;
    };
  }

  static AttachRefusal refusal(RunnerException failure) {
    String reason = failure.reasonText();
    if (isBreak(failure.code(), reason)) {
      return AttachRefusal.FOR_NOW;
    }
    return switch (reason) {
      case "TURN_NOT_FOUND" -> AttachRefusal.NOT_FOUND;
      // Readers whose connection broke a moment ago count until the server has noticed.
      case "QUOTA_EXCEEDED" -> AttachRefusal.FOR_NOW;
      default -> failure.mayRetry() ? AttachRefusal.FOR_NOW : AttachRefusal.FINAL;
    };
  }

  /**
   * How long to wait before the next try: the first one is at once, then the waits double up to a
   * bound, or are the server's. The last one ends with the time.
   *
   * @param withoutNews for how long nothing has come
   * @param tryCount how many tries in a row brought nothing
   * @param asked how long the server asks to wait
   * @param jitter from 0 to 1
   * @return the wait; empty when it has been tried for long enough
   */
  static Optional<Duration> nextWait(
      Duration patience,
      Duration withoutNews,
      int tryCount,
      Optional<Duration> asked,
      double jitter) {
    Duration left = patience.minus(withoutNews);
    if (left.isNegative() || left.isZero()) {
      return Optional.empty();
    }
    Duration wait = asked.orElse(tryCount == 0 ? Duration.ZERO : ownWait(tryCount - 1, jitter));
    return Optional.of(wait.compareTo(left) < 0 ? wait : left);
  }

  /** The waits between tries, from the first one on, with a fifth of jitter up or down. */
  static Duration ownWait(int waitCount, double jitter) {
    long nominalMs = Math.min(INITIAL_WAIT_MS << Math.min(waitCount, 16), MAX_WAIT_MS);
    return Duration.ofMillis((long) (nominalMs * (1 - JITTER + 2 * JITTER * jitter)));
  }
}
