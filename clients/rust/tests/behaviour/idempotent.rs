//! Collected turns whose calls are sent again.

use std::time::Duration;

use claude_runner_client::tonic::{Code, Status};
use claude_runner_client::v1::{ChatRequest, ChatResponse, OnDisconnect};
use claude_runner_client::{Error, v1};
use tokio::time::{Instant, timeout};

use crate::scripted::{Server, Step, answer, broken, failing, waits_ms};

fn hello() -> Step {
    answer(&ChatResponse {
        text: "Hello".to_owned(),
        ..ChatResponse::default()
    })
}

/// A break that the client does not answer by sending the same attempt again.
fn away() -> Step {
    Step::Refuse(Status::unknown("connection refused"))
}

fn cut_behind_headers() -> Step {
    Step::Answer(Vec::new(), broken())
}

async fn run(server: &Server) -> Result<ChatResponse, Error> {
    server.client().chat("Hi").idempotent().await
}

/// Whether the waits are these, give or take a fifth.
fn are_about(waits_ms: &[u128], nominal_ms: &[u128]) -> bool {
    waits_ms.len() == nominal_ms.len()
        && waits_ms
            .iter()
            .zip(nominal_ms)
            .all(|(wait, nominal)| (nominal * 8 / 10..=nominal * 12 / 10 + 1).contains(wait))
}

#[tokio::test(start_paused = true)]
async fn it_is_sent_again_as_the_same_turn_although_its_answer_had_begun() {
    let server = Server::with([cut_behind_headers(), hello()]);
    assert_eq!(run(&server).await.unwrap().text, "Hello");
    let requests = server.calls(|call| call.request::<ChatRequest>());
    assert_eq!(requests[0], requests[1]);
    assert_eq!(requests[0].on_disconnect(), OnDisconnect::Continue);
    assert_eq!(requests[0].request_id.len(), 36);
}

#[tokio::test(start_paused = true)]
async fn it_keeps_its_callers_request_id_and_is_not_repeated_when_its_turn_failed() {
    let server = Server::with([Step::Answer(Vec::new(), failing(Code::Aborted, "WORKER_DIED"))]);
    let request = ChatRequest {
        request_id: "order-7".to_owned(),
        ..ChatRequest::from("Hi")
    };
    let error = server.client().chat(request).idempotent().await.unwrap_err();
    assert_eq!((error.reason_text(), server.call_count()), ("WORKER_DIED", 1));
    assert_eq!(
        server.calls(|call| call.request::<ChatRequest>().request_id),
        ["order-7"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_is_waited_for_with_growing_pauses() {
    let server = Server::with((0..7).map(|_| away()).chain([hello()]));
    assert_eq!(run(&server).await.unwrap().text, "Hello");
    let waits = waits_ms(&server);
    assert!(are_about(&waits, &[0, 200, 400, 800, 1_600, 3_200, 6_400]), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn it_is_given_up_after_a_minute_without_a_sign_of_the_turn() {
    let server = Server::with((0..100).map(|_| away()));
    let began = Instant::now();
    let error = run(&server).await.unwrap_err();
    let tried = began.elapsed();
    assert!(
        (Duration::from_secs(60)..Duration::from_secs(61)).contains(&tried),
        "{tried:?}"
    );
    assert_eq!(usize::try_from(error.attempt_count()).unwrap(), server.call_count());
    assert!(error.message().contains("connection refused"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_has_waited_for_long_when_its_connection_breaks_is_not_given_up() {
    let late = || Step::Late(Duration::from_secs(120), Status::unknown("the connection broke"));
    let server = Server::with([late(), hello()]);
    assert_eq!(run(&server).await.unwrap().text, "Hello");
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_a_turn_that_has_begun_does_not_say_that_it_may_be_sent_again() {
    let refused = (0..100).map(|_| Step::Refuse(broken()));
    let server = Server::with([cut_behind_headers()].into_iter().chain(refused));
    let error = run(&server).await.unwrap_err();
    assert_eq!((error.code(), error.may_retry()), (Code::Unavailable, false));
    assert!(error.message().contains("may still run"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_does_not_invite_to_run_again_what_has_begun() {
    let full = || (0..4).map(|_| Step::Refuse(failing(Code::Unavailable, "QUEUE_FULL")));
    let error = run(&Server::with([cut_behind_headers()].into_iter().chain(full()))).await;
    let error = error.unwrap_err();
    assert_eq!((error.reason_text(), error.may_retry()), ("QUEUE_FULL", false));
    assert!(run(&Server::with(full())).await.unwrap_err().may_retry());
}

#[tokio::test(start_paused = true)]
async fn headers_renew_the_minute_and_leave_the_pauses_growing() {
    let server = Server::with((0..20).map(|_| cut_behind_headers()).chain([hello()]));
    assert_eq!(run(&server).await.unwrap().text, "Hello");
    let waits = waits_ms(&server);
    let (first, rest) = waits.split_at(7);
    assert!(are_about(first, &[0, 200, 400, 800, 1_600, 3_200, 6_400]), "{first:?}");
    assert!(are_about(rest, &[10_000; 13]), "{rest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_no_calls_for_the_moment_is_waited_for() {
    for reason in ["POOL_DRAINING", "STORE_UNAVAILABLE"] {
        let refusals = |count| (0..count).map(|_| Step::Refuse(failing(Code::Unavailable, reason)));
        let server = Server::with(refusals(12).chain([hello()]));
        assert_eq!(run(&server).await.unwrap().text, "Hello");

        let error = run(&Server::with(refusals(100))).await.unwrap_err();
        assert_eq!(error.reason_text(), reason);
        assert!(error.may_retry(), "the server has refused it each time");
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_the_pauses_and_interrupts_the_turn() {
    let found = v1::GetTurnResponse {
        turn: Some(v1::Turn {
            id: "turn-1".to_owned(),
            ..v1::Turn::default()
        }),
        ..v1::GetTurnResponse::default()
    };
    let server = Server::with(
        (0..5)
            .map(|_| away())
            .chain([answer(&found), answer(&v1::InterruptTurnResponse::default())]),
    );
    let began = Instant::now();
    // In the pause before the sixth attempt: the fifth comes after 1.4 s, give or take a fifth.
    let call = server.client().chat("Hi").idempotent().timeout(Duration::from_secs(2));
    let error = timeout(Duration::from_secs(10), call).await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.attempt_count()), (Code::DeadlineExceeded, 5));
    assert_eq!(began.elapsed().as_secs(), 2);
    assert!(error.message().contains("connection refused"), "{error}");
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(
        server
            .calls(|call| call.path.rsplit('/').next().unwrap_or_default().to_owned())
            .last()
            .unwrap(),
        "InterruptTurn"
    );
}
