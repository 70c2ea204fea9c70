package io.github.clauderunner;

import static io.github.clauderunner.RejoinRules.AttachRefusal.FINAL;
import static io.github.clauderunner.RejoinRules.AttachRefusal.FOR_NOW;
import static io.github.clauderunner.RejoinRules.AttachRefusal.NOT_FOUND;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Status;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class RejoinRulesTest {
  private static final Duration MINUTE = Duration.ofMinutes(1);

  @Test
  void what_the_server_says_is_no_break_unless_it_is_about_the_call() {
    for (Status.Code code :
        List.of(
            Status.Code.UNAVAILABLE,
            Status.Code.INTERNAL,
            Status.Code.UNKNOWN,
            Status.Code.CANCELLED)) {
      assertTrue(RejoinRules.isBreak(code, ""), code::name);
      assertFalse(RejoinRules.isBreak(code, "WORKER_DIED"), code::name);
    }
    assertFalse(RejoinRules.isBreak(Status.Code.DEADLINE_EXCEEDED, ""));
    assertFalse(RejoinRules.isBreak(Status.Code.UNAUTHENTICATED, ""));
    assertTrue(RejoinRules.isBreak(Status.Code.ABORTED, "READER_BEHIND"));
    assertTrue(RejoinRules.isBreak(Status.Code.UNAVAILABLE, "POOL_DRAINING"));
    assertTrue(RejoinRules.isBreak(Status.Code.UNAVAILABLE, "STORE_UNAVAILABLE"));
  }

  private static RejoinRules.AttachRefusal refusal(Status status, String reason) {
    var details = Refusals.details(Refusals.reason(reason).build());
    return RejoinRules.refusal(new RunnerException(status, details, false));
  }

  @Test
  void a_refusal_to_attach_is_final_unless_it_is_for_now() {
    assertEquals(FOR_NOW, refusal(Status.UNAVAILABLE, ""));
    assertEquals(FOR_NOW, refusal(Status.UNAVAILABLE, "STORE_UNAVAILABLE"));
    assertEquals(FOR_NOW, refusal(Status.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED"));
    assertEquals(NOT_FOUND, refusal(Status.NOT_FOUND, "TURN_NOT_FOUND"));
    assertEquals(FINAL, refusal(Status.UNAUTHENTICATED, "UNAUTHENTICATED"));
    assertEquals(FINAL, refusal(Status.OUT_OF_RANGE, "INVALID_CURSOR"));
  }

  @Test
  void the_first_try_is_at_once_and_waits_double_to_a_bound() {
    var waits =
        IntStream.range(0, 9)
            .mapToObj(
                tries ->
                    RejoinRules.nextWait(MINUTE, Duration.ZERO, tries, Optional.empty(), 0.5)
                        .orElseThrow()
                        .toMillis())
            .toList();
    assertEquals(List.of(0L, 200L, 400L, 800L, 1_600L, 3_200L, 6_400L, 10_000L, 10_000L), waits);
  }

  @Test
  void a_wait_has_jitter_and_is_the_servers_where_it_says_so() {
    assertEquals(Duration.ofMillis(160), RejoinRules.ownWait(0, 0));
    assertEquals(Duration.ofMillis(240), RejoinRules.ownWait(0, 1));
    var asked = Optional.of(Duration.ofMillis(1_234));
    assertEquals(asked, RejoinRules.nextWait(MINUTE, Duration.ZERO, 0, asked, 1));
  }

  @Test
  void the_last_wait_ends_with_the_time_and_then_there_is_none() {
    var asked = Optional.of(Duration.ofSeconds(5));
    assertEquals(
        Optional.of(Duration.ofSeconds(1)),
        RejoinRules.nextWait(MINUTE, Duration.ofSeconds(59), 3, asked, 0));
    assertEquals(Optional.empty(), RejoinRules.nextWait(MINUTE, MINUTE, 3, asked, 0));
  }
}
