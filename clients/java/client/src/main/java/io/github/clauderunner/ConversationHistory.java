package io.github.clauderunner;

import io.github.clauderunner.v1.HistoryMessage;
import io.github.clauderunner.v1.Role;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.stream.Stream;

/**
 * What was said so far, as far as the server takes it: pairs of a prompt and its answer, of which
 * the oldest go first.
 */
final class ConversationHistory {
  static final int MAX_MESSAGES = 400;
  static final int MAX_BYTES = 4 << 20;

  private record Pair(HistoryMessage prompt, HistoryMessage answer, int bytes) {}

  private final Deque<Pair> pairs = new ArrayDeque<>();
  private int bytes;

  /** Adds a pair unless one of the two is blank: the server refuses such messages. */
  void add(String prompt, String answer) {
    if (isBlank(prompt) || isBlank(answer)) {
      return;
    }
    var pair =
        new Pair(
            message(Role.ROLE_USER, prompt),
            message(Role.ROLE_ASSISTANT, answer),
            bytesOf(prompt) + bytesOf(answer));
    pairs.addLast(pair);
    bytes += pair.bytes();
    while (pairs.size() * 2 > MAX_MESSAGES || bytes > MAX_BYTES) {
      bytes -= pairs.removeFirst().bytes();
    }
  }

  /** As a request wants it: oldest first. */
  List<HistoryMessage> messages() {
    return pairs.stream().flatMap(pair -> Stream.of(pair.prompt(), pair.answer())).toList();
  }

  private static HistoryMessage message(Role role, String text) {
    return HistoryMessage.newBuilder().setRole(role).setText(text).build();
  }

  private static int bytesOf(String text) {
    return text.getBytes(StandardCharsets.UTF_8).length;
  }

  /** As the server has it: spaces that do not break are white space, too, and so is a BOM. */
  private static boolean isBlank(String text) {
    return text.chars()
        .allMatch(c -> Character.isWhitespace(c) || Character.isSpaceChar(c) || c == 0xFEFF);
  }
}
