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
 * Notes whether one call has begun: whether the headers of its response came. A refusal has none,
 * so behind them the turn runs, and must not be asked for again when the connection breaks.
 */
final class ResponseWatch implements ClientInterceptor {
  private volatile boolean hasBegun;

  /** Whether anything of the response was seen. */
  boolean hasBegun() {
    return hasBegun;
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
                hasBegun = true;
                super.onHeaders(received);
              }
            },
            headers);
      }
    };
  }
}
