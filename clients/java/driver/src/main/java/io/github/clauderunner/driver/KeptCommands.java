package io.github.clauderunner.driver;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import io.github.clauderunner.ClaudeRunnerClient;
import io.github.clauderunner.RunnerException;
import io.github.clauderunner.Session;
import io.github.clauderunner.v1.BusyPolicy;
import io.github.clauderunner.v1.CreateSessionRequest;
import io.github.clauderunner.v1.DeleteSessionRequest;
import io.github.clauderunner.v1.ForkSessionRequest;
import io.github.clauderunner.v1.GetSessionRequest;
import io.github.clauderunner.v1.GetTurnRequest;
import io.github.clauderunner.v1.InterruptTurnRequest;
import io.github.clauderunner.v1.ListSessionsRequest;
import io.github.clauderunner.v1.ListTurnsRequest;
import io.github.clauderunner.v1.UpdateSessionRequest;
import java.util.HashMap;

/** The commands about sessions and turns that the server keeps. */
final class KeptCommands {
  private final Connections connections;

  KeptCommands(Connections connections) {
    this.connections = connections;
  }

  JsonObject session(JsonObject command) throws InvalidProtocolBufferException {
    Session session = handle(command);
    var answer = new JsonObject();
    var turns = new JsonArray();
    try {
      for (JsonElement prompt : command.getAsJsonArray("prompts")) {
        try (var turn = session.stream(prompt.getAsString())) {
          var told = new JsonObject();
          told.addProperty("text", turn.fullText());
          told.addProperty("turnId", turn.turnId());
          told.add("started", ProtoJson.of(turn.started().orElseThrow()));
          turns.add(told);
        }
      }
    } catch (RunnerException e) {
      answer.add("error", CallErrors.json(e));
    }
    answer.add("turns", turns);
    return answer;
  }

  private Session handle(JsonObject command) {
    Session session = connections.of(command).session(command.get("sessionId").getAsString());
    if (command.has("title")) {
      session = session.withTitle(command.get("title").getAsString());
    }
    if (command.has("labels")) {
      var labels = new HashMap<String, String>();
      command
          .getAsJsonObject("labels")
          .entrySet()
          .forEach(label -> labels.put(label.getKey(), label.getValue().getAsString()));
      session = session.withLabels(labels);
    }
    if (command.has("busyPolicy")) {
      session = session.withBusyPolicy(BusyPolicy.valueOf(command.get("busyPolicy").getAsString()));
    }
    if (command.has("allowMissing") && !command.get("allowMissing").getAsBoolean()) {
      session = session.existing();
    }
    return session;
  }

  JsonObject call(JsonObject command) throws InvalidProtocolBufferException {
    var answer = new JsonObject();
    try {
      JsonObject response =
          response(
              connections.of(command),
              command.get("method").getAsString(),
              command.get("request").getAsJsonObject());
      answer.add("response", response);
    } catch (RunnerException e) {
      answer.add("error", CallErrors.json(e));
    }
    return answer;
  }

  private static JsonObject response(ClaudeRunnerClient runner, String method, JsonObject json)
      throws InvalidProtocolBufferException {
    switch (method) {
      case "createSession" -> {
        var request = ProtoJson.read(json, CreateSessionRequest.newBuilder()).build();
        return field("session", runner.createSession(request));
      }
      case "getSession" -> {
        var request = ProtoJson.read(json, GetSessionRequest.newBuilder()).build();
        return field("session", runner.session(request.getId()).get());
      }
      case "listSessions" -> {
        var request = ProtoJson.read(json, ListSessionsRequest.newBuilder()).build();
        return list("sessions", runner.sessions(request));
      }
      case "updateSession" -> {
        var request = ProtoJson.read(json, UpdateSessionRequest.newBuilder()).build();
        return field("session", runner.session(request.getId()).update(request));
      }
      case "deleteSession" -> {
        var request = ProtoJson.read(json, DeleteSessionRequest.newBuilder()).build();
        return message(runner.session(request.getId()).delete(request.getForce()));
      }
      case "forkSession" -> {
        var request = ProtoJson.read(json, ForkSessionRequest.newBuilder()).build();
        return field("session", runner.session(request.getId()).fork(request));
      }
      case "listTurns" -> {
        var request = ProtoJson.read(json, ListTurnsRequest.newBuilder()).build();
        return list("turns", runner.turns(request));
      }
      case "getTurn" -> {
        return message(runner.getTurn(ProtoJson.read(json, GetTurnRequest.newBuilder()).build()));
      }
      case "interruptTurn" -> {
        var request = ProtoJson.read(json, InterruptTurnRequest.newBuilder()).build();
        return message(runner.interruptTurn(request.getTurnId()));
      }
      default -> throw new IllegalArgumentException("there is no method " + method);
    }
  }

  private static JsonObject message(Message message) throws InvalidProtocolBufferException {
    return ProtoJson.of(message).getAsJsonObject();
  }

  private static JsonObject field(String name, Message message)
      throws InvalidProtocolBufferException {
    var json = new JsonObject();
    json.add(name, ProtoJson.of(message));
    return json;
  }

  private static JsonObject list(String name, Iterable<? extends Message> messages)
      throws InvalidProtocolBufferException {
    var items = new JsonArray();
    for (Message message : messages) {
      items.add(ProtoJson.of(message));
    }
    var json = new JsonObject();
    json.add(name, items);
    return json;
  }
}
