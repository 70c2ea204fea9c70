//! When a refused call is sent again. The rules by themselves are tested beside them, in `src/retry.rs`.

use std::time::Duration;

use claude_runner_client::tonic::{Code, Status};
use claude_runner_client::v1::{
    ChatResponse, CreateSessionRequest, CreateSessionResponse, DeleteSessionResponse, ForkSessionRequest,
    GetInfoResponse, GetPoolResponse, GetSessionResponse, StreamChatRequest,
};
use claude_runner_client::{Client, v1};
use claude_runner_client::{bytes::Bytes, prost::Message};
use tokio::time::{Instant, timeout};

use crate::scripted::{Server, Step, answer, ok, said, unavailable, waits_ms};

fn refused(pushback: Option<&'static str>) -> Step {
    Step::Refuse(unavailable(pushback))
}

#[tokio::test(start_paused = true)]
async fn a_refused_turn_is_sent_again_exactly_when_the_server_says() {
    let server = Server::with([
        refused(Some("1500")),
        refused(Some("0")),
        refused(Some("20")),
        said(&["Hi"]),
    ]);
    let mut turn = server.client().stream("Say hi").await.unwrap();
    assert_eq!(turn.collect_text().await.unwrap(), "Hi");
    assert_eq!(turn.attempt_count(), 4);
    assert_eq!(waits_ms(&server), [1500, 0, 20]);

    let prompts = server.calls(|call| call.request::<StreamChatRequest>().prompt);
    assert_eq!(prompts, ["Say hi"; 4]);
    let previous = server.calls(|call| call.headers.get("grpc-previous-rpc-attempts").cloned());
    assert_eq!(previous, [None, Some(1.into()), Some(2.into()), Some(3.into())]);
}

#[tokio::test(start_paused = true)]
async fn without_a_word_from_the_server_the_waits_grow_and_the_fourth_refusal_is_the_error() {
    let server = Server::with((0..4).map(|_| refused(None)));
    let error = server.client().stream("Hi").await.unwrap_err();
    assert_eq!((error.code(), error.attempt_count()), (Code::Unavailable, 4));
    assert!(error.may_retry(), "by the caller, later");
    for (wait_ms, nominal) in waits_ms(&server).into_iter().zip([200, 400, 800]) {
        assert!(
            (nominal * 8 / 10..=nominal * 12 / 10 + 1).contains(&wait_ms),
            "{wait_ms} for {nominal}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_the_server_says_not_to_repeat_is_not_repeated() {
    let server = Server::with([refused(Some("-1"))]);
    let error = server.client().stream("Hi").await.unwrap_err();
    assert_eq!(
        (error.code(), error.may_retry(), server.call_count()),
        (Code::Unavailable, false, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_repeated_once_the_answer_has_begun_streamed_or_collected() {
    let begun = || Step::Answer(vec![], unavailable(Some("0")));
    let server = Server::with([begun(), begun()]);
    let client = server.client();
    let streamed = client.stream("Hi").await.unwrap().result().await.unwrap_err();
    let collected = client.chat("Hi").await.unwrap_err();
    for error in [streamed, collected] {
        assert_eq!((error.code(), error.attempt_count()), (Code::Unavailable, 1));
        assert!(!error.may_retry());
    }
    assert_eq!(server.call_count(), 2);
}

#[tokio::test(start_paused = true)]
async fn only_unavailable_is_repeated() {
    let server = Server::with([Step::Refuse(Status::resource_exhausted("quota"))]);
    let error = server.client().stream("Hi").await.unwrap_err();
    assert_eq!(
        (error.code(), error.may_retry(), server.call_count()),
        (Code::ResourceExhausted, false, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn the_timeout_bounds_attempts_and_waits_together() {
    let began = Instant::now();
    let server = Server::with([refused(Some("400")), refused(Some("60000"))]);
    let error = server
        .client()
        .stream("Hi")
        .timeout(Duration::from_secs(1))
        .await
        .unwrap_err();
    assert_eq!((error.code(), error.attempt_count()), (Code::DeadlineExceeded, 2));
    assert_eq!(began.elapsed().as_secs(), 1);
    assert!(error.message().contains("queue is full"), "{error}");
    let told = server.calls(|call| call.headers["grpc-timeout"].to_str().unwrap().to_owned());
    assert_eq!(told, ["1000000u", "600000u"], "later attempts are told what is left");
}

#[tokio::test(start_paused = true)]
async fn dropping_a_call_that_waits_to_be_repeated_ends_it() {
    let server = Server::with([refused(Some("5000"))]);
    let call = server.client().stream("Hi");
    timeout(Duration::from_secs(1), call).await.unwrap_err();
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(server.call_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn it_can_be_turned_off_for_a_client_or_a_call() {
    let server = Server::with([refused(None), refused(None), refused(Some("1")), said(&["Hi"])]);
    let patient = server.client();
    let impatient = patient.clone().with_retry(false);
    assert_eq!(impatient.stream("Hi").await.unwrap_err().attempt_count(), 1);
    assert_eq!(patient.stream("Hi").retry(false).await.unwrap_err().attempt_count(), 1);
    assert_eq!(impatient.stream("Hi").retry(true).await.unwrap().attempt_count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_most_calls_gets_no_more_retries_until_calls_go_well_again() {
    let server = Server::with((0..5).map(|_| refused(Some("0"))));
    let client = server.client();
    assert_eq!(client.stream("Hi").await.unwrap_err().attempt_count(), 4);
    assert_eq!(
        client.clone().stream("Hi").await.unwrap_err().attempt_count(),
        1,
        "clones count together"
    );

    server.then((0..11).map(|_| said(&["Hi"])));
    for _ in 0..11 {
        client.stream("Hi").await.unwrap().result().await.unwrap();
    }
    server.then([refused(Some("0")), said(&["Hi"])]);
    assert_eq!(client.stream("Hi").await.unwrap().attempt_count(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_makes_copies_or_deletes_a_session_is_sent_once_unless_its_caller_says_otherwise() {
    let server = Server::with((0..3).map(|_| refused(Some("0"))));
    let client = server.client();
    let trip = client.session("trip");
    let create = client.create_session(CreateSessionRequest::default()).await;
    let fork = trip.fork(ForkSessionRequest::default()).await;
    let delete = trip.delete().await.map(|_| v1::Session::default());
    for end in [create, fork, delete] {
        assert_eq!(end.unwrap_err().attempt_count(), 1);
    }

    server.then([refused(Some("0")), answer(&CreateSessionResponse::default())]);
    let call = client.create_session(CreateSessionRequest::default()).retry(true);
    call.await.unwrap();

    // What looks at a session is repeated like any other call.
    server.then([refused(Some("0")), answer(&GetSessionResponse::default())]);
    trip.get().await.unwrap();
    server.then([answer(&DeleteSessionResponse::default())]);
    trip.delete().await.unwrap();
    assert_eq!(server.call_count(), 8);
}

#[tokio::test(start_paused = true)]
async fn every_other_call_of_the_client_is_repeated() {
    async fn second_answer<M: Message>(answer: M) -> (Server, Client) {
        let message = Bytes::from(answer.encode_to_vec());
        let server = Server::with([refused(Some("7")), Step::Answer(vec![message], ok())]);
        let client = server.client();
        (server, client)
    }
    let (server, client) = second_answer(ChatResponse {
        text: "Hi".to_owned(),
        ..ChatResponse::default()
    })
    .await;
    assert_eq!(
        (client.chat("Hi").await.unwrap().text.as_str(), waits_ms(&server)),
        ("Hi", vec![7])
    );

    let info = GetInfoResponse {
        tenant: "me".to_owned(),
        ..GetInfoResponse::default()
    };
    let (server, client) = second_answer(info.clone()).await;
    assert_eq!((client.info().await.unwrap(), waits_ms(&server)), (info, vec![7]));

    let (server, client) = second_answer(GetPoolResponse::default()).await;
    assert_eq!(
        (client.pool().await.unwrap(), waits_ms(&server)),
        (GetPoolResponse::default(), vec![7])
    );
}
