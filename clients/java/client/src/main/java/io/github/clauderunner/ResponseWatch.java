package io.github.clauderunner;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.ForwardingClientCallListener.SimpleForwardingClientCallListener;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;

/**
 * Notes whether one call has begun, and which turn it is: by the headers of its response. A refusal
 * has none, so behind them the turn runs, and must not be asked for again when the connection
 * breaks.
 */
final class ResponseWatch implements ClientInterceptor {
  private static final Metadata.Key<String> TURN_ID =
      Metadata.Key.of("claude-runner-turn-id", Metadata.ASCII_STRING_MARSHALLER);

  private volatile boolean hasBegun;
  private volatile String turnId = "";

  /** Whether anything of the response was seen. */
  boolean hasBegun() {
    return hasBegun;
  }

  /** The id of the turn, which the headers tell; empty before them. */
  String turnId() {
    return turnId;
  }

  @Override
  public <ReqT, RespT> ClientCall<ReqT, RespT> interceptCall(
      MethodDescriptor<ReqT, RespT> method, CallOptions options, Channel next) {
    return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
      @Override
      public void start(Listener<RespT> listener, Metadata headers) {
        super.start(
            new SimpleForwardingClientCallListener<>(listener) {
              @Override
              public void onHeaders(Metadata received) {
                String named = received.get(TURN_ID);
                if (named != null) {
                  turnId = named;
                }
                hasBegun = true;
                super.onHeaders(received);
              }
            },
            headers);
      }
    };
  }
}
