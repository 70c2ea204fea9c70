package io.github.clauderunner.driver;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.github.clauderunner.ClaudeRunnerClient;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/** One client for each target, kept from command to command as a real program would. */
final class Connections implements AutoCloseable {
  private record Key(
      String address, Optional<String> token, Optional<String> caFile, boolean retry) {}

  private final Map<Key, ClaudeRunnerClient> clients = new HashMap<>();

  /** The client for a command's target. */
  ClaudeRunnerClient of(JsonObject command) {
    JsonObject target = command.getAsJsonObject("target");
    boolean retry = !command.has("retry") || command.get("retry").getAsBoolean();
    var key =
        new Key(
            target.get("address").getAsString(),
            Optional.ofNullable(target.get("token")).map(JsonElement::getAsString),
            Optional.ofNullable(target.get("caFile")).map(JsonElement::getAsString),
            retry);
    return clients.computeIfAbsent(key, Connections::connect);
  }

  private static ClaudeRunnerClient connect(Key key) {
    var builder = ClaudeRunnerClient.builder().address(key.address()).retry(key.retry());
    key.token().ifPresentOrElse(builder::token, builder::withoutToken);
    key.caFile().map(Path::of).ifPresent(builder::caFile);
    return builder.build();
  }

  @Override
  public void close() {
    clients.values().forEach(ClaudeRunnerClient::close);
  }
}
