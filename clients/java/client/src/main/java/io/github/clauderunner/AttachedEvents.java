package io.github.clauderunner;

import io.github.clauderunner.v1.AttachTurnResponse;
import io.github.clauderunner.v1.Gap;
import io.github.clauderunner.v1.StreamChatResponse;
import io.github.clauderunner.v1.Turn;
import io.github.clauderunner.v1.TurnState;
import io.grpc.Status;
import java.util.Iterator;
import java.util.NoSuchElementException;

/**
 * The events of an attached stream, and its gaps as events: in the form that they have for a call
 * that repeats another.
 */
final class AttachedEvents implements Iterator<StreamChatResponse> {
  private final Iterator<AttachTurnResponse> responses;
  private final Turn state;
  private StreamChatResponse next;

  /** Waits for the turn's state, which comes first and at once. */
  AttachedEvents(Iterator<AttachTurnResponse> responses) {
    this.responses = responses;
    if (!responses.hasNext()) {
      throw Status.INTERNAL
          .withDescription("the server ended the attached stream before it began")
          .asRuntimeException();
    }
    state = responses.next().getState();
  }

  String turnId() {
    return state.getId();
  }

  /** Whether the turn had ended when it was attached to, so that nothing more will come. */
  boolean wasAll() {
    return state.getState() == TurnState.TURN_STATE_ENDED;
  }

  @Override
  public boolean hasNext() {
    while (next == null && responses.hasNext()) {
      AttachTurnResponse response = responses.next();
      switch (response.getMessageCase()) {
        case EVENT -> next = response.getEvent();
        case GAP -> next = eventOf(response.getGap());
        default -> {
          // Where replay ends makes no difference here.
        }
      }
    }
    return next != null;
  }

  @Override
  public StreamChatResponse next() {
    if (!hasNext()) {
      throw new NoSuchElementException("the stream is over");
    }
    StreamChatResponse event = next;
    next = null;
    return event;
  }

  private StreamChatResponse eventOf(Gap gap) {
    return StreamChatResponse.newBuilder()
        .setSequence(gap.getLastSequence())
        .setTurnId(turnId())
        .setGap(gap)
        .build();
  }
}
