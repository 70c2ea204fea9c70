package io.github.clauderunner;

import static io.github.clauderunner.Events.result;
import static io.github.clauderunner.Events.started;
import static io.github.clauderunner.Events.text;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.clauderunner.v1.HistoryMessage;
import io.github.clauderunner.v1.Outcome;
import io.github.clauderunner.v1.Role;
import io.github.clauderunner.v1.StreamChatRequest;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.inprocess.InProcessChannelBuilder;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

class ClaudeRunnerClientTest {
  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  private static ScriptedServer friendly() {
    return ScriptedServer.answering(started(), text("Hi"), result(Outcome.OUTCOME_COMPLETED));
  }

  /** Refuses so many attempts with this push-back, and answers those after. */
  private static ScriptedServer refusing(int refusalCount, String pushbackMs) {
    var attempts = new AtomicInteger();
    return new ScriptedServer(
        (request, caller) -> {
          if (attempts.incrementAndGet() <= refusalCount) {
            caller.onError(Refusals.unavailable(pushbackMs));
          } else {
            caller.onNext(result(Outcome.OUTCOME_COMPLETED));
            caller.onCompleted();
          }
        });
  }

  @Test
  void sends_the_token_with_every_call() {
    try (var server = friendly();
        var runner = server.connect()) {
      runner.stream("?").result();
      assertEquals("again", runner.chat("again").getText());
      assertEquals(2, server.headers.size());
      server.headers.forEach(sent -> assertEquals("Bearer crt_secret", sent.get(AUTHORIZATION)));
    }
  }

  @Test
  void sends_no_token_when_it_is_told_so() {
    try (var server = friendly();
        var runner =
            new ClaudeRunnerClientBuilder(Map.of("CLAUDE_RUNNER_TOKEN", "crt_secret"))
                .address(server.address())
                .withoutToken()
                .build()) {
      runner.stream("?").result();
      assertNull(server.headers.get(0).get(AUTHORIZATION));
    }
  }

  @Test
  void takes_address_and_token_from_the_environment() {
    try (var server = friendly();
        var runner =
            new ClaudeRunnerClientBuilder(
                    Map.of(
                        "CLAUDE_RUNNER_ADDRESS",
                        server.address(),
                        "CLAUDE_RUNNER_TOKEN",
                        "crt_secret"))
                .build()) {
      runner.stream("?").result();
      assertEquals("Bearer crt_secret", server.headers.get(0).get(AUTHORIZATION));
    }
  }

  @Test
  void calls_this_machine_when_nothing_says_otherwise() {
    try (var runner = new ClaudeRunnerClientBuilder(Map.of()).build()) {
      assertEquals("ClaudeRunnerClient[127.0.0.1:7433]", runner.toString());
    }
  }

  @Test
  void shows_the_token_to_nobody() {
    var seen = new AtomicReference<Metadata>();
    try (var server = refusing(1, "-1");
        var runner =
            ClaudeRunnerClient.builder()
                .address(server.address())
                .token("crt_secret")
                .interceptor(new HeaderReader(seen))
                .build()) {
      var failure = assertThrows(RunnerException.class, () -> runner.stream("?").result());
      assertFalse(failure.toString().contains("crt_secret"));
      assertFalse(runner.toString().contains("crt_secret"));
      assertNull(seen.get().get(AUTHORIZATION), "interceptors do not see it");
      assertEquals("Bearer crt_secret", server.headers.get(0).get(AUTHORIZATION));
    }
    var builder = ClaudeRunnerClient.builder().token("crt_secret\n");
    var failure = assertThrows(IllegalArgumentException.class, builder::build);
    assertFalse(failure.toString().contains("crt_secret"));
  }

  @Test
  void repeats_a_refused_call_when_the_server_says() {
    try (var server = refusing(2, "1");
        var runner = server.connect()) {
      assertEquals(Outcome.OUTCOME_COMPLETED, runner.stream("?").result().getOutcome());
      assertEquals(3, server.requests.size());
    }
  }

  @Test
  void repeats_a_call_with_a_long_history_too() {
    var request = StreamChatRequest.newBuilder().setPrompt("?");
    for (Role role : new Role[] {Role.ROLE_USER, Role.ROLE_ASSISTANT}) {
      request.addHistory(HistoryMessage.newBuilder().setRole(role).setText("x".repeat(2 << 20)));
    }
    try (var server = refusing(1, "1");
        var runner = server.connect()) {
      runner.stream(request.build()).result();
      assertEquals(2, server.requests.size());
    }
  }

  @Test
  void gives_up_after_four_attempts() {
    try (var server = refusing(4, "1");
        var runner = server.connect()) {
      var failure = assertThrows(RunnerException.class, () -> runner.stream("?").result());
      assertEquals(Status.Code.UNAVAILABLE, failure.code());
      assertTrue(failure.mayRetry());
      assertEquals(4, server.requests.size());
    }
  }

  @Test
  void repeats_nothing_when_the_server_forbids_it() {
    try (var server = refusing(1, "-1");
        var runner = server.connect()) {
      var failure = assertThrows(RunnerException.class, () -> runner.stream("?").result());
      assertFalse(failure.mayRetry());
      assertEquals(1, server.requests.size());
    }
  }

  @Test
  void repeats_nothing_when_retry_is_off() {
    try (var server = refusing(1, "1");
        var runner = ClaudeRunnerClient.builder().address(server.address()).retry(false).build()) {
      assertThrows(RunnerException.class, () -> runner.stream("?").result());
      assertEquals(1, server.requests.size());
    }
  }

  @Test
  void repeats_nothing_once_an_event_was_seen() {
    try (var server =
            new ScriptedServer(
                (request, caller) -> {
                  caller.onNext(started());
                  caller.onError(Refusals.unavailable("1"));
                });
        var runner = server.connect()) {
      var failure = assertThrows(RunnerException.class, () -> runner.stream("?").result());
      assertFalse(failure.mayRetry());
      assertEquals(1, server.requests.size());
    }
  }

  @Test
  void repeats_nothing_once_headers_were_seen() {
    try (var server = ScriptedServer.breakingOff();
        var runner = server.connect()) {
      assertFalse(
          assertThrows(RunnerException.class, () -> runner.stream("?").result()).mayRetry());
      assertFalse(assertThrows(RunnerException.class, () -> runner.chat("?")).mayRetry());
      assertEquals(2, server.headers.size());
    }
  }

  @Test
  void gives_every_failure_as_its_own_exception() {
    try (var server = friendly();
        var runner = server.connect()) {
      var failure = assertThrows(RunnerException.class, runner::info);
      assertEquals(Status.Code.UNIMPLEMENTED, failure.code());
      assertEquals(
          Status.Code.UNIMPLEMENTED, assertThrows(RunnerException.class, runner::pool).code());
    }
  }

  @Test
  void cancels_what_still_runs_when_it_is_closed() throws InterruptedException {
    try (var server = new ScriptedServer((request, caller) -> caller.onNext(started()))) {
      Turn turn;
      try (var runner = server.connect()) {
        turn = runner.stream("?");
        turn.iterator().next();
      }
      assertThrows(RunnerException.class, turn::result);
      server.awaitCancelled();
    }
  }

  @Test
  void leaves_a_channel_open_that_it_was_given() {
    var own = InProcessChannelBuilder.forName("nobody").build();
    try (var runner = ClaudeRunnerClient.builder().channel(own).build()) {
      assertThrows(RunnerException.class, runner::info);
    }
    assertFalse(own.isShutdown());
    own.shutdownNow();
  }

  @Test
  void says_what_is_wrong_with_an_address() {
    var builder = ClaudeRunnerClient.builder().address("https://runner.example:7433");
    var failure = assertThrows(IllegalArgumentException.class, builder::build);
    assertTrue(failure.getMessage().contains("host:port"), failure.getMessage());
    ClaudeRunnerClient.builder().address("[::1]:7433").build().close();
    ClaudeRunnerClient.builder().address("dns:///runner.example:7433").build().close();
  }

  @Test
  void names_the_certificate_file_that_it_cannot_read() {
    var builder = ClaudeRunnerClient.builder();
    var failure =
        assertThrows(UncheckedIOException.class, () -> builder.caFile(Path.of("no-such-ca.pem")));
    assertTrue(failure.getMessage().contains("no-such-ca.pem"));
  }

  /** Keeps the headers that it sees on the way out. */
  private record HeaderReader(AtomicReference<Metadata> seen) implements ClientInterceptor {
    @Override
    public <ReqT, RespT> ClientCall<ReqT, RespT> interceptCall(
        MethodDescriptor<ReqT, RespT> method, CallOptions options, Channel next) {
      return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
        @Override
        public void start(Listener<RespT> listener, Metadata headers) {
          super.start(listener, headers);
          seen.set(headers);
        }
      };
    }
  }
}
