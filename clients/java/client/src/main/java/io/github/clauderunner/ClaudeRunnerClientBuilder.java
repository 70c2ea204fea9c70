package io.github.clauderunner;

import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.ClientInterceptor;
import io.grpc.ClientInterceptors;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.TlsChannelCredentials;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/** How a client is connected. Nothing is sent before its first call. */
public final class ClaudeRunnerClientBuilder {
  static final String ADDRESS_VARIABLE = "CLAUDE_RUNNER_ADDRESS";
  static final String TOKEN_VARIABLE = "CLAUDE_RUNNER_TOKEN";

  /** The contract's largest message, a ChatResponse, stays below 4 MiB. */
  private static final int MAX_MESSAGE_BYTES = 4 << 20;

  /** After so long without a sign of the server, a call in flight asks for one. */
  private static final long KEEPALIVE_SECONDS = 30;

  private static final long KEEPALIVE_TIMEOUT_SECONDS = 20;
  private static final long CLOSE_SECONDS = 5;

  private final List<ClientInterceptor> interceptors = new ArrayList<>();
  private Consumer<ManagedChannelBuilder<?>> channelOptions = channel -> {};
  private Optional<String> address;
  private Optional<String> token;
  private Optional<ChannelCredentials> tls = Optional.empty();
  private Optional<Channel> channel = Optional.empty();
  private boolean retry = true;

  ClaudeRunnerClientBuilder(Map<String, String> environment) {
    address = variable(environment, ADDRESS_VARIABLE);
    token = variable(environment, TOKEN_VARIABLE);
  }

  private static Optional<String> variable(Map<String, String> environment, String name) {
    return Optional.ofNullable(environment.get(name)).filter(value -> !value.isEmpty());
  }

  /**
   * Where the server is. By default what {@code CLAUDE_RUNNER_ADDRESS} says, else {@code
   * 127.0.0.1:7433}.
   *
   * @param address the gRPC port as {@code host:port}, or a {@code dns:} target of gRPC
   * @return this
   */
  public ClaudeRunnerClientBuilder address(String address) {
    this.address = Optional.of(Objects.requireNonNull(address, "address"));
    return this;
  }

  /**
   * The bearer token. By default what {@code CLAUDE_RUNNER_TOKEN} says, else none. It is sent to
   * the server's address only, and appears in no message, log or {@code toString}.
   *
   * @param token the token
   * @return this
   */
  public ClaudeRunnerClientBuilder token(String token) {
    this.token = Optional.of(Objects.requireNonNull(token, "token"));
    return this;
  }

  /**
   * Sends no token, whatever the environment says: for servers without authentication.
   *
   * @return this
   */
  public ClaudeRunnerClientBuilder withoutToken() {
    token = Optional.empty();
    return this;
  }

  /**
   * Uses TLS, and trusts whom the Java runtime trusts. By default there is no TLS.
   *
   * @return this
   */
  public ClaudeRunnerClientBuilder tls() {
    tls = Optional.of(TlsChannelCredentials.create());
    return this;
  }

  /**
   * Uses TLS, and trusts the certificate authorities in a file only.
   *
   * @param caFile certificates in PEM
   * @return this
   * @throws UncheckedIOException if the file cannot be read
   */
  public ClaudeRunnerClientBuilder caFile(Path caFile) {
    try {
      tls = Optional.of(TlsChannelCredentials.newBuilder().trustManager(caFile.toFile()).build());
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read the certificates in " + caFile, e);
    }
    return this;
  }

  /**
   * Whether calls are repeated that the server refused as UNAVAILABLE before they had begun: four
   * attempts in all, after 0.2 s doubling to 10 s with jitter, or when the server says; never when
   * it says not to, never once something of the response was seen, never beyond the call's
   * deadline. On by default; turn it off where something else retries.
   *
   * @param retry whether
   * @return this
   */
  public ClaudeRunnerClientBuilder retry(boolean retry) {
    this.retry = retry;
    return this;
  }

  /**
   * Adds an interceptor to every call, for instance OpenTelemetry's. It never sees the token. One
   * that was added later sees the call later.
   *
   * @param interceptor the interceptor
   * @return this
   */
  public ClaudeRunnerClientBuilder interceptor(ClientInterceptor interceptor) {
    interceptors.add(Objects.requireNonNull(interceptor, "interceptor"));
    return this;
  }

  /**
   * Sets any option of gRPC's channel, after those of this builder: executors, proxies, load
   * balancing. The server takes keepalive pings every 30 seconds, which is the default here; do not
   * send more.
   *
   * @param options sets them
   * @return this
   */
  public ClaudeRunnerClientBuilder channelOptions(Consumer<ManagedChannelBuilder<?>> options) {
    channelOptions = channelOptions.andThen(options);
    return this;
  }

  /**
   * Uses a channel of the caller's own, with whatever address, TLS and retry it has. Token and
   * interceptors of this builder are added. Closing the client leaves it open.
   *
   * @param channel the channel
   * @return this
   */
  public ClaudeRunnerClientBuilder channel(Channel channel) {
    this.channel = Optional.of(channel);
    return this;
  }

  /**
   * Makes the client.
   *
   * @return the client; close it
   * @throws IllegalArgumentException if the address is not {@code host:port}, or the token has
   *     characters that cannot be sent
   */
  public ClaudeRunnerClient build() {
    var all = new ArrayList<ClientInterceptor>(interceptors);
    token.map(BearerToken::new).ifPresent(all::add);
    if (channel.isPresent()) {
      Channel own = channel.get();
      return new ClaudeRunnerClient(
          ClientInterceptors.interceptForward(own, all), () -> {}, own.authority());
    }
    String target = ServerAddress.target(address.orElse(ServerAddress.DEFAULT));
    ManagedChannel connection = connection(target);
    return new ClaudeRunnerClient(
        ClientInterceptors.interceptForward(connection, all),
        () -> disconnect(connection),
        target + (tls.isPresent() ? " with TLS" : ""));
  }

  private ManagedChannel connection(String target) {
    ManagedChannelBuilder<?> builder =
        Grpc.newChannelBuilder(target, tls.orElseGet(InsecureChannelCredentials::create))
            .maxInboundMessageSize(MAX_MESSAGE_BYTES)
            .keepAliveTime(KEEPALIVE_SECONDS, TimeUnit.SECONDS)
            .keepAliveTimeout(KEEPALIVE_TIMEOUT_SECONDS, TimeUnit.SECONDS);
    if (retry) {
      RetryPolicy.apply(builder);
    } else {
      builder.disableRetry();
    }
    channelOptions.accept(builder);
    return builder.build();
  }

  private static void disconnect(ManagedChannel connection) {
    connection.shutdownNow();
    try {
      // So that nothing of the connection is left when the caller goes on.
      connection.awaitTermination(CLOSE_SECONDS, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
