//! Turns whose connection breaks, seen as one stream.

use std::time::Duration;

use claude_runner_client::tonic::Code;
use claude_runner_client::v1::attach_turn_request::Turn as Named;
use claude_runner_client::v1::attach_turn_response::Message as Attached;
use claude_runner_client::v1::{
    AttachTurnRequest, Detail, Gap, GetTurnResponse, Heartbeat, InterruptTurnRequest, InterruptTurnResponse,
    OnDisconnect, Outcome, StreamChatRequest, TurnError, TurnResult,
};
use claude_runner_client::{Client, Event, Turn, TurnName, v1};
use tokio::time::Instant;

use crate::scripted::{
    Server, Step, answer, attached, broken, failing, numbered, ok, result, said, started, stream_of, text,
};

async fn begin(client: &Client) -> Turn {
    client.stream("Hi").rejoin().await.unwrap()
}

/// All events, which have to be without an error, with their numbers.
async fn events_of(turn: &mut Turn) -> Vec<(i32, Event)> {
    let mut events = Vec::new();
    while let Some(response) = turn.next().await {
        let response = response.unwrap();
        events.push((response.sequence, response.event.unwrap()));
    }
    events
}

fn attach_requests(server: &Server) -> Vec<AttachTurnRequest> {
    let attaches = server.calls(|call| call.path.ends_with("/AttachTurn").then(|| call.request()));
    attaches.into_iter().flatten().collect()
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_again_and_again_has_no_seam() {
    let server = Server::with([
        Step::Answer(stream_of([started(), text("a", 0)]), broken()),
        Step::Answer(attached([numbered(3, text("b", 0))]), broken()),
        Step::Refuse(broken()),
        // What was given before is not given again.
        Step::Answer(
            attached([
                numbered(3, text("b", 0)),
                numbered(4, text("c", 0)),
                numbered(5, result(Outcome::Completed)),
            ]),
            ok(),
        ),
    ]);
    let mut turn = begin(&server.client()).await;
    let events = events_of(&mut turn).await;
    let numbers: Vec<i32> = events.iter().map(|(sequence, _)| *sequence).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    assert_eq!(turn.collect_text().await.unwrap(), "abc");
    assert_eq!(turn.result().await.unwrap().outcome(), Outcome::Completed);
    assert!(!turn.has_gap());

    let begun = server.calls(|call| {
        call.path
            .ends_with("/StreamChat")
            .then(|| call.request::<StreamChatRequest>())
    });
    let request = begun.into_iter().flatten().next().unwrap();
    assert_eq!(request.on_disconnect(), OnDisconnect::Continue);
    let attaches = attach_requests(&server);
    let cursors: Vec<i32> = attaches.iter().map(|attach| attach.after_sequence).collect();
    assert_eq!(cursors, [2, 3, 3]);
    for attach in attaches {
        assert_eq!(attach.turn, Some(Named::RequestId(request.request_id.clone())));
        assert_eq!(attach.detail(), Detail::Standard, "no more than the call asked for");
    }
}

#[tokio::test(start_paused = true)]
async fn heartbeats_repeat_a_number_and_are_given_all_the_same() {
    let beat = || Event::Heartbeat(Heartbeat::default());
    let server = Server::with([
        Step::Answer(stream_of([started(), text("a", 0)]), broken()),
        Step::Answer(
            attached([
                numbered(2, beat()),
                numbered(2, beat()),
                numbered(3, result(Outcome::Completed)),
            ]),
            ok(),
        ),
    ]);
    let events = events_of(&mut begin(&server.client()).await).await;
    let numbers: Vec<i32> = events.iter().map(|(sequence, _)| *sequence).collect();
    assert_eq!(numbers, [1, 2, 2, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn heartbeats_of_a_turn_that_waits_are_not_given() {
    let server = Server::with([
        Step::Refuse(unretried()),
        Step::Answer(
            attached([
                numbered(0, Event::Heartbeat(Heartbeat::default())),
                numbered(1, started()),
                numbered(2, result(Outcome::Completed)),
            ]),
            ok(),
        ),
    ]);
    let events = events_of(&mut begin(&server.client()).await).await;
    assert_eq!(events, [(1, started()), (2, result(Outcome::Completed))]);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_was_too_slow_goes_on_where_it_was() {
    let server = Server::with([
        Step::Answer(
            stream_of([started(), text("a", 0)]),
            failing(Code::Aborted, "READER_BEHIND"),
        ),
        Step::Answer(attached([numbered(3, result(Outcome::Completed))]), ok()),
    ]);
    assert_eq!(events_of(&mut begin(&server.client()).await).await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_cut_off_without_a_status_is_rejoined_too() {
    let server = Server::with([
        Step::Answer(stream_of([started(), text("a", 0)]), ok()),
        Step::Answer(attached([numbered(3, result(Outcome::Completed))]), ok()),
    ]);
    assert_eq!(events_of(&mut begin(&server.client()).await).await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_after_the_result_costs_nothing() {
    let server = Server::with([Step::Answer(
        stream_of([started(), result(Outcome::Completed)]),
        broken(),
    )]);
    let mut turn = begin(&server.client()).await;
    assert_eq!(turn.result().await.unwrap().outcome(), Outcome::Completed);
    assert_eq!(server.call_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_shown_and_said() {
    let gap = Gap {
        first_sequence: 3,
        last_sequence: 5,
    };
    let server = Server::with([
        Step::Answer(stream_of([started(), text("a", 0)]), broken()),
        Step::Answer(
            attached([Attached::Gap(gap), numbered(6, result(Outcome::Completed))]),
            ok(),
        ),
    ]);
    let mut turn = begin(&server.client()).await;
    assert_eq!(events_of(&mut turn).await[2], (5, Event::Gap(gap)));
    assert!(turn.has_gap());
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_failed_fails_with_the_same_error_after_it_was_rejoined() {
    let failed = Event::Result(TurnResult {
        outcome: Outcome::WorkerDied.into(),
        error: Some(TurnError {
            reason: v1::ErrorReason::WorkerDied.into(),
            message: "the worker died".to_owned(),
            ..TurnError::default()
        }),
        ..TurnResult::default()
    });
    let server = Server::with([
        Step::Answer(stream_of([started(), text("a", 0)]), broken()),
        Step::Answer(attached([numbered(3, failed)]), ok()),
    ]);
    let mut turn = begin(&server.client()).await;
    let error = turn.result().await.unwrap_err();
    assert_eq!((error.code(), error.reason_text()), (Code::Aborted, "WORKER_DIED"));
    assert_eq!((error.message(), error.may_retry()), ("the worker died", false));
    assert_eq!(error.facts()["turnId"], "turn-1");
    assert_eq!(error.result().unwrap().outcome(), Outcome::WorkerDied);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_never_began_fails_the_call_with_what_it_failed_with() {
    let server = Server::with([
        Step::Refuse(unretried()),
        Step::Answer(attached([]), failing(Code::Unavailable, "QUEUE_TIMEOUT")),
    ]);
    let error = server.client().stream("Hi").rejoin().await.unwrap_err();
    assert_eq!(error.reason_text(), "QUEUE_TIMEOUT");
}

#[tokio::test(start_paused = true)]
async fn a_conversation_goes_on_with_what_a_rejoined_turn_said_even_where_its_events_are_gone() {
    let gap = Gap {
        first_sequence: 3,
        last_sequence: 3,
    };
    let whole = Event::Result(TurnResult {
        outcome: Outcome::Completed.into(),
        text: "Hello, Ada.".to_owned(),
        ..TurnResult::default()
    });
    let server = Server::with([
        Step::Answer(stream_of([started(), text("Hello", 0)]), broken()),
        Step::Answer(attached([Attached::Gap(gap), numbered(4, whole)]), ok()),
    ]);
    let mut conversation = server.client().conversation();
    conversation
        .stream("I am Ada.")
        .rejoin()
        .await
        .unwrap()
        .result()
        .await
        .unwrap();
    let said: Vec<String> = conversation
        .messages()
        .into_iter()
        .map(|message| message.text)
        .collect();
    assert_eq!(said, ["I am Ada.", "Hello, Ada."]);
}

/// A break that the client does not answer by sending the call again.
fn unretried() -> claude_runner_client::tonic::Status {
    claude_runner_client::tonic::Status::unknown("the connection broke")
}

#[tokio::test(start_paused = true)]
async fn a_call_that_the_server_never_had_is_sent_again_with_its_request_id() {
    let server = Server::with([
        Step::Refuse(unretried()),
        Step::Refuse(failing(Code::NotFound, "TURN_NOT_FOUND")),
        said(&["Hi"]),
    ]);
    assert_eq!(begin(&server.client()).await.collect_text().await.unwrap(), "Hi");
    let paths = server.calls(|call| call.path.rsplit('/').next().unwrap_or_default().to_owned());
    assert_eq!(paths, ["StreamChat", "AttachTurn", "StreamChat"]);
    let sent = server.calls(|call| {
        call.path
            .ends_with("/StreamChat")
            .then(|| call.request::<StreamChatRequest>())
    });
    let sent: Vec<StreamChatRequest> = sent.into_iter().flatten().collect();
    assert_eq!(sent[0], sent[1]);
    assert!(!sent[0].request_id.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_was_there_and_is_not_known_any_more_is_not_run_again() {
    let server = Server::with([
        Step::Answer(stream_of([started()]), broken()),
        Step::Refuse(failing(Code::NotFound, "TURN_NOT_FOUND")),
    ]);
    let mut turn = begin(&server.client()).await;
    assert_eq!(turn.result().await.unwrap_err().reason_text(), "TURN_NOT_FOUND");
    assert_eq!(server.call_count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_the_server_refuses_is_refused_at_once() {
    let server = Server::with([Step::Refuse(failing(Code::InvalidArgument, "INVALID_REQUEST"))]);
    let error = server.client().stream("").rejoin().await.unwrap_err();
    assert_eq!(error.reason_text(), "INVALID_REQUEST");
    assert_eq!(server.call_count(), 1, "there is nothing to interrupt");
}

#[tokio::test(start_paused = true)]
async fn it_is_given_up_when_nothing_comes_for_long_enough() {
    let refusals = (0..100).map(|_| Step::Refuse(broken()));
    let server = Server::with(
        [Step::Answer(stream_of([started()]), broken())]
            .into_iter()
            .chain(refusals),
    );
    let call = server.client().stream("Hi").rejoin_for(Duration::from_secs(20));
    let mut turn = call.await.unwrap();
    let began = Instant::now();
    let error = turn.result().await.unwrap_err();
    assert_eq!((error.code(), error.may_retry()), (Code::Unavailable, false));
    assert!(error.message().contains("may still run"), "{error}");
    let tried = began.elapsed();
    assert!(
        (Duration::from_secs(20)..Duration::from_secs(21)).contains(&tried),
        "{tried:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_the_tries_and_interrupts_the_turn() {
    let refusals = (0..100).map(|_| Step::Refuse(broken()));
    let server = Server::with(
        [Step::Answer(stream_of([started()]), broken())]
            .into_iter()
            .chain(refusals),
    );
    let call = server.client().stream("Hi").rejoin().timeout(Duration::from_secs(5));
    let mut turn = call.await.unwrap();
    let error = turn.result().await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(
        server
            .calls(|call| call.path.ends_with("/InterruptTurn"))
            .contains(&true)
    );
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_while_the_turn_waits_interrupts_it_too() {
    let server = Server::with([Step::Silence, Step::Refuse(failing(Code::NotFound, "TURN_NOT_FOUND"))]);
    let call = server.client().stream("Hi").rejoin().timeout(Duration::from_secs(5));
    assert_eq!(call.await.unwrap_err().code(), Code::DeadlineExceeded);
    tokio::time::sleep(Duration::from_millis(1)).await;
    let paths = server.calls(|call| call.path.rsplit('/').next().unwrap_or_default().to_owned());
    assert_eq!(paths, ["StreamChat", "GetTurn"]);
}

#[tokio::test]
async fn dropping_or_cancelling_a_turn_interrupts_it() {
    let leaves: [fn(Turn); 2] = [drop, |mut turn| turn.cancel()];
    for leave in leaves {
        let server = Server::with([
            Step::Stall(stream_of([started()])),
            answer(&InterruptTurnResponse::default()),
        ]);
        leave(begin(&server.client()).await);
        while server.call_count() < 2 {
            tokio::task::yield_now().await;
        }
        let request = server.calls(|call| call.path.ends_with("/InterruptTurn").then(|| call.request()));
        let turn_id = "turn-1".to_owned();
        assert_eq!(request[1], Some(InterruptTurnRequest { turn_id }));
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_before_its_answer_interrupts_the_turn_by_its_request_id() {
    let found = GetTurnResponse {
        turn: Some(v1::Turn {
            id: "turn-1".to_owned(),
            ..v1::Turn::default()
        }),
        ..GetTurnResponse::default()
    };
    let server = Server::with([Step::Silence, answer(&found), answer(&InterruptTurnResponse::default())]);
    let call = server.client().stream("Hi").rejoin();
    tokio::select! {
        biased;
        _ = call => unreachable!("the server is silent"),
        () = std::future::ready(()) => {}
    }
    while server.call_count() < 3 {
        tokio::task::yield_now().await;
    }
    let request = server.calls(|call| call.path.ends_with("/InterruptTurn").then(|| call.request()));
    let turn_id = "turn-1".to_owned();
    assert_eq!(request[2], Some(InterruptTurnRequest { turn_id }));
}

#[tokio::test(start_paused = true)]
async fn a_turn_of_somebody_else_is_read_from_an_event_on_and_goes_on_without_its_reader() {
    let server = Server::with([
        Step::Answer(attached([numbered(3, text("b", 0))]), broken()),
        Step::Stall(attached([numbered(4, text("c", 0))])),
    ]);
    let request = AttachTurnRequest {
        after_sequence: 2,
        ..TurnName::id("turn-1").into()
    };
    let mut turn = server.client().attach(request).await.unwrap();
    assert_eq!(turn.turn_id(), "turn-1");
    assert_eq!(turn.next().await.unwrap().unwrap().sequence, 3);
    assert_eq!(turn.next().await.unwrap().unwrap().sequence, 4);
    turn.cancel();
    server.cancelled().await;
    let cursors: Vec<i32> = attach_requests(&server)
        .iter()
        .map(|attach| attach.after_sequence)
        .collect();
    assert_eq!(cursors, [2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_no_calls_for_the_moment_is_waited_for_from_the_first_call_on() {
    for reason in ["POOL_DRAINING", "STORE_UNAVAILABLE"] {
        let away = || failing(Code::Unavailable, reason);
        let server = Server::with([
            Step::Refuse(away()),
            Step::Refuse(failing(Code::NotFound, "TURN_NOT_FOUND")),
            Step::Refuse(away()),
            Step::Refuse(away()),
            Step::Refuse(failing(Code::NotFound, "TURN_NOT_FOUND")),
            Step::Answer(stream_of([started()]), broken()),
            Step::Answer(attached([]), away()),
            Step::Answer(attached([numbered(2, result(Outcome::Completed))]), ok()),
        ]);
        // Without the call's own retry, which comes first.
        let mut turn = server.client().stream("Hi").rejoin().retry(false).await.unwrap();
        assert_eq!(events_of(&mut turn).await.len(), 2);
        let paths = server.calls(|call| call.path.rsplit('/').next().unwrap_or_default().to_owned());
        let (stream, attach) = ("StreamChat", "AttachTurn");
        assert_eq!(paths, [stream, attach, stream, attach, attach, stream, attach, attach]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_the_server_has_refused_each_time_may_be_sent_again() {
    let server = Server::with((0..100).map(|_| Step::Refuse(failing(Code::Unavailable, "POOL_DRAINING"))));
    let began = Instant::now();
    let error = server.client().stream("Hi").rejoin().await.unwrap_err();
    assert_eq!((error.reason_text(), error.may_retry()), ("POOL_DRAINING", true));
    assert!(began.elapsed() >= Duration::from_secs(60), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_the_server_said_last_is_in_the_error_of_a_turn_that_is_given_up() {
    let away = (0..100).map(|_| Step::Refuse(failing(Code::Unavailable, "STORE_UNAVAILABLE")));
    let server = Server::with([Step::Answer(stream_of([started()]), broken())].into_iter().chain(away));
    let error = begin(&server.client()).await.result().await.unwrap_err();
    assert_eq!((error.reason_text(), error.may_retry()), ("STORE_UNAVAILABLE", false));
    assert!(error.message().contains("may still run"), "{error}");
}
