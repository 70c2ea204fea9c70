package io.github.clauderunner;

import io.github.clauderunner.v1.ChatRequest;
import io.github.clauderunner.v1.ChatResponse;
import io.github.clauderunner.v1.ClaudeRunnerGrpc;
import io.github.clauderunner.v1.StreamChatRequest;
import io.github.clauderunner.v1.StreamChatResponse;
import io.grpc.BindableService;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** A server on loopback that plays what a test tells it to. */
final class ScriptedServer implements AutoCloseable {
  /** What the server does with a turn. */
  interface Script {
    void play(StreamChatRequest request, ServerCallStreamObserver<StreamChatResponse> caller);
  }

  /** The headers of every attempt of every call, in order of arrival. */
  final List<Metadata> headers = new CopyOnWriteArrayList<>();

  /** The request of every attempt of every turn. */
  final List<StreamChatRequest> requests = new CopyOnWriteArrayList<>();

  private final CountDownLatch cancelled = new CountDownLatch(1);
  private final Server server;

  ScriptedServer(Script script) {
    this(script, false);
  }

  private ScriptedServer(Script script, boolean breaksOff) {
    server =
        NettyServerBuilder.forAddress(new InetSocketAddress("127.0.0.1", 0))
            .maxInboundMessageSize(32 << 20)
            .intercept(new HeaderBook(breaksOff))
            .addService(service(script))
            .build();
    try {
      server.start();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** One that answers every turn with these events. */
  static ScriptedServer answering(StreamChatResponse... events) {
    return new ScriptedServer(
        (request, caller) -> {
          List.of(events).forEach(caller::onNext);
          caller.onCompleted();
        });
  }

  /** One that begins every call, by sending headers, and then is not available. */
  static ScriptedServer breakingOff() {
    return new ScriptedServer((request, caller) -> {}, true);
  }

  String address() {
    return "127.0.0.1:" + server.getPort();
  }

  /** A client of it with every default. */
  ClaudeRunnerClient connect() {
    return ClaudeRunnerClient.connect(address(), "crt_secret");
  }

  /** Waits until a caller has cancelled. */
  void awaitCancelled() throws InterruptedException {
    cancelled.await();
  }

  /** Whether a caller cancels within a moment. */
  boolean isSoonCancelled() throws InterruptedException {
    return cancelled.await(20, TimeUnit.MILLISECONDS);
  }

  @Override
  public void close() {
    server.shutdownNow();
  }

  private BindableService service(Script script) {
    return new ClaudeRunnerGrpc.ClaudeRunnerImplBase() {
      @Override
      public void streamChat(
          StreamChatRequest request, StreamObserver<StreamChatResponse> observer) {
        var caller = (ServerCallStreamObserver<StreamChatResponse>) observer;
        caller.setOnCancelHandler(cancelled::countDown);
        requests.add(request);
        script.play(request, caller);
      }

      @Override
      public void chat(ChatRequest request, StreamObserver<ChatResponse> caller) {
        caller.onNext(ChatResponse.newBuilder().setText(request.getPrompt()).build());
        caller.onCompleted();
      }
    };
  }

  private final class HeaderBook implements ServerInterceptor {
    private final boolean breaksOff;

    HeaderBook(boolean breaksOff) {
      this.breaksOff = breaksOff;
    }

    @Override
    public <ReqT, RespT> ServerCall.Listener<ReqT> interceptCall(
        ServerCall<ReqT, RespT> call, Metadata sent, ServerCallHandler<ReqT, RespT> next) {
      headers.add(sent);
      if (breaksOff) {
        call.sendHeaders(new Metadata());
        call.close(Status.UNAVAILABLE, new Metadata());
        return new ServerCall.Listener<>() {};
      }
      return next.startCall(call, sent);
    }
  }
}
