package io.github.clauderunner;

import io.github.clauderunner.v1.ChatRequest;
import io.github.clauderunner.v1.ChatResponse;
import io.github.clauderunner.v1.ClaudeRunnerGrpc;
import io.github.clauderunner.v1.GetInfoRequest;
import io.github.clauderunner.v1.GetInfoResponse;
import io.github.clauderunner.v1.GetPoolRequest;
import io.github.clauderunner.v1.GetPoolResponse;
import io.github.clauderunner.v1.PoolServiceGrpc;
import io.github.clauderunner.v1.StreamChatRequest;
import io.github.clauderunner.v1.TurnResult;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
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
    return new Turn(
        watch -> options.on(ClaudeRunnerGrpc.newBlockingStub(watched(watch))).streamChat(request),
        whenAnswered);
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
   * Ends the connection. Turns that still run are cancelled. A channel that was given to the
   * builder is left open. Closing twice does nothing.
   */
  @Override
  public void close() {
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
