package io.github.clauderunner;

import static io.github.clauderunner.Events.ofSubAgent;
import static io.github.clauderunner.Events.retracted;
import static io.github.clauderunner.Events.text;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.clauderunner.v1.StreamChatResponse;
import java.util.List;
import org.junit.jupiter.api.Test;

class TurnTextTest {
  private static String textOf(StreamChatResponse... events) {
    var text = new TurnText();
    List.of(events).forEach(text::add);
    return text.toString();
  }

  @Test
  void is_all_deltas_in_order() {
    assertEquals("One. Two.", textOf(text(0, 0, "One."), text(0, 0, " "), text(1, 0, "Two.")));
  }

  @Test
  void loses_the_blocks_that_were_retracted_and_those_behind_them_in_the_same_message() {
    assertEquals(
        "kept other anew",
        textOf(
            text(0, 0, "kept "),
            text(0, 1, "void "),
            text(0, 2, "void too "),
            text(1, 1, "other "),
            retracted(0, 1),
            text(0, 1, "anew")));
  }

  @Test
  void loses_every_piece_of_a_block_whose_deltas_came_between_others() {
    assertEquals("b", textOf(text(0, 1, "a"), text(1, 0, "b"), text(0, 1, "c"), retracted(0, 0)));
  }

  @Test
  void leaves_out_what_sub_agents_say_and_retract() {
    assertEquals(
        "main", textOf(text("main"), ofSubAgent(text("sub")), ofSubAgent(retracted(0, 0))));
  }
}
