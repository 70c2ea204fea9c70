package io.github.clauderunner;

import com.google.protobuf.Duration;
import io.github.clauderunner.v1.BusyPolicy;
import io.github.clauderunner.v1.ChatRequest;
import io.github.clauderunner.v1.ChatResponse;
import io.github.clauderunner.v1.DeleteSessionRequest;
import io.github.clauderunner.v1.DeleteSessionResponse;
import io.github.clauderunner.v1.ForkSessionRequest;
import io.github.clauderunner.v1.GetSessionRequest;
import io.github.clauderunner.v1.ListTurnsRequest;
import io.github.clauderunner.v1.SessionRef;
import io.github.clauderunner.v1.StreamChatRequest;
import io.github.clauderunner.v1.TurnView;
import io.github.clauderunner.v1.UpdateSessionRequest;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * A conversation that the server keeps, by its id. Every turn goes on with what was said in the
 * session before, whichever client or program said it.
 *
 * <p>The first turn creates the session when it is not there, unless {@link #existing()} forbids
 * it. Once a turn has gone well, or {@link #delete()} has, later ones do not, so that a
 * conversation which was deleted is not begun anew in silence. Immutable: every {@code with} gives
 * a new handle, and those know of each other's turns.
 */
public final class Session {
  private final ClaudeRunnerClient runner;
  private final SessionRef reference;
  private final BusyPolicy busyPolicy;

  /** Whether a turn of this handle has gone well, or it has deleted the session. */
  private final AtomicBoolean wasThere;

  Session(ClaudeRunnerClient runner, String id) {
    this(
        runner,
        SessionRef.newBuilder().setId(id).setAllowMissing(true).build(),
        BusyPolicy.BUSY_POLICY_UNSPECIFIED,
        new AtomicBoolean());
  }

  private Session(
      ClaudeRunnerClient runner,
      SessionRef reference,
      BusyPolicy busyPolicy,
      AtomicBoolean wasThere) {
    this.runner = runner;
    this.reference = reference;
    this.busyPolicy = busyPolicy;
    this.wasThere = wasThere;
  }

  private Session with(SessionRef.Builder changed) {
    return new Session(runner, changed.build(), busyPolicy, wasThere);
  }

  /**
   * The session's id.
   *
   * @return the id
   */
  public String id() {
    return reference.getId();
  }

  /**
   * Creates no session: a turn fails with {@code SESSION_NOT_FOUND} when it is not there.
   *
   * @return a handle that does so
   */
  public Session existing() {
    return with(reference.toBuilder().setAllowMissing(false));
  }

  /**
   * The title of the session when it is created by its first turn.
   *
   * @param title at most 512 bytes
   * @return a handle with it
   */
  public Session withTitle(String title) {
    return with(reference.toBuilder().setTitle(title));
  }

  /**
   * The labels of the session when it is created by its first turn.
   *
   * @param labels at most 16
   * @return a handle with them
   */
  public Session withLabels(Map<String, String> labels) {
    return with(reference.toBuilder().clearLabels().putAllLabels(labels));
  }

  /**
   * How long after its last change the session is deleted, when it is created by its first turn.
   *
   * @param idleExpiry a minute or more
   * @return a handle with it
   */
  public Session withIdleExpiry(java.time.Duration idleExpiry) {
    return with(
        reference.toBuilder()
            .setIdleExpiry(
                Duration.newBuilder()
                    .setSeconds(idleExpiry.getSeconds())
                    .setNanos(idleExpiry.getNano())));
  }

  /**
   * What happens when another turn of the session waits or runs. By default the turn is refused
   * with {@code SESSION_BUSY}. A request that says something else is overruled.
   *
   * @param busyPolicy what happens
   * @return a handle with it
   */
  public Session withBusyPolicy(BusyPolicy busyPolicy) {
    return new Session(runner, reference, busyPolicy, wasThere);
  }

  /**
   * Starts the session's next turn.
   *
   * @param prompt what the user says
   * @return the turn; read it to its end, or close it
   */
  public Turn stream(String prompt) {
    return stream(StreamChatRequest.newBuilder().setPrompt(prompt).build(), TurnOptions.none());
  }

  /**
   * Starts the session's next turn.
   *
   * @param request what is asked for; its session is this one, whatever it says
   * @param options how the turn is called
   * @return the turn; read it to its end, or close it
   */
  public Turn stream(StreamChatRequest request, TurnOptions options) {
    return runner.start(
        request.toBuilder()
            .setSession(reference())
            .setBusyPolicy(busyPolicyOr(request.getBusyPolicy()))
            .build(),
        options,
        (text, result) -> wasThere.set(true));
  }

  /**
   * Runs the session's whole next turn.
   *
   * @param prompt what the user says
   * @return the answer with everything about it
   * @throws RunnerException if the turn fails
   */
  public ChatResponse chat(String prompt) {
    return chat(ChatRequest.newBuilder().setPrompt(prompt).build(), TurnOptions.none());
  }

  /**
   * Runs the session's whole next turn.
   *
   * @param request what is asked for; its session is this one, whatever it says
   * @param options how the turn is called
   * @return the answer with everything about it
   * @throws RunnerException if the turn fails
   */
  public ChatResponse chat(ChatRequest request, TurnOptions options) {
    ChatResponse response =
        runner.chat(
            request.toBuilder()
                .setSession(reference())
                .setBusyPolicy(busyPolicyOr(request.getBusyPolicy()))
                .build(),
            options);
    wasThere.set(true);
    return response;
  }

  /** The handle's, or else the request's own. */
  private BusyPolicy busyPolicyOr(BusyPolicy ofRequest) {
    return busyPolicy == BusyPolicy.BUSY_POLICY_UNSPECIFIED ? ofRequest : busyPolicy;
  }

  private SessionRef reference() {
    return wasThere.get() ? reference.toBuilder().setAllowMissing(false).build() : reference;
  }

  /**
   * What the session is doing, and what it has used and cost.
   *
   * @return the session as it is now
   * @throws RunnerException if the call fails
   */
  public io.github.clauderunner.v1.Session get() {
    return runner
        .sessionCall(stub -> stub.getSession(GetSessionRequest.newBuilder().setId(id()).build()))
        .getSession();
  }

  /**
   * Changes title, labels or expiry.
   *
   * @param change what to change: its mask names the fields; its id is this session's, whatever it
   *     says
   * @return the session as it is now
   * @throws RunnerException if the call fails
   */
  public io.github.clauderunner.v1.Session update(UpdateSessionRequest change) {
    return runner
        .sessionCall(stub -> stub.updateSession(change.toBuilder().setId(id()).build()))
        .getSession();
  }

  /**
   * Changes the title.
   *
   * @param title at most 512 bytes
   * @return the session as it is now
   * @throws RunnerException if the call fails
   */
  public io.github.clauderunner.v1.Session rename(String title) {
    var change = UpdateSessionRequest.newBuilder().setTitle(title);
    change.getUpdateMaskBuilder().addPaths("title");
    return update(change.build());
  }

  /**
   * Deletes the session and all its words. Fails with {@code SESSION_BUSY} while one of its turns
   * waits or runs.
   *
   * @return what the server says
   * @throws RunnerException if the call fails
   */
  public DeleteSessionResponse delete() {
    return delete(false);
  }

  /**
   * Deletes the session and all its words.
   *
   * @param force whether a turn that waits or runs is interrupted first
   * @return which turn was interrupted, if any
   * @throws RunnerException if the call fails
   */
  public DeleteSessionResponse delete(boolean force) {
    var request = DeleteSessionRequest.newBuilder().setId(id()).setForce(force).build();
    DeleteSessionResponse response = runner.sessionCall(stub -> stub.deleteSession(request));
    wasThere.set(true);
    return response;
  }

  /**
   * Copies the conversation into a new session. {@link ClaudeRunnerClient#session} makes a handle
   * of the copy.
   *
   * @param fork up to which turn, and what the copy is called; its id is this session's, whatever
   *     it says
   * @return the copy
   * @throws RunnerException if the call fails
   */
  public io.github.clauderunner.v1.Session fork(ForkSessionRequest fork) {
    return runner
        .sessionCall(stub -> stub.forkSession(fork.toBuilder().setId(id()).build()))
        .getSession();
  }

  /**
   * The session's turns from the first one on, with what was said.
   *
   * @return the turns; iterating asks for their pages, and throws a {@link RunnerException} if such
   *     a call fails
   */
  public Iterable<io.github.clauderunner.v1.Turn> turns() {
    return runner.turns(
        ListTurnsRequest.newBuilder().setSessionId(id()).setView(TurnView.TURN_VIEW_FULL).build());
  }

  @Override
  public String toString() {
    return "Session[" + id() + "]";
  }
}
