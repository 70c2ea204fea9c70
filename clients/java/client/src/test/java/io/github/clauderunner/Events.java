package io.github.clauderunner;

import io.github.clauderunner.v1.Outcome;
import io.github.clauderunner.v1.Retracted;
import io.github.clauderunner.v1.Started;
import io.github.clauderunner.v1.StreamChatResponse;
import io.github.clauderunner.v1.TextDelta;
import io.github.clauderunner.v1.TurnResult;

/** Events as a server sends them, as far as tests need them. */
final class Events {
  private Events() {}

  static StreamChatResponse started() {
    return event().setStarted(Started.newBuilder().setWorkerId("w1")).build();
  }

  static StreamChatResponse text(String text) {
    return text(0, 0, text);
  }

  static StreamChatResponse text(int messageIndex, int blockIndex, String text) {
    return event()
        .setTextDelta(
            TextDelta.newBuilder()
                .setMessageIndex(messageIndex)
                .setBlockIndex(blockIndex)
                .setText(text))
        .build();
  }

  static StreamChatResponse retracted(int messageIndex, int fromBlockIndex) {
    return event()
        .setRetracted(
            Retracted.newBuilder().setMessageIndex(messageIndex).setFromBlockIndex(fromBlockIndex))
        .build();
  }

  static StreamChatResponse result(Outcome outcome) {
    return result(TurnResult.newBuilder().setOutcome(outcome).build());
  }

  static StreamChatResponse result(TurnResult result) {
    return event().setResult(result).build();
  }

  /** Said by a sub-agent. */
  static StreamChatResponse ofSubAgent(StreamChatResponse event) {
    return event.toBuilder().setParentToolUseId("toolu_1").build();
  }

  private static StreamChatResponse.Builder event() {
    return StreamChatResponse.newBuilder().setTurnId("t1");
  }
}
