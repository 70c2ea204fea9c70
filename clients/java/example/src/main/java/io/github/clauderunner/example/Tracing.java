package io.github.clauderunner.example;

import io.github.clauderunner.ClaudeRunnerClient;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.instrumentation.grpc.v1_6.GrpcTelemetry;

/** A client whose calls are spans, of which the server's spans of a turn are children. */
final class Tracing {
  private Tracing() {}

  static ClaudeRunnerClient connect(String address, String token, OpenTelemetry openTelemetry) {
    return ClaudeRunnerClient.builder()
        .address(address)
        .token(token)
        .interceptor(GrpcTelemetry.create(openTelemetry).createClientInterceptor())
        .build();
  }
}
