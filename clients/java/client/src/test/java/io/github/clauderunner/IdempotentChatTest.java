package io.github.clauderunner;

import static io.github.clauderunner.KeptServer.answer;
import static io.github.clauderunner.KeptServer.fail;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.clauderunner.v1.ChatRequest;
import io.github.clauderunner.v1.ChatResponse;
import io.github.clauderunner.v1.OnDisconnect;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.inprocess.InProcessChannelBuilder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.function.IntFunction;
import org.junit.jupiter.api.Test;

class IdempotentChatTest {
  private static final ChatRequest REQUEST = ChatRequest.newBuilder().setPrompt("Hi").build();
  private static final ChatResponse HELLO = ChatResponse.newBuilder().setText("Hello").build();
  private static final TurnOptions IDEMPOTENT = TurnOptions.none().withIdempotence();

  /** Nothing of the server's came. */
  private static final RunnerException REFUSED_CONNECTION =
      new RunnerException(Status.UNAVAILABLE.withDescription("connection refused"), null, false);

  /** The headers came, and then the connection broke. */
  private static final RunnerException CUT_BEHIND_HEADERS =
      new RunnerException(Status.UNAVAILABLE.withDescription("cut"), null, true);

  private static RunnerException saying(String reason) {
    Metadata details = Refusals.details(Refusals.reason(reason).build());
    return new RunnerException(Status.UNAVAILABLE, details, false);
  }

  /** Stands still but for the waits, which it notes. */
  private static final class FakeTime implements RetryTime {
    final List<Long> waitsMs = new ArrayList<>();
    private long nanos = -5;

    @Override
    public long nanos() {
      return nanos;
    }

    @Override
    public void await(CountDownLatch end, Duration wait) {
      waitsMs.add(wait.toMillis());
      nanos += wait.toNanos();
    }

    @Override
    public double jitter() {
      return 0.5;
    }
  }

  /** Makes the call; what comes of each attempt: a failure, or null for an answer. */
  private static ChatResponse run(FakeTime time, IntFunction<RunnerException> attempts) {
    var channel = InProcessChannelBuilder.forName("nobody").build();
    var interrupts = new Interrupts(channel);
    var attemptCount = new int[1];
    try {
      return IdempotentChat.run(
          REQUEST,
          IDEMPOTENT,
          interrupts,
          time,
          (request, options) -> {
            RunnerException failure = attempts.apply(attemptCount[0]++);
            if (failure != null) {
              throw failure;
            }
            return HELLO;
          });
    } finally {
      interrupts.close();
      channel.shutdownNow();
    }
  }

  private static RunnerException failureOf(FakeTime time, IntFunction<RunnerException> attempts) {
    return assertThrows(RunnerException.class, () -> run(time, attempts));
  }

  @Test
  void a_server_that_is_away_is_waited_for_with_growing_pauses() {
    var time = new FakeTime();
    assertEquals(HELLO, run(time, attempt -> attempt < 7 ? REFUSED_CONNECTION : null));
    assertEquals(List.of(0L, 200L, 400L, 800L, 1_600L, 3_200L, 6_400L), time.waitsMs);
  }

  @Test
  void it_is_given_up_after_a_minute_without_a_sign_of_the_turn() {
    var time = new FakeTime();
    var failure = failureOf(time, attempt -> REFUSED_CONNECTION);
    assertEquals(60_000, time.waitsMs.stream().mapToLong(Long::longValue).sum());
    assertTrue(failure.message().contains("connection refused"), failure::message);
  }

  @Test
  void a_turn_that_has_waited_for_long_when_its_connection_breaks_is_not_given_up() {
    var time = new FakeTime();
    IntFunction<RunnerException> afterTwoMinutes =
        attempt -> {
          time.nanos += Duration.ofMinutes(2).toNanos();
          return attempt == 0 ? REFUSED_CONNECTION : null;
        };
    assertEquals(HELLO, run(time, afterTwoMinutes));
  }

  @Test
  void who_gives_up_a_turn_that_has_begun_does_not_say_that_it_may_be_sent_again() {
    var failure =
        failureOf(
            new FakeTime(), attempt -> attempt == 0 ? CUT_BEHIND_HEADERS : REFUSED_CONNECTION);
    assertFalse(failure.mayRetry());
    assertTrue(failure.message().contains("may still run"), failure::message);
  }

  @Test
  void a_refusal_does_not_invite_to_run_again_what_has_begun() {
    IntFunction<RunnerException> full =
        attempt -> attempt == 0 ? CUT_BEHIND_HEADERS : saying("QUEUE_FULL");
    var failure = failureOf(new FakeTime(), full);
    assertEquals("QUEUE_FULL", failure.reasonText());
    assertFalse(failure.mayRetry());
    assertTrue(failureOf(new FakeTime(), attempt -> saying("QUEUE_FULL")).mayRetry());
  }

  @Test
  void headers_renew_the_minute_and_leave_the_pauses_growing() {
    var time = new FakeTime();
    assertEquals(HELLO, run(time, attempt -> attempt < 20 ? CUT_BEHIND_HEADERS : null));
    assertEquals(
        List.of(0L, 200L, 400L, 800L, 1_600L, 3_200L, 6_400L, 10_000L), time.waitsMs.subList(0, 8));
    assertEquals(List.of(10_000L), time.waitsMs.subList(8, 20).stream().distinct().toList());
  }

  @Test
  void a_server_that_takes_no_calls_for_the_moment_is_waited_for() {
    for (String reason : List.of("POOL_DRAINING", "STORE_UNAVAILABLE")) {
      var time = new FakeTime();
      assertEquals(HELLO, run(time, attempt -> attempt < 5 ? saying(reason) : null));
      assertEquals(5, time.waitsMs.size());

      var failure = failureOf(new FakeTime(), attempt -> saying(reason));
      assertEquals(reason, failure.reasonText());
      assertTrue(failure.mayRetry(), "the server has refused it each time");
    }
  }

  private static StatusRuntimeException broken() {
    return Status.UNKNOWN.withDescription("the connection broke").asRuntimeException();
  }

  @Test
  void it_is_sent_again_as_the_same_turn() {
    try (var server = new KeptServer();
        var runner = server.connect()) {
      server.chats.add(fail(broken()));
      server.chats.add(answer(HELLO));
      assertEquals("Hello", runner.chat(REQUEST, IDEMPOTENT).getText());
      assertEquals(server.chatRequests.get(0), server.chatRequests.get(1));
      assertFalse(server.chatRequests.get(0).getRequestId().isEmpty());
      assertEquals(
          OnDisconnect.ON_DISCONNECT_CONTINUE, server.chatRequests.get(0).getOnDisconnect());
    }
  }

  @Test
  void it_keeps_its_callers_request_id_and_is_not_repeated_when_its_turn_failed() {
    try (var server = new KeptServer();
        var runner = server.connect()) {
      var died = Refusals.details(Refusals.reason("WORKER_DIED").build());
      server.chats.add(fail(Status.ABORTED.asRuntimeException(died)));
      var request = REQUEST.toBuilder().setRequestId("order-7").build();
      var failure = assertThrows(RunnerException.class, () -> runner.chat(request, IDEMPOTENT));
      assertEquals("WORKER_DIED", failure.reasonText());
      assertEquals("order-7", server.chatRequests.get(0).getRequestId());
      assertEquals(1, server.chatRequests.size());
    }
  }
}
