package io.github.clauderunner;

import io.github.clauderunner.v1.Retracted;
import io.github.clauderunner.v1.StreamChatResponse;
import io.github.clauderunner.v1.TextDelta;
import java.util.ArrayList;
import java.util.List;

/**
 * The text of a turn: its text deltas in order, without those that the server retracted. What
 * sub-agents say among themselves is not part of it.
 */
final class TurnText {
  private record Block(int messageIndex, int blockIndex, StringBuilder text) {}

  private final List<Block> blocks = new ArrayList<>();

  void add(StreamChatResponse event) {
    if (!isOfMainConversation(event)) {
      return;
    }
    switch (event.getEventCase()) {
      case TEXT_DELTA -> append(event.getTextDelta());
      case RETRACTED -> retract(event.getRetracted());
      default -> {
        // Every other kind leaves the text as it is.
      }
    }
  }

  /** Whether the event is a piece of the answer's text. */
  static boolean isPiece(StreamChatResponse event) {
    return event.hasTextDelta() && isOfMainConversation(event);
  }

  private static boolean isOfMainConversation(StreamChatResponse event) {
    return event.getParentToolUseId().isEmpty();
  }

  private void append(TextDelta delta) {
    Block last = blocks.isEmpty() ? null : blocks.get(blocks.size() - 1);
    if (last == null
        || last.messageIndex() != delta.getMessageIndex()
        || last.blockIndex() != delta.getBlockIndex()) {
      last = new Block(delta.getMessageIndex(), delta.getBlockIndex(), new StringBuilder());
      blocks.add(last);
    }
    last.text().append(delta.getText());
  }

  private void retract(Retracted retracted) {
    blocks.removeIf(
        block ->
            block.messageIndex() == retracted.getMessageIndex()
                && block.blockIndex() >= retracted.getFromBlockIndex());
  }

  @Override
  public String toString() {
    var text = new StringBuilder();
    blocks.forEach(block -> text.append(block.text()));
    return text.toString();
  }
}
