package io.github.clauderunner.driver;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.grpc.ManagedChannel;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/**
 * The client under the behaviour suite: reads commands from stdin, one JSON object per line, and
 * writes what it saw to stdout. clients/suite/protocol.ts explains every field.
 */
public final class Driver {
  /** Carries out one kind of command. */
  private interface Command {
    JsonObject carryOut(JsonObject command) throws Exception;
  }

  private final Map<String, Command> commands;

  private Driver(Connections connections) {
    var turns = new TurnCommands(connections);
    var kept = new KeptCommands(connections);
    var server = new ServerCommands(connections);
    commands =
        Map.ofEntries(
            Map.entry("stream", turns::stream),
            Map.entry("attach", turns::attach),
            Map.entry("text", turns::text),
            Map.entry("chat", turns::chat),
            Map.entry("conversation", turns::conversation),
            Map.entry("session", kept::session),
            Map.entry("kept", kept::call),
            Map.entry("bench", turns::bench),
            Map.entry("info", server::info),
            Map.entry("pool", server::pool),
            Map.entry("health", server::health),
            Map.entry("reflect", server::reflect));
  }

  public static void main(String[] arguments) throws IOException {
    // Nothing but answers goes to stdout, whatever libraries print.
    var answers = new PrintStream(new FileOutputStream(FileDescriptor.out), true, "UTF-8");
    System.setOut(System.err);
    answers.println(hello());
    var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    try (var connections = new Connections()) {
      var driver = new Driver(connections);
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        answers.println(driver.answer(line));
      }
    }
  }

  private static JsonObject hello() {
    var about = new JsonObject();
    about.addProperty("language", "java");
    about.addProperty(
        "runtime", "grpc-java " + ManagedChannel.class.getPackage().getImplementationVersion());
    about.addProperty("languageVersion", "Java " + System.getProperty("java.version"));
    var hello = new JsonObject();
    hello.add("hello", about);
    return hello;
  }

  private JsonObject answer(String line) {
    var answer = new JsonObject();
    try {
      JsonObject command = JsonParser.parseString(line).getAsJsonObject();
      answer.add("id", command.get("id"));
      String name = command.get("do").getAsString();
      Command known = commands.get(name);
      if (known == null) {
        throw new IllegalArgumentException("there is no command " + name);
      }
      answer.add("answer", known.carryOut(command));
    } catch (Exception e) {
      // Failures of calls are answers; whatever arrives here is a mistake of the driver's.
      e.printStackTrace();
      answer.addProperty("bug", e.toString());
    }
    return answer;
  }
}
