package io.github.clauderunner;

import io.github.clauderunner.v1.AttachTurnRequest;
import io.github.clauderunner.v1.ChatRequest;
import io.github.clauderunner.v1.ChatResponse;
import io.github.clauderunner.v1.ClaudeRunnerGrpc;
import io.github.clauderunner.v1.CreateSessionRequest;
import io.github.clauderunner.v1.Detail;
import io.github.clauderunner.v1.GetInfoRequest;
import io.github.clauderunner.v1.GetInfoResponse;
import io.github.clauderunner.v1.GetPoolRequest;
import io.github.clauderunner.v1.GetPoolResponse;
import io.github.clauderunner.v1.GetTurnRequest;
import io.github.clauderunner.v1.GetTurnResponse;
import io.github.clauderunner.v1.InterruptTurnRequest;
import io.github.clauderunner.v1.InterruptTurnResponse;
import io.github.clauderunner.v1.ListSessionsRequest;
import io.github.clauderunner.v1.ListTurnsRequest;
import io.github.clauderunner.v1.PoolServiceGrpc;
import io.github.clauderunner.v1.SessionServiceGrpc;
import io.github.clauderunner.v1.SessionServiceGrpc.SessionServiceBlockingStub;
import io.github.clauderunner.v1.StreamChatRequest;
import io.github.clauderunner.v1.StreamChatResponse;
import io.github.clauderunner.v1.TurnResult;
import io.github.clauderunner.v1.TurnServiceGrpc;
import io.github.clauderunner.v1.TurnServiceGrpc.TurnServiceBlockingStub;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.Iterator;
import java.util.function.BiConsumer;
import java.util.function.Function;

/**
 * The connection to a server. Make one and share it: it is safe for use by several threads,
 * connects at the first call and again when the connection was lost, and carries any number of
 * turns at once.
 *
 * <pre>{@code
 * try (var runner = ClaudeRunnerClient.connect("127.0.0.1:7433", token);
 *     var turn = runner.stream("Say hello")) {
 *   for (String text : turn.text()) {
 *     System.out.print(text);
 *   }
 * }
 * }</pre>
 *
 * <p>Calls wait on the thread that makes them; interrupting it cancels the call. A call that the
 * server refuses as UNAVAILABLE before it has begun is repeated, four attempts in all; see {@link
 * ClaudeRunnerClientBuilder#retry(boolean)}. Every failure is a {@link RunnerException}.
 */
public final class ClaudeRunnerClient implements AutoCloseable {
  /** How long the calls that use no worker may take. */
  private static final Duration QUICK_CALL_DEADLINE = Duration.ofSeconds(30);

  private final Channel channel;
  private final Runnable disconnect;
  private final String name;
  private final Interrupts interrupts;

  /**
   * The parts, as the builder made them.
   *
   * @param disconnect closes what the client owns
   * @param name where it is connected to, for people
   */
  ClaudeRunnerClient(Channel channel, Runnable disconnect, String name) {
    this.channel = channel;
    this.disconnect = disconnect;
    this.name = name;
    interrupts = new Interrupts(channel);
  }

  /**
   * A client as the environment says: address from {@code CLAUDE_RUNNER_ADDRESS}, by default {@code
   * 127.0.0.1:7433}, token from {@code CLAUDE_RUNNER_TOKEN}, without TLS.
   *
   * @return the client; close it
   */
  public static ClaudeRunnerClient connect() {
    return builder().build();
  }

  /**
   * A client without TLS.
   *
   * @param address the server's gRPC port, as {@code host:port}
   * @param token the bearer token; it is sent to this address only, and shown nowhere
   * @return the client; close it
   */
  public static ClaudeRunnerClient connect(String address, String token) {
    return builder().address(address).token(token).build();
  }

  /**
   * A client with other settings: TLS, retry, interceptors, a channel of one's own.
   *
   * @return a builder with the defaults of {@link #connect()}
   */
  public static ClaudeRunnerClientBuilder builder() {
    return new ClaudeRunnerClientBuilder(System.getenv());
  }

  /**
   * Starts a turn under the default profile.
   *
   * @param prompt what the user says
   * @return the turn; read it to its end, or close it
   */
  public Turn stream(String prompt) {
    return stream(prompt, TurnOptions.none());
  }

  /**
   * Starts a turn under the default profile.
   *
   * @param prompt what the user says
   * @param options how the turn is called
   * @return the turn; read it to its end, or close it
   */
  public Turn stream(String prompt, TurnOptions options) {
    return stream(StreamChatRequest.newBuilder().setPrompt(prompt).build(), options);
  }

  /**
   * Starts a turn.
   *
   * @param request what is asked for
   * @return the turn; read it to its end, or close it
   */
  public Turn stream(StreamChatRequest request) {
    return stream(request, TurnOptions.none());
  }

  /**
   * Starts a turn.
   *
   * @param request what is asked for
   * @param options how the turn is called
   * @return the turn; read it to its end, or close it
   */
  public Turn stream(StreamChatRequest request, TurnOptions options) {
    return start(request, options, (text, result) -> {});
  }

  /** Starts a turn; its text and result are told when its stream has ended with the status OK. */
  Turn start(
      StreamChatRequest request, TurnOptions options, BiConsumer<String, TurnResult> whenAnswered) {
    if (options.rejoin().isPresent()) {
      return rejoining(request, options.begun(), options.rejoin().get(), whenAnswered);
    }
    return new Turn(
        watch -> options.on(ClaudeRunnerGrpc.newBlockingStub(watched(watch))).streamChat(request),
        () -> {},
        whenAnswered);
  }

  private Turn rejoining(
      StreamChatRequest request,
      TurnOptions options,
      Duration patience,
      BiConsumer<String, TurnResult> whenAnswered) {
    StreamChatRequest named = RequestIds.named(request);
    // A reader who says nothing is given all that was recorded, which can be more than was asked.
    Detail detail =
        named.getDetail() == Detail.DETAIL_UNSPECIFIED ? Detail.DETAIL_STANDARD : named.getDetail();
    var attach =
        AttachTurnRequest.newBuilder().setRequestId(named.getRequestId()).setDetail(detail).build();
    var interrupt = interrupts.of(named.getRequestId(), options);
    return new Turn(
        watch ->
            RejoiningEvents.begun(
                rejoiningCalls(options, watch), watch, named, attach, patience, interrupt),
        interrupt,
        whenAnswered);
  }

  private RejoiningEvents.Calls rejoiningCalls(TurnOptions options, ResponseWatch watch) {
    return new RejoiningEvents.Calls() {
      @Override
      public Iterator<StreamChatResponse> stream(StreamChatRequest request) {
        return options.on(ClaudeRunnerGrpc.newBlockingStub(watched(watch))).streamChat(request);
      }

      @Override
      public AttachedEvents attach(AttachTurnRequest request) {
        return new AttachedEvents(
            options.on(TurnServiceGrpc.newBlockingStub(channel)).attachTurn(request));
      }

      @Override
      public boolean isClosed() {
        return interrupts.isClosed();
      }
    };
  }

  /**
   * Runs a whole turn under the default profile.
   *
   * @param prompt what the user says
   * @return the answer with everything about it
   * @throws RunnerException if the turn fails
   */
  public ChatResponse chat(String prompt) {
    return chat(ChatRequest.newBuilder().setPrompt(prompt).build(), TurnOptions.none());
  }

  /**
   * Runs a whole turn.
   *
   * @param request what is asked for
   * @return the answer with everything about it
   * @throws RunnerException if the turn fails
   */
  public ChatResponse chat(ChatRequest request) {
    return chat(request, TurnOptions.none());
  }

  /**
   * Runs a whole turn.
   *
   * @param request what is asked for
   * @param options how the turn is called
   * @return the answer with everything about it
   * @throws RunnerException if the turn fails
   */
  public ChatResponse chat(ChatRequest request, TurnOptions options) {
    return options.isIdempotent()
        ? IdempotentChat.run(request, options, interrupts, RetryTime.REAL, this::chatOnce)
        : chatOnce(request, options);
  }

  private ChatResponse chatOnce(ChatRequest request, TurnOptions options) {
    return call(watched -> options.on(ClaudeRunnerGrpc.newBlockingStub(watched)).chat(request));
  }

  /**
   * A new conversation under the default profile.
   *
   * @return the conversation
   */
  public Conversation conversation() {
    return conversation(StreamChatRequest.getDefaultInstance());
  }

  /**
   * A conversation whose turns all have the settings of a request.
   *
   * @param template profile, model, limits and whatever else; a history in it is what the
   *     conversation begins with. It has no prompt
   * @return the conversation
   * @throws IllegalArgumentException if there is a prompt, or a history that is not pairs of user
   *     and assistant
   */
  public Conversation conversation(StreamChatRequest template) {
    return new Conversation(this, template);
  }

  /**
   * A handle of the session with this id. Nothing is sent; the session need not be there yet.
   *
   * @param id 1 to 128 letters, digits, dots, underscores, colons and hyphens
   * @return the handle
   */
  public Session session(String id) {
    return new Session(this, id);
  }

  /**
   * Creates an empty session: one whose id the server chooses, or whose system prompt or output
   * schema is fixed. The first turn of {@link #session} creates one as well.
   *
   * @param request what the session is like
   * @return the new session
   * @throws RunnerException if the call fails
   */
  public io.github.clauderunner.v1.Session createSession(CreateSessionRequest request) {
    return sessionCall(stub -> stub.createSession(request)).getSession();
  }

  /**
   * All sessions that the caller sees, the one that changed last first.
   *
   * @return the sessions; iterating asks for their pages, and throws a {@link RunnerException} if
   *     such a call fails
   */
  public Iterable<io.github.clauderunner.v1.Session> sessions() {
    return sessions(ListSessionsRequest.getDefaultInstance());
  }

  /**
   * The sessions that a request asks for, of all pages.
   *
   * @param request which sessions
   * @return the sessions; iterating asks for their pages, and throws a {@link RunnerException} if
   *     such a call fails
   */
  public Iterable<io.github.clauderunner.v1.Session> sessions(ListSessionsRequest request) {
    return new Pages<>(
        token -> {
          var page =
              sessionCall(
                  stub -> stub.listSessions(request.toBuilder().setPageToken(token).build()));
          return new Pages.Page<>(page.getSessionsList(), page.getNextPageToken());
        });
  }

  /**
   * Reads a turn that another call has begun, or reads one again from its beginning.
   *
   * @param turnId the turn's id
   * @return the turn; closing it ends the reading, and the turn goes on
   */
  public Turn attach(String turnId) {
    return attach(AttachTurnRequest.newBuilder().setTurnId(turnId).build(), TurnOptions.none());
  }

  /**
   * Reads a turn that another call has begun, or reads one again: by its id or its {@code
   * request_id}, from its beginning or after an event. It is rejoined when its connection breaks.
   *
   * @param request which turn, and from where on
   * @param options how it is called
   * @return the turn; closing it ends the reading, and the turn goes on
   */
  public Turn attach(AttachTurnRequest request, TurnOptions options) {
    TurnOptions begun = options.begun();
    Duration patience = options.rejoin().orElse(RejoinRules.PATIENCE);
    return new Turn(
        watch -> RejoiningEvents.read(rejoiningCalls(begun, watch), watch, request, patience),
        () -> {},
        (text, result) -> {});
  }

  /**
   * How far a turn has come, what came of it and what it cost; with {@code TURN_VIEW_FULL} also
   * what was said.
   *
   * @param request which turn, by its id or its {@code request_id}
   * @return the turn as it is now
   * @throws RunnerException if the call fails
   */
  public GetTurnResponse getTurn(GetTurnRequest request) {
    return turnCall(stub -> stub.getTurn(request));
  }

  /**
   * Stops a turn, whoever has begun it. Returns when it has ended.
   *
   * @param turnId the turn's id
   * @return the turn, and whether this call has ended it
   * @throws RunnerException if the call fails
   */
  public InterruptTurnResponse interruptTurn(String turnId) {
    var request = InterruptTurnRequest.newBuilder().setTurnId(turnId).build();
    return turnCall(stub -> stub.interruptTurn(request));
  }

  /**
   * The turns that a request asks for, of all pages: those of a session from its first turn on, all
   * others the newest first.
   *
   * @param request which turns
   * @return the turns; iterating asks for their pages, and throws a {@link RunnerException} if such
   *     a call fails
   */
  public Iterable<io.github.clauderunner.v1.Turn> turns(ListTurnsRequest request) {
    return new Pages<>(
        token -> {
          var page =
              turnCall(stub -> stub.listTurns(request.toBuilder().setPageToken(token).build()));
          return new Pages.Page<>(page.getTurnsList(), page.getNextPageToken());
        });
  }

  /** Makes a call about sessions. */
  <T> T sessionCall(Function<SessionServiceBlockingStub, T> call) {
    return call(
        watched ->
            call.apply(
                TurnOptions.deadline(QUICK_CALL_DEADLINE)
                    .on(SessionServiceGrpc.newBlockingStub(watched))));
  }

  private <T> T turnCall(Function<TurnServiceBlockingStub, T> call) {
    return call(
        watched ->
            call.apply(
                TurnOptions.deadline(QUICK_CALL_DEADLINE)
                    .on(TurnServiceGrpc.newBlockingStub(watched))));
  }

  /**
   * What the server is, and which profiles, models and limits the caller may use. Fails with {@code
   * DEADLINE_EXCEEDED} after 30 seconds.
   *
   * @return what it says
   * @throws RunnerException if the call fails
   */
  public GetInfoResponse info() {
    return call(
        watched ->
            TurnOptions.deadline(QUICK_CALL_DEADLINE)
                .on(ClaudeRunnerGrpc.newBlockingStub(watched))
                .getInfo(GetInfoRequest.getDefaultInstance()));
  }

  /**
   * What the server's pool of workers does right now. Fails with {@code DEADLINE_EXCEEDED} after 30
   * seconds. To be told about every change, use {@code PoolServiceGrpc} with {@link #channel()}.
   *
   * @return the state of now
   * @throws RunnerException if the call fails
   */
  public GetPoolResponse pool() {
    return call(
        watched ->
            TurnOptions.deadline(QUICK_CALL_DEADLINE)
                .on(PoolServiceGrpc.newBlockingStub(watched))
                .getPool(GetPoolRequest.getDefaultInstance()));
  }

  /**
   * The connection for generated stubs: asynchronous calls, health checks, reflection. It sends the
   * token and retries as this client does; {@link RunnerException#from(Throwable)} reads its
   * errors.
   *
   * <pre>{@code
   * ClaudeRunnerGrpc.newStub(runner.channel()).streamChat(request, observer);
   * }</pre>
   *
   * @return the channel; it is closed with this client
   */
  public Channel channel() {
    return channel;
  }

  /**
   * Ends the connection. Turns that still run are cancelled; those that would go on without their
   * callers are interrupted first, which takes 5 seconds at most. A channel that was given to the
   * builder is left open. Closing twice does nothing.
   */
  @Override
  public void close() {
    interrupts.close();
    disconnect.run();
  }

  @Override
  public String toString() {
    return "ClaudeRunnerClient[" + name + "]";
  }

  /** Makes a call with one answer on the channel that it is given. */
  private <T> T call(Function<Channel, T> call) {
    var watch = new ResponseWatch();
    try {
      return call.apply(watched(watch));
    } catch (StatusRuntimeException e) {
      throw RunnerException.from(e, watch.hasBegun());
    }
  }

  private Channel watched(ResponseWatch watch) {
    return ClientInterceptors.intercept(channel, watch);
  }
}
