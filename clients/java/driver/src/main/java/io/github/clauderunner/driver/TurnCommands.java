package io.github.clauderunner.driver;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.protobuf.InvalidProtocolBufferException;
import io.github.clauderunner.RunnerException;
import io.github.clauderunner.Turn;
import io.github.clauderunner.TurnOptions;
import io.github.clauderunner.v1.AttachTurnRequest;
import io.github.clauderunner.v1.ChatRequest;
import io.github.clauderunner.v1.StreamChatRequest;
import io.github.clauderunner.v1.StreamChatResponse;
import io.grpc.Metadata;
import io.grpc.stub.MetadataUtils;
import java.time.Duration;

/** The commands that run turns. */
final class TurnCommands {
  private final Connections connections;

  TurnCommands(Connections connections) {
    this.connections = connections;
  }

  private static StreamChatRequest streamRequest(JsonObject command)
      throws InvalidProtocolBufferException {
    return ProtoJson.read(command.get("request"), StreamChatRequest.newBuilder()).build();
  }

  private static TurnOptions options(JsonObject command) {
    var options = TurnOptions.none();
    if (command.has("timeoutMs")) {
      options = options.withDeadline(Duration.ofMillis(command.get("timeoutMs").getAsLong()));
    }
    if (command.has("headers")) {
      var headers = new Metadata();
      command
          .getAsJsonObject("headers")
          .entrySet()
          .forEach(
              header ->
                  headers.put(
                      Metadata.Key.of(header.getKey(), Metadata.ASCII_STRING_MARSHALLER),
                      header.getValue().getAsString()));
      options = options.withInterceptor(MetadataUtils.newAttachHeadersInterceptor(headers));
    }
    return options;
  }

  /** A count that may be absent: never reached, then. */
  private static int count(JsonObject command, String name) {
    return command.has(name) ? command.get(name).getAsInt() : Integer.MAX_VALUE;
  }

  JsonObject stream(JsonObject command) throws InvalidProtocolBufferException {
    var attempts = new AttemptCounter();
    var options = options(command).withInterceptor(attempts);
    if (command.has("rejoin") && command.get("rejoin").getAsBoolean()) {
      options = options.withRejoin();
    }
    JsonObject answer =
        watch(command, connections.of(command).stream(streamRequest(command), options), 0);
    answer.addProperty("attemptCount", attempts.count());
    return answer;
  }

  JsonObject attach(JsonObject command) throws InvalidProtocolBufferException {
    var request = AttachTurnRequest.newBuilder();
    if (command.has("turnId")) {
      request.setTurnId(command.get("turnId").getAsString());
    } else {
      request.setRequestId(command.get("requestId").getAsString());
    }
    if (command.has("afterSequence")) {
      request.setAfterSequence(command.get("afterSequence").getAsInt());
    }
    Turn turn = connections.of(command).attach(request.build(), TurnOptions.none());
    return watch(command, turn, request.getAfterSequence());
  }

  /** Reads a turn until it is over, is cancelled or has been seen enough of. */
  private static JsonObject watch(JsonObject command, Turn opened, int afterSequence)
      throws InvalidProtocolBufferException {
    int cancelAfter = count(command, "cancelAfterTextDeltas");
    int leaveAfter = count(command, "leaveAfterTextDeltas");
    var answer = new JsonObject();
    var seen = new SeenEvents(afterSequence);
    StreamChatResponse lastEvent = StreamChatResponse.getDefaultInstance();
    try (Turn turn = opened) {
      try {
        for (StreamChatResponse event : turn) {
          seen.add(event);
          lastEvent = event;
          if (seen.textDeltaCount() >= cancelAfter) {
            turn.cancel();
          }
          if (seen.textDeltaCount() >= leaveAfter) {
            break;
          }
        }
      } catch (RunnerException e) {
        answer.add("error", CallErrors.json(e));
      }
      seen.addTo(answer, turn.unknownCount());
      TextDigest.add(answer, turn.textSoFar());
      answer.addProperty("turnId", turn.turnId());
      if (turn.started().isPresent()) {
        answer.add("started", ProtoJson.of(turn.started().get()));
      }
    }
    if (lastEvent.hasResult()) {
      answer.add("result", ProtoJson.of(lastEvent.getResult()));
    }
    return answer;
  }

  JsonObject text(JsonObject command) throws InvalidProtocolBufferException {
    var answer = new JsonObject();
    var text = new StringBuilder();
    int pieceCount = 0;
    try (var turn = connections.of(command).stream(streamRequest(command))) {
      for (String piece : turn.text()) {
        text.append(piece);
        pieceCount += 1;
      }
    } catch (RunnerException e) {
      answer.add("error", CallErrors.json(e));
    }
    answer.addProperty("pieceCount", pieceCount);
    TextDigest.add(answer, text.toString());
    return answer;
  }

  JsonObject chat(JsonObject command) throws InvalidProtocolBufferException {
    var answer = new JsonObject();
    var request = ProtoJson.read(command.get("request"), ChatRequest.newBuilder()).build();
    var options = options(command);
    if (command.has("idempotent") && command.get("idempotent").getAsBoolean()) {
      options = options.withIdempotence();
    }
    try {
      answer.add("response", ProtoJson.of(connections.of(command).chat(request, options)));
    } catch (RunnerException e) {
      answer.add("error", CallErrors.json(e));
    }
    return answer;
  }

  JsonObject conversation(JsonObject command) throws InvalidProtocolBufferException {
    var answer = new JsonObject();
    var turns = new JsonArray();
    var conversation = connections.of(command).conversation();
    try {
      for (JsonElement prompt : command.getAsJsonArray("prompts")) {
        try (var turn = conversation.stream(prompt.getAsString())) {
          var told = new JsonObject();
          told.addProperty("text", turn.fullText());
          told.addProperty(
              "seededMessageCount", turn.started().orElseThrow().getSeededMessageCount());
          turns.add(told);
        }
      }
    } catch (RunnerException e) {
      answer.add("error", CallErrors.json(e));
    }
    answer.add("turns", turns);
    return answer;
  }

  JsonObject bench(JsonObject command) throws InvalidProtocolBufferException {
    var runner = connections.of(command);
    StreamChatRequest request = streamRequest(command);
    int warmUpCount = command.get("warmUpCount").getAsInt();
    int turnCount = command.get("turnCount").getAsInt();
    var firstTextMs = new JsonArray();
    var totalMs = new JsonArray();
    var eventCounts = new JsonArray();
    var answer = new JsonObject();
    answer.add("firstTextMs", firstTextMs);
    answer.add("totalMs", totalMs);
    answer.add("eventCounts", eventCounts);
    try {
      for (int at = 0; at < warmUpCount + turnCount; at += 1) {
        double firstText = 0;
        int eventCount = 0;
        long begin = System.nanoTime();
        try (var turn = runner.stream(request)) {
          for (StreamChatResponse event : turn) {
            if (firstText == 0 && event.hasTextDelta()) {
              firstText = msSince(begin);
            }
            eventCount += 1;
          }
        }
        if (at >= warmUpCount) {
          firstTextMs.add(firstText);
          totalMs.add(msSince(begin));
          eventCounts.add(eventCount);
        }
      }
    } catch (RunnerException e) {
      answer.add("error", CallErrors.json(e));
    }
    return answer;
  }

  private static double msSince(long beginNanos) {
    return (System.nanoTime() - beginNanos) / 1e6;
  }
}
