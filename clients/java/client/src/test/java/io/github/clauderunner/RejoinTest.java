package io.github.clauderunner;

import static io.github.clauderunner.Events.result;
import static io.github.clauderunner.Events.started;
import static io.github.clauderunner.Events.text;
import static io.github.clauderunner.KeptServer.answer;
import static io.github.clauderunner.KeptServer.fail;
import static io.github.clauderunner.KeptServer.stall;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.clauderunner.v1.AttachTurnRequest;
import io.github.clauderunner.v1.AttachTurnResponse;
import io.github.clauderunner.v1.Detail;
import io.github.clauderunner.v1.ErrorReason;
import io.github.clauderunner.v1.Gap;
import io.github.clauderunner.v1.Heartbeat;
import io.github.clauderunner.v1.OnDisconnect;
import io.github.clauderunner.v1.Outcome;
import io.github.clauderunner.v1.StreamChatResponse;
import io.github.clauderunner.v1.TurnError;
import io.github.clauderunner.v1.TurnResult;
import io.github.clauderunner.v1.TurnState;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class RejoinTest {
  private static final TurnOptions REJOIN = TurnOptions.none().withRejoin();
  private static final StreamChatResponse DONE = result(Outcome.OUTCOME_COMPLETED);

  /** Also without the channel's own retry, which looks at UNAVAILABLE only. */
  private static StatusRuntimeException broken() {
    return Status.UNKNOWN.withDescription("the connection broke").asRuntimeException();
  }

  private static StatusRuntimeException failing(Status status, String reason) {
    return status.asRuntimeException(Refusals.details(Refusals.reason(reason).build()));
  }

  private static StreamChatResponse at(int sequence, StreamChatResponse event) {
    return event.toBuilder().setSequence(sequence).build();
  }

  private static StreamChatResponse beat(int sequence) {
    return StreamChatResponse.newBuilder()
        .setSequence(sequence)
        .setTurnId("t1")
        .setHeartbeat(Heartbeat.getDefaultInstance())
        .build();
  }

  /** An attached stream: the turn's state and then these. */
  private static AttachTurnResponse[] attached(StreamChatResponse... events) {
    var responses = new ArrayList<AttachTurnResponse>();
    responses.add(state(TurnState.TURN_STATE_RUNNING));
    for (StreamChatResponse event : events) {
      responses.add(AttachTurnResponse.newBuilder().setEvent(event).build());
    }
    return responses.toArray(AttachTurnResponse[]::new);
  }

  private static AttachTurnResponse state(TurnState state) {
    var turn = io.github.clauderunner.v1.Turn.newBuilder().setId("t1").setState(state);
    return AttachTurnResponse.newBuilder().setState(turn).build();
  }

  private static List<Integer> numbersOf(Turn turn) {
    var numbers = new ArrayList<Integer>();
    turn.forEach(event -> numbers.add(event.getSequence()));
    return numbers;
  }

  private static Turn begin(ClaudeRunnerClient runner) {
    return runner.stream("Say hello", REJOIN);
  }

  @Test
  void a_stream_that_breaks_again_and_again_has_no_seam() {
    try (var server = new KeptServer();
        var runner = server.connect()) {
      server.streams.add(fail(broken(), at(1, started()), at(2, text("a"))));
      server.attaches.add(fail(broken(), attached(at(3, text("b")))));
      server.attaches.add(fail(broken()));
      // What was given before is not given again.
      server.attaches.add(answer(attached(at(3, text("b")), at(4, text("c")), at(5, DONE))));
      try (var turn = begin(runner)) {
        assertEquals(List.of(1, 2, 3, 4, 5), numbersOf(turn));
        assertEquals("abc", turn.fullText());
        assertFalse(turn.hasGap());
      }
      var request = server.streamRequests.get(0);
      assertEquals(OnDisconnect.ON_DISCONNECT_CONTINUE, request.getOnDisconnect());
      assertEquals(
          List.of(2, 3, 3),
          server.attachRequests.stream().map(AttachTurnRequest::getAfterSequence).toList());
      for (AttachTurnRequest attach : server.attachRequests) {
        assertEquals(request.getRequestId(), attach.getRequestId());
        assertEquals(Detail.DETAIL_STANDARD, attach.getDetail(), "no more than was asked for");
      }
      assertTrue(server.interrupted.isEmpty());
    }
  }

  @Test
  void heartbeats_repeat_a_number_and_are_given_all_the_same() {
    try (var server = new KeptServer();
        var runner = server.connect()) {
      server.streams.add(fail(broken(), at(1, started()), beat(1)));
      server.attaches.add(answer(attached(beat(1), at(2, DONE))));
      try (var turn = begin(runner)) {
        assertEquals(List.of(1, 1, 1, 2), numbersOf(turn));
      }
    }
  }

  @Test
  void heartbeats_of_a_turn_that_waits_are_not_given() {
    try (var server = new KeptServer();
        var runner = server.connect()) {
      server.streams.add(fail(broken()));
      server.attaches.add(answer(attached(beat(0), at(1, started()), at(2, DONE))));
      try (var turn = begin(runner)) {
        assertEquals(List.of(1, 2), numbersOf(turn));
      }
    }
  }

  @Test
  void a_reader_that_was_too_slow_goes_on_where_it_was() {
    try (var server = new KeptServer();
        var runner = server.connect()) {
      server.streams.add(fail(failing(Status.ABORTED, "READER_BEHIND"), at(1, started())));
      server.attaches.add(answer(attached(at(2, DONE))));
      try (var turn = begin(runner)) {
        assertEquals(List.of(1, 2), numbersOf(turn));
      }
    }
  }

  @Test
  void a_stream_that_ends_without_a_result_is_rejoined_and_one_that_breaks_after_it_is_not() {
    try (var server = new KeptServer();
        var runner = server.connect()) {
      server.streams.add(answer(at(1, started())));
      server.attaches.add(fail(broken(), attached(at(2, DONE))));
      try (var turn = begin(runner)) {
        assertEquals(List.of(1, 2), numbersOf(turn));
      }
      assertEquals(1, server.attachRequests.size());
    }
  }

  @Test
  void a_gap_is_shown_and_said() {
    var gap = Gap.newBuilder().setFirstSequence(2).setLastSequence(4).build();
    try (var server = new KeptServer();
        var runner = server.connect()) {
      server.streams.add(fail(broken(), at(1, started())));
      server.attaches.add(
          answer(
              state(TurnState.TURN_STATE_ENDED),
              AttachTurnResponse.newBuilder().setGap(gap).build(),
              AttachTurnResponse.newBuilder().setEvent(at(5, DONE)).build()));
      try (var turn = begin(runner)) {
        var events = new ArrayList<StreamChatResponse>();
        turn.forEach(events::add);
        assertEquals(gap, events.get(1).getGap());
        assertEquals(4, events.get(1).getSequence());
        assertTrue(turn.hasGap());
      }
    }
  }

  @Test
  void a_turn_that_failed_fails_with_the_same_error_after_it_was_rejoined() {
    var failed =
        result(
            TurnResult.newBuilder()
                .setOutcome(Outcome.OUTCOME_WORKER_DIED)
                .setError(
                    TurnError.newBuilder()
                        .setReason(ErrorReason.ERROR_REASON_WORKER_DIED)
                        .setMessage("the worker died"))
                .build());
    try (var server = new KeptServer();
        var runner = server.connect()) {
      server.streams.add(fail(broken(), at(1, started())));
      server.attaches.add(answer(attached(at(2, failed))));
      try (var turn = begin(runner)) {
        var failure = assertThrows(RunnerException.class, turn::result);
        assertEquals(Status.Code.ABORTED, failure.code());
        assertEquals(ErrorReason.ERROR_REASON_WORKER_DIED, failure.reason());
        assertEquals("the worker died", failure.message());
        assertEquals("t1", failure.facts().get("turnId"));
        assertFalse(failure.mayRetry());
        assertEquals(Outcome.OUTCOME_WORKER_DIED, failure.result().orElseThrow().getOutcome());
      }
      assertTrue(server.interrupted.isEmpty());
    }
  }

  @Test
  void a_turn_that_never_began_fails_with_what_it_failed_with() {
    try (var server = new KeptServer();
        var runner = server.connect()) {
      server.streams.add(fail(broken()));
      server.attaches.add(fail(failing(Status.UNAVAILABLE, "QUEUE_TIMEOUT"), attached()));
      try (var turn = begin(runner)) {
        var failure = assertThrows(RunnerException.class, turn::result);
        assertEquals("QUEUE_TIMEOUT", failure.reasonText());
      }
    }
  }

  @Test
  void a_call_that_the_server_never_had_is_sent_again_with_its_request_id() {
    try (var server = new KeptServer();
        var runner = server.connect()) {
      server.streams.add(fail(broken()));
      server.attaches.add(fail(failing(Status.NOT_FOUND, "TURN_NOT_FOUND")));
      server.streams.add(answer(at(1, started()), at(2, DONE)));
      try (var turn = begin(runner)) {
        assertEquals(List.of(1, 2), numbersOf(turn));
      }
      assertEquals(server.streamRequests.get(0), server.streamRequests.get(1));
      assertEquals(36, server.streamRequests.get(0).getRequestId().length());
    }
  }

  @Test
  void a_turn_that_was_there_and_is_not_known_any_more_is_not_run_again() {
    try (var server = new KeptServer();
        var runner = server.connect()) {
      server.streams.add(fail(broken(), at(1, started())));
      server.attaches.add(fail(failing(Status.NOT_FOUND, "TURN_NOT_FOUND")));
      try (var turn = begin(runner)) {
        var failure = assertThrows(RunnerException.class, turn::result);
        assertEquals("TURN_NOT_FOUND", failure.reasonText());
      }
      assertEquals(1, server.streamRequests.size());
    }
  }

  @Test
  void it_is_given_up_when_nothing_comes_for_long_enough() {
    try (var server = new KeptServer();
        var runner = server.connect()) {
      server.streams.add(fail(broken(), at(1, started())));
      var options = TurnOptions.none().withRejoin(Duration.ZERO);
      try (var turn = runner.stream("Say hello", options)) {
        var failure = assertThrows(RunnerException.class, turn::result);
        assertEquals(Status.Code.UNKNOWN, failure.code());
        assertTrue(failure.message().contains("may still run"), failure::message);
        assertFalse(failure.mayRetry());
      }
    }
  }

  @Test
  void a_server_that_takes_no_calls_for_the_moment_is_waited_for_from_the_first_call_on() {
    for (String reason : List.of("POOL_DRAINING", "STORE_UNAVAILABLE")) {
      try (var server = new KeptServer();
          var runner = server.connectWithoutRetry()) {
        server.streams.add(fail(failing(Status.UNAVAILABLE, reason)));
        server.attaches.add(fail(failing(Status.NOT_FOUND, "TURN_NOT_FOUND")));
        server.streams.add(fail(broken(), at(1, started())));
        server.attaches.add(fail(failing(Status.UNAVAILABLE, reason), attached()));
        server.attaches.add(answer(attached(at(2, DONE))));
        try (var turn = begin(runner)) {
          assertEquals(List.of(1, 2), numbersOf(turn));
        }
        assertEquals(server.streamRequests.get(0), server.streamRequests.get(1));
      }
    }
  }

  @Test
  void a_turn_that_the_server_has_refused_each_time_may_be_sent_again() {
    try (var server = new KeptServer();
        var runner = server.connectWithoutRetry()) {
      server.streams.add(fail(failing(Status.UNAVAILABLE, "POOL_DRAINING")));
      try (var turn = runner.stream("Hi", TurnOptions.none().withRejoin(Duration.ZERO))) {
        var failure = assertThrows(RunnerException.class, turn::result);
        assertEquals("POOL_DRAINING", failure.reasonText());
        assertTrue(failure.mayRetry());
      }
    }
  }

  @Test
  void leaving_a_turn_interrupts_it_also_when_its_client_is_closed_at_once() {
    try (var server = new KeptServer()) {
      server.streams.add(stall(at(1, started())));
      try (var runner = server.connect();
          var turn = begin(runner)) {
        assertTrue(turn.iterator().next().hasStarted());
      }
      assertEquals(List.of("t1"), List.copyOf(server.interrupted));
    }
  }

  @Test
  void closing_the_client_interrupts_a_turn_that_is_read_and_does_not_rejoin_it() {
    try (var server = new KeptServer()) {
      server.streams.add(stall(at(1, started())));
      var runner = server.connect();
      var turn = begin(runner);
      assertTrue(turn.iterator().next().hasStarted());
      runner.close();
      assertEquals(List.of("t1"), List.copyOf(server.interrupted));
      assertThrows(RunnerException.class, turn::result);
      assertTrue(server.attachRequests.isEmpty());
    }
  }

  @Test
  void cancelling_a_turn_before_its_first_event_interrupts_it_by_its_request_id()
      throws InterruptedException {
    try (var server = new KeptServer();
        var runner = server.connect()) {
      server.streams.add(stall());
      try (var turn = begin(runner)) {
        turn.cancel();
        var failure = assertThrows(RunnerException.class, turn::result);
        assertEquals(Status.Code.CANCELLED, failure.code());
      }
      assertTrue(server.interrupted.take().startsWith("turn of "));
    }
  }

  @Test
  void the_deadline_interrupts_the_turn() throws InterruptedException {
    try (var server = new KeptServer();
        var runner = server.connect()) {
      server.streams.add(stall(at(1, started())));
      var options = REJOIN.withDeadline(Duration.ofMillis(300));
      try (var turn = runner.stream("Say hello", options)) {
        var failure = assertThrows(RunnerException.class, turn::result);
        assertEquals(Status.Code.DEADLINE_EXCEEDED, failure.code());
      }
      server.interrupted.take();
    }
  }

  @Test
  void a_turn_of_somebody_else_is_read_from_an_event_on_and_goes_on_without_its_reader() {
    try (var server = new KeptServer();
        var runner = server.connect()) {
      server.attaches.add(fail(broken(), attached(at(3, text("b")))));
      server.attaches.add(stall(attached(at(4, text("c")))));
      var request = AttachTurnRequest.newBuilder().setTurnId("t1").setAfterSequence(2).build();
      try (var turn = runner.attach(request, TurnOptions.none())) {
        var events = turn.iterator();
        assertEquals(3, events.next().getSequence());
        assertEquals(4, events.next().getSequence());
      }
      assertEquals(
          List.of(2, 3),
          server.attachRequests.stream().map(AttachTurnRequest::getAfterSequence).toList());
      assertTrue(server.interrupted.isEmpty());
    }
  }
}
