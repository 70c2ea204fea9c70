package io.github.clauderunner;

import io.github.clauderunner.v1.ChatRequest;
import io.github.clauderunner.v1.OnDisconnect;
import io.github.clauderunner.v1.StreamChatRequest;
import java.util.UUID;

/**
 * Prepares requests whose turns are to be found again: with a name, unless they have one, and to go
 * on without their callers.
 */
final class RequestIds {
  private RequestIds() {}

  static StreamChatRequest named(StreamChatRequest request) {
    return request.toBuilder()
        .setRequestId(nameOr(request.getRequestId()))
        .setOnDisconnect(OnDisconnect.ON_DISCONNECT_CONTINUE)
        .build();
  }

  static ChatRequest named(ChatRequest request) {
    return request.toBuilder()
        .setRequestId(nameOr(request.getRequestId()))
        .setOnDisconnect(OnDisconnect.ON_DISCONNECT_CONTINUE)
        .build();
  }

  private static String nameOr(String given) {
    return given.isEmpty() ? UUID.randomUUID().toString() : given;
  }
}
