package io.github.clauderunner;

import static io.github.clauderunner.Events.result;
import static io.github.clauderunner.Events.started;
import static io.github.clauderunner.Events.text;
import static io.github.clauderunner.KeptServer.answer;
import static io.github.clauderunner.KeptServer.fail;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.github.clauderunner.v1.BusyPolicy;
import io.github.clauderunner.v1.ChatRequest;
import io.github.clauderunner.v1.ChatResponse;
import io.github.clauderunner.v1.CreateSessionRequest;
import io.github.clauderunner.v1.ForkSessionRequest;
import io.github.clauderunner.v1.ListTurnsRequest;
import io.github.clauderunner.v1.ListTurnsResponse;
import io.github.clauderunner.v1.Outcome;
import io.github.clauderunner.v1.SessionRef;
import io.github.clauderunner.v1.StreamChatRequest;
import io.github.clauderunner.v1.StreamChatResponse;
import io.github.clauderunner.v1.TurnView;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class SessionTest {
  private static KeptServer.Step<StreamChatResponse> said(String words) {
    return answer(started(), text(words), result(Outcome.OUTCOME_COMPLETED));
  }

  private static KeptServer.Step<StreamChatResponse> refused(Status status, String reason) {
    return fail(status.asRuntimeException(Refusals.details(Refusals.reason(reason).build())));
  }

  private static String read(Turn opened) {
    try (Turn turn = opened) {
      return turn.fullText();
    }
  }

  @Test
  void the_first_turn_may_create_the_session_and_later_ones_may_not() {
    try (var server = new KeptServer();
        var runner = server.connect()) {
      var trip =
          runner
              .session("trip")
              .withTitle("A trip")
              .withLabels(Map.of("team", "blue"))
              .withIdleExpiry(Duration.ofSeconds(90))
              .withBusyPolicy(BusyPolicy.BUSY_POLICY_QUEUE);
      server.streams.add(refused(Status.FAILED_PRECONDITION, "SESSION_BUSY"));
      server.streams.add(said("one"));
      server.streams.add(said("two"));
      var failure = assertThrows(RunnerException.class, () -> read(trip.stream("one")));
      assertEquals("SESSION_BUSY", failure.reasonText());
      assertEquals("one", read(trip.stream("one")));
      assertEquals("two", read(trip.existing().stream("two")));

      SessionRef first = server.streamRequests.get(0).getSession();
      assertEquals("trip", first.getId());
      assertEquals("A trip", first.getTitle());
      assertEquals(Map.of("team", "blue"), first.getLabelsMap());
      assertEquals(90, first.getIdleExpiry().getSeconds());
      assertEquals(
          List.of(true, true, false),
          server.streamRequests.stream().map(each -> each.getSession().getAllowMissing()).toList());
      assertEquals(BusyPolicy.BUSY_POLICY_QUEUE, server.streamRequests.get(2).getBusyPolicy());
    }
  }

  @Test
  void a_handle_does_not_begin_anew_what_it_has_deleted() {
    try (var server = new KeptServer();
        var runner = server.connect()) {
      var trip = runner.session("trip");
      server.streams.add(said("one"));
      server.streams.add(refused(Status.NOT_FOUND, "SESSION_NOT_FOUND"));
      server.streams.add(refused(Status.NOT_FOUND, "SESSION_NOT_FOUND"));
      read(trip.stream("one"));
      trip.delete(true);
      var failure = assertThrows(RunnerException.class, () -> read(trip.stream("two")));
      assertEquals("SESSION_NOT_FOUND", failure.reasonText());
      var unused = runner.session("trip");
      unused.delete();
      assertThrows(RunnerException.class, () -> read(unused.stream("three")));
      assertEquals(
          List.of(true, false, false),
          server.streamRequests.stream().map(each -> each.getSession().getAllowMissing()).toList());
      assertEquals("trip", server.deletes.get(0).getId());
      assertEquals(true, server.deletes.get(0).getForce());
    }
  }

  @Test
  void the_busy_policy_is_the_handles_and_without_one_the_requests() {
    var streamed =
        StreamChatRequest.newBuilder().setBusyPolicy(BusyPolicy.BUSY_POLICY_QUEUE).build();
    var collected = ChatRequest.newBuilder().setBusyPolicy(BusyPolicy.BUSY_POLICY_QUEUE).build();
    try (var server = new KeptServer();
        var runner = server.connect()) {
      var plain = runner.session("trip");
      var decided = plain.withBusyPolicy(BusyPolicy.BUSY_POLICY_INTERRUPT);
      for (var session : List.of(plain, decided)) {
        server.streams.add(said("one"));
        server.chats.add(answer(ChatResponse.getDefaultInstance()));
        read(session.stream(streamed, TurnOptions.none()));
        session.chat(collected, TurnOptions.none());
      }
      var expected = List.of(BusyPolicy.BUSY_POLICY_QUEUE, BusyPolicy.BUSY_POLICY_INTERRUPT);
      assertEquals(
          expected, server.streamRequests.stream().map(StreamChatRequest::getBusyPolicy).toList());
      assertEquals(expected, server.chatRequests.stream().map(ChatRequest::getBusyPolicy).toList());
    }
  }

  @Test
  void what_makes_copies_or_deletes_a_session_is_sent_once_and_the_rest_is_repeated() {
    try (var server = new KeptServer();
        var runner = server.connect()) {
      var trip = runner.session("trip");
      List<Runnable> sentOnce =
          List.of(
              () -> runner.createSession(CreateSessionRequest.getDefaultInstance()),
              () -> trip.fork(ForkSessionRequest.getDefaultInstance()),
              trip::delete);
      for (var call : sentOnce) {
        server.sessionFailures.add(Refusals.unavailable("0"));
        assertThrows(RunnerException.class, call::run);
      }
      assertEquals(List.of("create", "fork", "delete"), server.sessionCalls);
      server.sessionCalls.clear();
      List<Runnable> repeated =
          List.of(
              trip::get, () -> trip.rename("Lisbon"), () -> runner.sessions().iterator().hasNext());
      for (var call : repeated) {
        server.sessionFailures.add(Refusals.unavailable("0"));
        call.run();
      }
      assertEquals(List.of("get", "get", "update", "update", "list", "list"), server.sessionCalls);
    }
  }

  @Test
  void a_new_title_changes_nothing_else() {
    try (var server = new KeptServer();
        var runner = server.connect()) {
      assertEquals("Lisbon", runner.session("trip").rename("Lisbon").getTitle());
      assertEquals(List.of("title"), server.updates.get(0).getUpdateMask().getPathsList());
    }
  }

  @Test
  void a_fork_copies_this_session_whatever_the_request_says() {
    try (var server = new KeptServer();
        var runner = server.connect()) {
      var request = ForkSessionRequest.newBuilder().setId("another").setNewId("trip-2").build();
      assertEquals("trip-2", runner.session("trip").fork(request).getId());
      assertEquals("trip", server.forks.get(0).getId());
    }
  }

  @Test
  void a_list_asks_for_its_pages_as_they_are_read() {
    try (var server = new KeptServer();
        var runner = server.connect()) {
      server.pages.add(page("2", "a", "b"));
      server.pages.add(page("3"));
      server.pages.add(page("", "c"));
      var turns = runner.session("trip").turns().iterator();
      assertEquals("a", turns.next().getId());
      assertEquals(1, server.listRequests.size());
      var rest = new ArrayList<String>();
      turns.forEachRemaining(turn -> rest.add(turn.getId()));
      assertEquals(List.of("b", "c"), rest);
      assertEquals(
          List.of("", "2", "3"),
          server.listRequests.stream().map(ListTurnsRequest::getPageToken).toList());
      for (ListTurnsRequest request : server.listRequests) {
        assertEquals("trip", request.getSessionId());
        assertEquals(TurnView.TURN_VIEW_FULL, request.getView());
      }
    }
  }

  private static ListTurnsResponse page(String nextToken, String... ids) {
    var page = ListTurnsResponse.newBuilder().setNextPageToken(nextToken);
    for (String id : ids) {
      page.addTurns(io.github.clauderunner.v1.Turn.newBuilder().setId(id));
    }
    return page.build();
  }
}
