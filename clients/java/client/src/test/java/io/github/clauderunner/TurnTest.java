package io.github.clauderunner;

import static io.github.clauderunner.Events.result;
import static io.github.clauderunner.Events.retracted;
import static io.github.clauderunner.Events.started;
import static io.github.clauderunner.Events.text;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnknownFieldSet;
import io.github.clauderunner.v1.Outcome;
import io.github.clauderunner.v1.StreamChatResponse;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class TurnTest {
  /** Sends some text and then nothing, until the caller goes. */
  private static ScriptedServer talkingOnAndOn() {
    return new ScriptedServer(
        (request, caller) -> {
          caller.onNext(started());
          caller.onNext(text("Once "));
          caller.onNext(text("upon "));
        });
  }

  private static List<StreamChatResponse.EventCase> kindsOf(Turn turn) {
    var kinds = new ArrayList<StreamChatResponse.EventCase>();
    turn.forEach(event -> kinds.add(event.getEventCase()));
    return kinds;
  }

  @Test
  void gives_the_events_in_order_and_then_ends() {
    try (var server =
            ScriptedServer.answering(started(), text("Hi"), result(Outcome.OUTCOME_COMPLETED));
        var runner = server.connect();
        var turn = runner.stream("Say hello")) {
      assertEquals(
          List.of(
              StreamChatResponse.EventCase.STARTED,
              StreamChatResponse.EventCase.TEXT_DELTA,
              StreamChatResponse.EventCase.RESULT),
          kindsOf(turn));
      assertEquals("Hi", turn.fullText());
      assertEquals("t1", turn.turnId());
      assertEquals("w1", turn.started().orElseThrow().getWorkerId());
      assertEquals("Say hello", server.requests.get(0).getPrompt());
    }
  }

  @Test
  void gives_text_as_it_comes_and_collects_it_without_what_was_retracted() {
    try (var server =
            ScriptedServer.answering(
                started(),
                text("wrong"),
                retracted(0, 0),
                text("right"),
                result(Outcome.OUTCOME_COMPLETED));
        var runner = server.connect();
        var turn = runner.stream("?")) {
      var pieces = new ArrayList<String>();
      turn.text().forEach(pieces::add);
      assertEquals(List.of("wrong", "right"), pieces);
      assertEquals("right", turn.fullText());
    }
  }

  @Test
  void skips_and_counts_kinds_of_event_that_it_does_not_know() {
    var fromTheFuture =
        StreamChatResponse.newBuilder()
            .setUnknownFields(
                UnknownFieldSet.newBuilder()
                    .addField(
                        98,
                        UnknownFieldSet.Field.newBuilder()
                            .addLengthDelimited(ByteString.EMPTY)
                            .build())
                    .build())
            .build();
    try (var server =
            ScriptedServer.answering(started(), fromTheFuture, result(Outcome.OUTCOME_COMPLETED));
        var runner = server.connect();
        var turn = runner.stream("?")) {
      assertEquals(
          List.of(StreamChatResponse.EventCase.STARTED, StreamChatResponse.EventCase.RESULT),
          kindsOf(turn));
      assertEquals(1, turn.unknownCount());
    }
  }

  @Test
  void has_a_result_when_a_limit_ended_it() {
    try (var server =
            ScriptedServer.answering(
                started(), text("half"), result(Outcome.OUTCOME_OUTPUT_LIMIT));
        var runner = server.connect();
        var turn = runner.stream("?")) {
      assertEquals(Outcome.OUTCOME_OUTPUT_LIMIT, turn.result().getOutcome());
      assertEquals("half", turn.textSoFar());
    }
  }

  @Test
  void gives_its_events_first_when_it_fails_and_keeps_failing() {
    try (var server =
            new ScriptedServer(
                (request, caller) -> {
                  caller.onNext(started());
                  caller.onNext(text("so far"));
                  caller.onError(
                      Status.ABORTED
                          .withDescription("the worker died")
                          .asRuntimeException(
                              Refusals.details(Refusals.reason("WORKER_DIED").build())));
                });
        var runner = server.connect();
        var turn = runner.stream("?")) {
      Iterator<StreamChatResponse> events = turn.iterator();
      assertTrue(events.next().hasStarted());
      assertTrue(events.next().hasTextDelta());
      var failure = assertThrows(RunnerException.class, events::hasNext);
      assertEquals("WORKER_DIED", failure.reasonText());
      assertSame(failure, assertThrows(RunnerException.class, turn::result));
      assertEquals("so far", turn.textSoFar());
    }
  }

  @Test
  void fails_when_the_server_leaves_out_the_result() {
    try (var server = ScriptedServer.answering(started());
        var runner = server.connect();
        var turn = runner.stream("?")) {
      assertEquals(Status.Code.INTERNAL, assertThrows(RunnerException.class, turn::result).code());
    }
  }

  @Test
  void is_cancelled_when_its_block_is_left_early() throws InterruptedException {
    try (var server = talkingOnAndOn();
        var runner = server.connect()) {
      try (var turn = runner.stream("?")) {
        for (String text : turn.text()) {
          assertEquals("Once ", text);
          break;
        }
      }
      server.awaitCancelled();
    }
  }

  @Test
  void fails_as_cancelled_for_whoever_reads_on() throws InterruptedException {
    try (var server = talkingOnAndOn();
        var runner = server.connect();
        var turn = runner.stream("?")) {
      turn.iterator().next();
      turn.cancel();
      var failure = assertThrows(RunnerException.class, turn::result);
      assertEquals(Status.Code.CANCELLED, failure.code());
      assertEquals("the turn was cancelled by its caller", failure.message());
      server.awaitCancelled();
    }
  }

  @Test
  void is_cancelled_when_its_reader_is_interrupted() throws InterruptedException {
    try (var server = talkingOnAndOn();
        var runner = server.connect();
        var turn = runner.stream("?")) {
      var failure =
          assertThrows(
              RunnerException.class,
              () -> {
                for (String text : turn.text()) {
                  if (text.equals("upon ")) {
                    Thread.currentThread().interrupt();
                  }
                }
              });
      assertEquals(Status.Code.CANCELLED, failure.code());
      assertTrue(Thread.interrupted(), "the thread still knows that it was interrupted");
      server.awaitCancelled();
    }
  }

  @Test
  void is_cancelled_when_it_is_dropped_without_being_closed() throws InterruptedException {
    try (var server = talkingOnAndOn();
        var runner = server.connect()) {
      readOneEventAndForget(runner);
      while (!server.isSoonCancelled()) {
        System.gc();
      }
    }
  }

  private static void readOneEventAndForget(ClaudeRunnerClient runner) {
    assertTrue(runner.stream("?").iterator().next().hasStarted());
  }

  @Test
  void is_left_alone_by_a_cancel_after_its_end() {
    try (var server =
            ScriptedServer.answering(started(), text("Hi"), result(Outcome.OUTCOME_COMPLETED));
        var runner = server.connect();
        var turn = runner.stream("?")) {
      turn.result();
      turn.cancel();
      assertEquals("Hi", turn.fullText());
      assertFalse(turn.iterator().hasNext());
    }
  }

  @Test
  void ends_at_its_deadline() {
    try (var server = talkingOnAndOn();
        var runner = server.connect();
        var turn = runner.stream("?", TurnOptions.deadline(Duration.ofMillis(50)))) {
      assertEquals(
          Status.Code.DEADLINE_EXCEEDED, assertThrows(RunnerException.class, turn::result).code());
    }
  }

  @Test
  void makes_the_server_wait_for_a_slow_reader() throws InterruptedException {
    String piece = "x".repeat(64 << 10);
    int eventCount = 200;
    var sent = new AtomicInteger();
    var full = new Semaphore(0);
    try (var server =
            new ScriptedServer(
                (request, caller) ->
                    caller.setOnReadyHandler(
                        () -> {
                          while (caller.isReady() && sent.get() < eventCount) {
                            caller.onNext(text(piece));
                            sent.incrementAndGet();
                          }
                          if (sent.get() == eventCount) {
                            caller.onNext(result(Outcome.OUTCOME_COMPLETED));
                            caller.onCompleted();
                          }
                          full.release();
                        }));
        var runner = server.connect();
        var turn = runner.stream("?")) {
      full.acquire();
      // Full is what HTTP/2 lets through unread; twelve megabytes are not.
      assertTrue(sent.get() < eventCount / 2, () -> sent.get() + " events were sent unread");
      assertEquals(eventCount * piece.length(), turn.fullText().length());
    }
  }
}
