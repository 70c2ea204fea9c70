package io.github.clauderunner;

import static io.github.clauderunner.Events.result;
import static io.github.clauderunner.Events.started;
import static io.github.clauderunner.Events.text;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.github.clauderunner.v1.HistoryMessage;
import io.github.clauderunner.v1.Outcome;
import io.github.clauderunner.v1.Role;
import io.github.clauderunner.v1.StreamChatRequest;
import io.github.clauderunner.v1.TurnResult;
import io.grpc.Status;
import java.util.List;
import org.junit.jupiter.api.Test;

class ConversationTest {
  /** Repeats what was asked; `fail` fails, and `nothing` is answered with no text. */
  private static ScriptedServer parrot() {
    return new ScriptedServer(
        (request, caller) -> {
          caller.onNext(started());
          switch (request.getPrompt()) {
            case "fail" -> {
              caller.onNext(text("half"));
              caller.onNext(result(Outcome.OUTCOME_WORKER_DIED));
              caller.onError(Status.ABORTED.asRuntimeException());
              return;
            }
            case "nothing" -> {}
            default -> caller.onNext(text(request.getPrompt() + "!"));
          }
          caller.onNext(result(Outcome.OUTCOME_COMPLETED));
          caller.onCompleted();
        });
  }

  private static void say(Conversation conversation, String prompt) {
    try (var turn = conversation.stream(prompt)) {
      turn.result();
    }
  }

  private static List<String> texts(List<HistoryMessage> history) {
    return history.stream().map(HistoryMessage::getText).toList();
  }

  @Test
  void sends_what_was_said_with_every_turn_and_keeps_its_settings() {
    try (var server = parrot();
        var runner = server.connect()) {
      var conversation =
          runner.conversation(StreamChatRequest.newBuilder().setProfile("coder").build());
      say(conversation, "one");
      say(conversation, "two");
      say(conversation, "three");
      var last = server.requests.get(2);
      assertEquals("three", last.getPrompt());
      assertEquals("coder", last.getProfile());
      assertEquals(List.of("one", "one!", "two", "two!"), texts(last.getHistoryList()));
    }
  }

  @Test
  void does_not_remember_a_turn_that_failed() {
    try (var server = parrot();
        var runner = server.connect()) {
      var conversation = runner.conversation();
      assertThrows(RunnerException.class, () -> say(conversation, "fail"));
      say(conversation, "one");
      assertEquals(List.of("one", "one!"), texts(conversation.history()));
    }
  }

  @Test
  void does_not_remember_a_turn_that_was_left_early() {
    try (var server = parrot();
        var runner = server.connect()) {
      var conversation = runner.conversation();
      try (var turn = conversation.stream("one")) {
        turn.iterator().next();
      }
      say(conversation, "two");
      assertEquals(List.of("two", "two!"), texts(conversation.history()));
    }
  }

  @Test
  void does_not_remember_a_turn_without_text() {
    try (var server = parrot();
        var runner = server.connect()) {
      var conversation = runner.conversation();
      say(conversation, "nothing");
      assertEquals(List.of(), conversation.history());
    }
  }

  @Test
  void remembers_structured_output_where_there_is_no_text() {
    var structured =
        TurnResult.newBuilder()
            .setOutcome(Outcome.OUTCOME_COMPLETED)
            .setStructuredOutputJson("{\"a\":1}")
            .build();
    try (var server = ScriptedServer.answering(started(), result(structured));
        var runner = server.connect()) {
      var conversation = runner.conversation();
      say(conversation, "one");
      assertEquals(List.of("one", "{\"a\":1}"), texts(conversation.history()));
    }
  }

  @Test
  void starts_no_turn_while_another_is_open() {
    try (var server = parrot();
        var runner = server.connect()) {
      var conversation = runner.conversation();
      try (var turn = conversation.stream("one")) {
        assertThrows(IllegalStateException.class, () -> conversation.stream("two"));
        assertEquals("one!", turn.fullText());
      }
      say(conversation, "three");
    }
  }

  @Test
  void goes_on_from_a_history_that_was_stored() {
    try (var server = parrot();
        var runner = server.connect()) {
      var before = runner.conversation();
      say(before, "one");
      var after =
          runner.conversation(
              StreamChatRequest.newBuilder().addAllHistory(before.history()).build());
      say(after, "two");
      assertEquals(List.of("one", "one!", "two", "two!"), texts(after.history()));
    }
  }

  @Test
  void refuses_a_prompt_and_a_history_that_is_no_pairs() {
    try (var server = parrot();
        var runner = server.connect()) {
      var withPrompt = StreamChatRequest.newBuilder().setPrompt("one").build();
      assertThrows(IllegalArgumentException.class, () -> runner.conversation(withPrompt));
      var halfAPair =
          StreamChatRequest.newBuilder()
              .addHistory(HistoryMessage.newBuilder().setRole(Role.ROLE_USER).setText("one"))
              .build();
      assertThrows(IllegalArgumentException.class, () -> runner.conversation(halfAPair));
    }
  }
}
