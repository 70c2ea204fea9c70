package io.github.clauderunner;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.clauderunner.v1.HistoryMessage;
import io.github.clauderunner.v1.Role;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ConversationHistoryTest {
  private static List<String> texts(ConversationHistory history) {
    return history.messages().stream().map(HistoryMessage::getText).toList();
  }

  @Test
  void is_user_and_assistant_in_turn() {
    var history = new ConversationHistory();
    history.add("a", "b");
    history.add("c", "d");
    assertEquals(List.of("a", "b", "c", "d"), texts(history));
    assertEquals(
        List.of(Role.ROLE_USER, Role.ROLE_ASSISTANT, Role.ROLE_USER, Role.ROLE_ASSISTANT),
        history.messages().stream().map(HistoryMessage::getRole).toList());
  }

  @Test
  void keeps_the_newest_four_hundred_messages() {
    var history = new ConversationHistory();
    IntStream.rangeClosed(1, 201).forEach(n -> history.add("prompt " + n, "answer " + n));
    assertEquals(400, history.messages().size());
    assertEquals("prompt 2", texts(history).get(0));
    assertEquals("answer 201", texts(history).get(399));
  }

  @Test
  void keeps_four_mebibytes_of_utf8_and_drops_the_oldest_pairs_beyond() {
    var history = new ConversationHistory();
    String mebibyte = "é".repeat(512 << 10);
    history.add("1" + mebibyte.substring(1), mebibyte); // One byte less than two mebibytes.
    history.add("2", mebibyte);
    history.add("3", mebibyte.substring(1));
    assertEquals("1", texts(history).get(0).substring(0, 1), "four mebibytes less a byte fit");
    history.add("4", "b");
    assertEquals(List.of("2", mebibyte, "3", mebibyte.substring(1), "4", "b"), texts(history));
  }

  @Test
  void is_empty_after_a_pair_that_is_too_large_by_itself() {
    var history = new ConversationHistory();
    history.add("a", "b");
    history.add("c", "x".repeat(4 << 20));
    assertTrue(history.messages().isEmpty());
  }

  @ParameterizedTest
  @ValueSource(strings = {"", " \n\t", "\u00a0", "\ufeff", "\u2007\u3000"})
  void takes_no_pair_without_an_answer(String blank) {
    var history = new ConversationHistory();
    history.add("a", blank);
    assertTrue(history.messages().isEmpty());
  }
}
