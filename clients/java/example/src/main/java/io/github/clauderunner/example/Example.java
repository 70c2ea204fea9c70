package io.github.clauderunner.example;

import io.github.clauderunner.ClaudeRunnerClient;
import io.github.clauderunner.RunnerException;
import io.github.clauderunner.TurnOptions;
import io.github.clauderunner.v1.BusyPolicy;
import io.github.clauderunner.v1.StreamChatRequest;
import io.github.clauderunner.v1.StreamChatResponse;
import io.github.clauderunner.v1.TurnResult;
import java.time.Duration;
import java.util.UUID;

/**
 * A tour of the client: streams a turn, cancels one, goes on with a conversation and a session, and
 * reads why a request was refused. Address and token come from the environment.
 */
public final class Example {
  public static void main(String[] arguments) {
    try (var runner = ClaudeRunnerClient.connect()) {
      System.out.println("== a turn");
      streamATurn(runner);
      System.out.println("== a turn that is cancelled");
      cancelATurn(runner);
      System.out.println("== a conversation");
      converse(runner);
      System.out.println("== a session");
      goOnInASession(runner);
      System.out.println("== a stream that rejoins");
      rejoinATurn(runner);
      System.out.println("== a refused request");
      readARefusal(runner);
    }
  }

  private static void streamATurn(ClaudeRunnerClient runner) {
    var request = StreamChatRequest.newBuilder().setPrompt("What is a warm pool?").build();
    try (var turn = runner.stream(request, TurnOptions.deadline(Duration.ofMinutes(1)))) {
      for (StreamChatResponse event : turn) {
        switch (event.getEventCase()) {
          case STARTED -> System.out.println("worker " + event.getStarted().getWorkerId());
          case TEXT_DELTA -> System.out.print(event.getTextDelta().getText());
          case TOOL_USE -> System.out.println("uses " + event.getToolUse().getToolName());
          default -> {}
        }
      }
      TurnResult result = turn.result();
      System.out.println();
      System.out.println(result.getOutcome() + ", " + result.getCostUsdMicros() + " µ$");
    }
  }

  private static void cancelATurn(ClaudeRunnerClient runner) {
    try (var turn = runner.stream("Tell me a long story")) {
      for (String text : turn.text()) {
        System.out.println(text + " … that is enough");
        break;
      }
    }
  }

  private static void converse(ClaudeRunnerClient runner) {
    var conversation = runner.conversation();
    for (String prompt : new String[] {"My name is Ada.", "What is my name?"}) {
      try (var turn = conversation.stream(prompt)) {
        System.out.println(turn.fullText());
      }
    }
    System.out.println(conversation.history().size() + " messages are remembered");
  }

  private static void goOnInASession(ClaudeRunnerClient runner) {
    var session =
        runner
            .session("trip-" + UUID.randomUUID())
            .withTitle("A trip to Lisbon")
            .withBusyPolicy(BusyPolicy.BUSY_POLICY_QUEUE);
    for (String prompt : new String[] {"My name is Ada.", "What is my name?"}) {
      try (var turn = session.stream(prompt)) {
        System.out.println(turn.fullText());
      }
    }
    session.turns().forEach(turn -> System.out.println(turn.getPrompt(0).getText()));
    session.delete();
  }

  private static void rejoinATurn(ClaudeRunnerClient runner) {
    String turnId;
    try (var turn = runner.stream("Write a long report", TurnOptions.none().withRejoin())) {
      for (String text : turn.text()) {
        System.out.print(text);
      }
      if (turn.hasGap()) {
        System.out.println("A part of the text is missing above.");
      }
      turnId = turn.turnId();
    }
    // Any program of the same tenant can read it again, and stop it while it runs.
    try (var again = runner.attach(turnId)) {
      System.out.println(again.fullText().length() + " characters");
    }
    runner.interruptTurn(turnId);
  }

  private static void readARefusal(ClaudeRunnerClient runner) {
    var request = StreamChatRequest.newBuilder().setProfile("Not A Profile").build();
    try (var turn = runner.stream(request)) {
      turn.result();
    } catch (RunnerException e) {
      System.out.println(e.code() + " " + e.reasonText());
      e.violations().forEach(v -> System.out.println(v.getField() + ": " + v.getDescription()));
      e.retryDelay().ifPresent(delay -> System.out.println("try again in " + delay));
    }
  }
}
