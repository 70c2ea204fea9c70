package io.github.clauderunner.example;

import io.github.clauderunner.ClaudeRunnerClient;

/** The first call: address and token from the environment, the answer as it comes. */
public final class FirstCall {
  public static void main(String[] arguments) {
    try (var runner = ClaudeRunnerClient.connect();
        var turn = runner.stream("Say hello")) {
      for (String text : turn.text()) {
        System.out.print(text);
      }
    }
    System.out.println();
  }
}
