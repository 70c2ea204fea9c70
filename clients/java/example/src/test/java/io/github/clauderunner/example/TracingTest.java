package io.github.clauderunner.example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.github.clauderunner.RunnerException;
import io.github.clauderunner.Turn;
import io.github.clauderunner.v1.ClaudeRunnerGrpc;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.ContextPropagators;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

class TracingTest {
  private static final Metadata.Key<String> TRACEPARENT =
      Metadata.Key.of("traceparent", Metadata.ASCII_STRING_MARSHALLER);

  @Test
  void a_turn_belongs_to_the_trace_of_its_caller() throws IOException {
    var traceparent = new AtomicReference<String>();
    var server =
        NettyServerBuilder.forAddress(new InetSocketAddress("127.0.0.1", 0))
            .addService(new ClaudeRunnerGrpc.ClaudeRunnerImplBase() {})
            .intercept(new TraceReader(traceparent))
            .build()
            .start();
    var openTelemetry =
        OpenTelemetrySdk.builder()
            .setPropagators(ContextPropagators.create(W3CTraceContextPropagator.getInstance()))
            .build();
    Span span = openTelemetry.getTracer("test").spanBuilder("caller").startSpan();
    try (var runner = Tracing.connect("127.0.0.1:" + server.getPort(), "crt_x", openTelemetry)) {
      Turn turn = Context.current().with(span).wrapSupplier(() -> runner.stream("?")).get();
      var failure = assertThrows(RunnerException.class, turn::result);
      assertEquals(Status.Code.UNIMPLEMENTED, failure.code());
      assertEquals(span.getSpanContext().getTraceId(), traceparent.get().split("-")[1]);
    } finally {
      span.end();
      server.shutdownNow();
    }
  }

  private record TraceReader(AtomicReference<String> traceparent) implements ServerInterceptor {
    @Override
    public <ReqT, RespT> ServerCall.Listener<ReqT> interceptCall(
        ServerCall<ReqT, RespT> call, Metadata headers, ServerCallHandler<ReqT, RespT> next) {
      traceparent.set(headers.get(TRACEPARENT));
      return next.startCall(call, headers);
    }
  }
}
