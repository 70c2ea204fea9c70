package io.github.clauderunner.example;

import io.github.clauderunner.ClaudeRunnerClient;
import java.nio.file.Path;

/** A server behind TLS. */
final class Tls {
  private Tls() {}

  static ClaudeRunnerClient connect(String token) {
    return ClaudeRunnerClient.builder()
        .address("runner.internal:7433")
        .token(token)
        .caFile(Path.of("/etc/ssl/internal-ca.pem"))
        .build();
  }
}
