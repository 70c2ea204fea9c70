package io.github.clauderunner;

import io.github.clauderunner.v1.AttachTurnRequest;
import io.github.clauderunner.v1.AttachTurnResponse;
import io.github.clauderunner.v1.ChatRequest;
import io.github.clauderunner.v1.ChatResponse;
import io.github.clauderunner.v1.ClaudeRunnerGrpc;
import io.github.clauderunner.v1.CreateSessionRequest;
import io.github.clauderunner.v1.CreateSessionResponse;
import io.github.clauderunner.v1.DeleteSessionRequest;
import io.github.clauderunner.v1.DeleteSessionResponse;
import io.github.clauderunner.v1.ForkSessionRequest;
import io.github.clauderunner.v1.ForkSessionResponse;
import io.github.clauderunner.v1.GetSessionRequest;
import io.github.clauderunner.v1.GetSessionResponse;
import io.github.clauderunner.v1.GetTurnRequest;
import io.github.clauderunner.v1.GetTurnResponse;
import io.github.clauderunner.v1.InterruptTurnRequest;
import io.github.clauderunner.v1.InterruptTurnResponse;
import io.github.clauderunner.v1.ListSessionsRequest;
import io.github.clauderunner.v1.ListSessionsResponse;
import io.github.clauderunner.v1.ListTurnsRequest;
import io.github.clauderunner.v1.ListTurnsResponse;
import io.github.clauderunner.v1.Session;
import io.github.clauderunner.v1.SessionServiceGrpc;
import io.github.clauderunner.v1.StreamChatRequest;
import io.github.clauderunner.v1.StreamChatResponse;
import io.github.clauderunner.v1.Turn;
import io.github.clauderunner.v1.TurnServiceGrpc;
import io.github.clauderunner.v1.UpdateSessionRequest;
import io.github.clauderunner.v1.UpdateSessionResponse;
import io.grpc.Server;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.LinkedBlockingQueue;

/** A server on loopback that keeps sessions and turns as far as a test tells it to. */
final class KeptServer implements AutoCloseable {
  /** What becomes of one call. */
  interface Step<T> {
    void play(StreamObserver<T> caller);
  }

  /** For the calls that begin turns, and those that attach to them, in their order. */
  final Queue<Step<StreamChatResponse>> streams = new ConcurrentLinkedQueue<>();

  final Queue<Step<AttachTurnResponse>> attaches = new ConcurrentLinkedQueue<>();
  final Queue<Step<ChatResponse>> chats = new ConcurrentLinkedQueue<>();
  final Queue<ListTurnsResponse> pages = new ConcurrentLinkedQueue<>();

  final List<StreamChatRequest> streamRequests = new CopyOnWriteArrayList<>();
  final List<AttachTurnRequest> attachRequests = new CopyOnWriteArrayList<>();
  final List<ChatRequest> chatRequests = new CopyOnWriteArrayList<>();
  final List<ListTurnsRequest> listRequests = new CopyOnWriteArrayList<>();
  final List<UpdateSessionRequest> updates = new CopyOnWriteArrayList<>();
  final List<DeleteSessionRequest> deletes = new CopyOnWriteArrayList<>();
  final List<ForkSessionRequest> forks = new CopyOnWriteArrayList<>();

  /** For the calls about sessions, whichever they are; those after it go well. */
  final Queue<StatusRuntimeException> sessionFailures = new ConcurrentLinkedQueue<>();

  /** The calls about sessions that came, those that failed included. */
  final List<String> sessionCalls = new CopyOnWriteArrayList<>();

  /** The ids of the turns that were interrupted. */
  final LinkedBlockingQueue<String> interrupted = new LinkedBlockingQueue<>();

  private final Server server;

  KeptServer() {
    server =
        NettyServerBuilder.forAddress(new InetSocketAddress("127.0.0.1", 0))
            .addService(runner())
            .addService(turns())
            .addService(sessions())
            .build();
    try {
      server.start();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  ClaudeRunnerClient connect() {
    return ClaudeRunnerClient.connect("127.0.0.1:" + server.getPort(), "crt_secret");
  }

  /** A client whose calls are sent once, unless a rule of their own says otherwise. */
  ClaudeRunnerClient connectWithoutRetry() {
    var address = "127.0.0.1:" + server.getPort();
    return ClaudeRunnerClient.builder().address(address).withoutToken().retry(false).build();
  }

  @Override
  public void close() {
    server.shutdownNow();
  }

  /** Messages, and a good end. */
  @SafeVarargs
  static <T> Step<T> answer(T... messages) {
    return caller -> {
      for (T message : messages) {
        caller.onNext(message);
      }
      caller.onCompleted();
    };
  }

  /** Messages, and a failure. */
  @SafeVarargs
  static <T> Step<T> fail(StatusRuntimeException failure, T... messages) {
    return caller -> {
      for (T message : messages) {
        caller.onNext(message);
      }
      caller.onError(failure);
    };
  }

  /** Messages, and nothing more. */
  @SafeVarargs
  static <T> Step<T> stall(T... messages) {
    return caller -> {
      for (T message : messages) {
        caller.onNext(message);
      }
    };
  }

  private static <T> void answerWith(StreamObserver<T> caller, T message) {
    KeptServer.<T>answer(message).play(caller);
  }

  private ClaudeRunnerGrpc.ClaudeRunnerImplBase runner() {
    return new ClaudeRunnerGrpc.ClaudeRunnerImplBase() {
      @Override
      public void streamChat(StreamChatRequest request, StreamObserver<StreamChatResponse> caller) {
        streamRequests.add(request);
        streams.remove().play(caller);
      }

      @Override
      public void chat(ChatRequest request, StreamObserver<ChatResponse> caller) {
        chatRequests.add(request);
        chats.remove().play(caller);
      }
    };
  }

  private TurnServiceGrpc.TurnServiceImplBase turns() {
    return new TurnServiceGrpc.TurnServiceImplBase() {
      @Override
      public void attachTurn(AttachTurnRequest request, StreamObserver<AttachTurnResponse> caller) {
        attachRequests.add(request);
        attaches.remove().play(caller);
      }

      @Override
      public void getTurn(GetTurnRequest request, StreamObserver<GetTurnResponse> caller) {
        var turn = Turn.newBuilder().setId("turn of " + request.getRequestId());
        answerWith(caller, GetTurnResponse.newBuilder().setTurn(turn).build());
      }

      @Override
      public void listTurns(ListTurnsRequest request, StreamObserver<ListTurnsResponse> caller) {
        listRequests.add(request);
        answerWith(caller, pages.remove());
      }

      @Override
      public void interruptTurn(
          InterruptTurnRequest request, StreamObserver<InterruptTurnResponse> caller) {
        interrupted.add(request.getTurnId());
        answerWith(caller, InterruptTurnResponse.getDefaultInstance());
      }
    };
  }

  private SessionServiceGrpc.SessionServiceImplBase sessions() {
    return new SessionServiceGrpc.SessionServiceImplBase() {
      @Override
      public void createSession(
          CreateSessionRequest request, StreamObserver<CreateSessionResponse> caller) {
        answerAs("create", caller, CreateSessionResponse.getDefaultInstance());
      }

      @Override
      public void getSession(GetSessionRequest request, StreamObserver<GetSessionResponse> caller) {
        answerAs("get", caller, GetSessionResponse.getDefaultInstance());
      }

      @Override
      public void listSessions(
          ListSessionsRequest request, StreamObserver<ListSessionsResponse> caller) {
        answerAs("list", caller, ListSessionsResponse.getDefaultInstance());
      }

      @Override
      public void updateSession(
          UpdateSessionRequest request, StreamObserver<UpdateSessionResponse> caller) {
        updates.add(request);
        var session = Session.newBuilder().setId(request.getId()).setTitle(request.getTitle());
        answerAs("update", caller, UpdateSessionResponse.newBuilder().setSession(session).build());
      }

      @Override
      public void deleteSession(
          DeleteSessionRequest request, StreamObserver<DeleteSessionResponse> caller) {
        deletes.add(request);
        answerAs("delete", caller, DeleteSessionResponse.getDefaultInstance());
      }

      @Override
      public void forkSession(
          ForkSessionRequest request, StreamObserver<ForkSessionResponse> caller) {
        forks.add(request);
        var session = Session.newBuilder().setId(request.getNewId());
        answerAs("fork", caller, ForkSessionResponse.newBuilder().setSession(session).build());
      }

      private <T> void answerAs(String name, StreamObserver<T> caller, T message) {
        sessionCalls.add(name);
        StatusRuntimeException failure = sessionFailures.poll();
        if (failure == null) {
          answerWith(caller, message);
        } else {
          caller.onError(failure);
        }
      }
    };
  }
}
