package io.github.clauderunner;

import io.github.clauderunner.v1.ClaudeRunnerGrpc;
import io.github.clauderunner.v1.PoolServiceGrpc;
import io.github.clauderunner.v1.SessionServiceGrpc;
import io.github.clauderunner.v1.TurnServiceGrpc;
import io.grpc.ManagedChannelBuilder;
import java.util.List;
import java.util.Map;

/**
 * What is repeated without asking the caller: calls that the server refused as UNAVAILABLE before
 * anything of the response was seen. gRPC itself carries it out, and obeys the server's push-back
 * ({@code grpc-retry-pushback-ms}) and the call's deadline.
 */
final class RetryPolicy {
  /** A request is kept until the server has answered, to be sent again: the largest it reads. */
  private static final long MAX_REQUEST_BYTES = 32L << 20;

  /** All requests that are kept at once. Those beyond are sent, but not repeated. */
  private static final long MAX_KEPT_BYTES = 64L << 20;

  private RetryPolicy() {}

  static void apply(ManagedChannelBuilder<?> channel) {
    channel
        .defaultServiceConfig(serviceConfig())
        .enableRetry()
        .perRpcBufferLimit(MAX_REQUEST_BYTES)
        .retryBufferSize(MAX_KEPT_BYTES);
  }

  /** As gRPC's service config has it, where every number is a double. */
  private static Map<String, ?> serviceConfig() {
    Map<String, ?> policy =
        Map.of(
            "maxAttempts",
            4.0,
            "initialBackoff",
            "0.2s",
            "maxBackoff",
            "10s",
            "backoffMultiplier",
            2.0,
            "retryableStatusCodes",
            List.of("UNAVAILABLE"));
    List<?> services =
        List.of(
            Map.of("service", ClaudeRunnerGrpc.SERVICE_NAME),
            Map.of("service", PoolServiceGrpc.SERVICE_NAME),
            Map.of("service", SessionServiceGrpc.SERVICE_NAME),
            Map.of("service", TurnServiceGrpc.SERVICE_NAME));
    return Map.of(
        "methodConfig", List.of(Map.of("name", services, "retryPolicy", policy)),
        "retryThrottling", Map.of("maxTokens", 10.0, "tokenRatio", 0.1));
  }
}
