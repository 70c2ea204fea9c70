package io.github.clauderunner;

import io.github.clauderunner.v1.HistoryMessage;
import io.github.clauderunner.v1.Role;
import io.github.clauderunner.v1.StreamChatRequest;
import io.github.clauderunner.v1.TurnResult;
import java.util.List;

/**
 * A conversation of several turns. What was said is kept here and sent with every turn, so nothing
 * has to be kept on the server, and any server can go on with it.
 *
 * <p>A turn is remembered when it was read to its end and ended with the status OK. One that
 * failed, was cancelled or was left early is not: neither its prompt nor its answer. Nor is one
 * whose answer has no text, since a history takes no empty messages: the next turn then follows the
 * one before it. At most 400 messages and 4 MiB of text are kept; the oldest pairs of prompt and
 * answer go first.
 *
 * <p>Not for use by several threads at once.
 */
public final class Conversation {
  private final ClaudeRunnerClient runner;
  private final StreamChatRequest settings;
  private final ConversationHistory history = new ConversationHistory();
  private Turn latest;

  Conversation(ClaudeRunnerClient runner, StreamChatRequest template) {
    if (!template.getPrompt().isEmpty() || template.getContentCount() > 0) {
      throw new IllegalArgumentException(
          "a conversation's request has no prompt and no content: these come with each turn");
    }
    this.runner = runner;
    this.settings = template.toBuilder().clearHistory().build();
    List<HistoryMessage> said = template.getHistoryList();
    for (int at = 0; at < said.size(); at += 2) {
      if (at + 1 == said.size()
          || said.get(at).getRole() != Role.ROLE_USER
          || said.get(at + 1).getRole() != Role.ROLE_ASSISTANT) {
        throw new IllegalArgumentException(
            "a history is pairs of a ROLE_USER and a ROLE_ASSISTANT message: no pair begins at message "
                + at);
      }
      history.add(said.get(at).getText(), said.get(at + 1).getText());
    }
  }

  /**
   * Starts the next turn.
   *
   * @param prompt what the user says
   * @return the turn; read it to its end, or close it
   * @throws IllegalStateException if the turn before is neither over nor closed
   */
  public Turn stream(String prompt) {
    return stream(prompt, TurnOptions.none());
  }

  /**
   * Starts the next turn.
   *
   * @param prompt what the user says
   * @param options how the turn is called
   * @return the turn; read it to its end, or close it
   * @throws IllegalStateException if the turn before is neither over nor closed
   */
  public Turn stream(String prompt, TurnOptions options) {
    if (latest != null && !latest.isOver()) {
      throw new IllegalStateException(
          "the turn before is still open: read it to its end or close it");
    }
    StreamChatRequest request =
        settings.toBuilder().setPrompt(prompt).addAllHistory(history.messages()).build();
    latest =
        runner.start(request, options, (text, result) -> history.add(prompt, answer(text, result)));
    return latest;
  }

  /**
   * What is remembered, oldest first: user and assistant in turn. Can be stored, and given to a new
   * conversation as the history of its request.
   *
   * @return the messages, as they are now
   */
  public List<HistoryMessage> history() {
    return history.messages();
  }

  /** The text; what the result says when there were no deltas; the JSON of structured output. */
  private static String answer(String text, TurnResult result) {
    if (!text.isEmpty()) {
      return text;
    }
    return result.getText().isEmpty() ? result.getStructuredOutputJson() : result.getText();
  }
}
