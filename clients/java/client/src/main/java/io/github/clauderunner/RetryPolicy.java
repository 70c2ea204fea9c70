package io.github.clauderunner;

import io.github.clauderunner.v1.ClaudeRunnerGrpc;
import io.github.clauderunner.v1.PoolServiceGrpc;
import io.github.clauderunner.v1.SessionServiceGrpc;
import io.github.clauderunner.v1.TurnServiceGrpc;
import io.grpc.ManagedChannelBuilder;
import io.grpc.MethodDescriptor;
import java.util.List;
import java.util.Map;

/**
 * What is repeated without asking the caller: calls that the server refused as UNAVAILABLE before
 * anything of the response was seen. gRPC itself carries it out, and obeys the server's push-back
 * ({@code grpc-retry-pushback-ms}) and the call's deadline.
 *
 * <p>What makes, copies or deletes a session is left out: with its answer lost nobody knows whether
 * it was done, and done twice it is something else.
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
    List<?> repeated =
        List.of(
            Map.of("service", ClaudeRunnerGrpc.SERVICE_NAME),
            Map.of("service", PoolServiceGrpc.SERVICE_NAME),
            Map.of("service", TurnServiceGrpc.SERVICE_NAME),
            nameOf(SessionServiceGrpc.getGetSessionMethod()),
            nameOf(SessionServiceGrpc.getListSessionsMethod()),
            nameOf(SessionServiceGrpc.getUpdateSessionMethod()));
    return Map.of(
        "methodConfig", List.of(Map.of("name", repeated, "retryPolicy", policy)),
        "retryThrottling", Map.of("maxTokens", 10.0, "tokenRatio", 0.1));
  }

  private static Map<String, ?> nameOf(MethodDescriptor<?, ?> method) {
    return Map.of("service", method.getServiceName(), "method", method.getBareMethodName());
  }
}
