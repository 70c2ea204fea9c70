//! A turn: events, text, result, and its end by whatever ends it.

use std::time::Duration;

use claude_runner_client::tonic::{Code, Status, metadata::MetadataMap};
use claude_runner_client::v1::{Outcome, Retracted, StreamChatRequest, StreamChatResponse};
use claude_runner_client::{Error, Event, Turn, bytes::Bytes, prost::Message};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout};

use crate::scripted::{Server, Step, ok, result, said, started, stream_of, text};

async fn events_of(turn: &mut Turn) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(event) = turn.next().await {
        events.push(event.unwrap().event.unwrap());
    }
    events
}

#[tokio::test]
async fn a_prompt_is_all_that_a_turn_needs_and_its_events_come_in_order() {
    let server = Server::with([said(&["Hel", "lo"])]);
    let mut turn = server.client().stream("Say hello").await.unwrap();
    assert_eq!(turn.turn_id(), "");

    let events = events_of(&mut turn).await;
    assert_eq!(
        events,
        [started(), text("Hel", 0), text("lo", 0), result(Outcome::Completed)]
    );
    assert_eq!((turn.turn_id(), turn.attempt_count()), ("turn-1", 1));
    assert_eq!(turn.started().unwrap().model, "claude-test");
    assert!(turn.next().await.is_none());

    let request = StreamChatRequest {
        prompt: "Say hello".to_owned(),
        ..StreamChatRequest::default()
    };
    assert_eq!(server.calls(|call| call.request::<StreamChatRequest>()), [request]);
    assert_eq!(
        server.calls(|call| call.path.clone()),
        ["/claude.runner.v1.ClaudeRunner/StreamChat"]
    );
}

#[tokio::test]
async fn metadata_of_a_call_goes_with_its_token() {
    fn metadata(pairs: &[(&'static str, &'static str)]) -> MetadataMap {
        let mut metadata = MetadataMap::new();
        for (key, value) in pairs {
            metadata.append(*key, value.parse().unwrap());
        }
        metadata
    }
    let server = Server::with([said(&["Hi"])]);
    let client = server.client().with_token("s3cret").unwrap();
    let call = client.stream("Hi").metadata(metadata(&[("x-a", "1"), ("x-b", "2")]));
    call.metadata(metadata(&[("x-b", "3")])).await.unwrap().cancel();
    let seen = server.calls(|call| ["authorization", "x-a", "x-b"].map(|key| call.headers[key].clone()));
    assert_eq!(seen, [["Bearer s3cret", "1", "3"]]);
}

#[tokio::test]
async fn events_of_a_kind_that_this_crate_does_not_know_are_skipped_and_counted() {
    let mut messages = stream_of([started(), text("Hi", 0), result(Outcome::Completed)]);
    let envelope = StreamChatResponse {
        sequence: 2,
        ..StreamChatResponse::default()
    };
    // Field 98 with an empty message: a case that a newer server may have.
    let unknown = [&envelope.encode_to_vec()[..], &[0x92, 0x06, 0x00]].concat();
    messages.insert(1, Bytes::from(unknown));

    let server = Server::with([Step::Answer(messages, ok())]);
    let mut turn = server.client().stream("Hi").await.unwrap();
    assert_eq!(events_of(&mut turn).await.len(), 3);
    assert_eq!(turn.unknown_event_count(), 1);
}

#[tokio::test]
async fn text_gives_every_piece_of_the_answer_and_collected_text_leaves_out_what_was_retracted() {
    let mut of_sub_agent = StreamChatResponse::decode(stream_of([text("not the answer", 0)])[0].clone()).unwrap();
    of_sub_agent.parent_tool_use_id = "tool-1".to_owned();
    let retracted = Event::Retracted(Retracted {
        from_block_index: 1,
        ..Retracted::default()
    });
    let mut messages = stream_of([
        started(),
        text("one ", 0),
        text("void ", 1),
        retracted,
        text("two", 1),
        result(Outcome::Completed),
    ]);
    messages.insert(2, of_sub_agent.encode_to_vec().into());

    let server = Server::with([Step::Answer(messages.clone(), ok()), Step::Answer(messages, ok())]);
    let mut turn = server.client().stream("Hi").await.unwrap();
    let pieces: Vec<String> = turn.text().map(Result::unwrap).collect().await;
    assert_eq!(pieces, ["one ", "void ", "two"]);
    assert_eq!(turn.collect_text().await.unwrap(), "one two");

    let mut unread = server.client().stream("Hi").await.unwrap();
    assert_eq!(unread.collect_text().await.unwrap(), "one two");
}

#[tokio::test]
async fn a_text_that_is_asked_for_anew_goes_on_where_the_turn_is() {
    let server = Server::with([said(&["a", "b", "c"])]);
    let mut turn = server.client().stream("Hi").await.unwrap();
    let mut pieces = Vec::new();
    while let Some(piece) = turn.text().next().await {
        pieces.push(piece.unwrap());
        assert_eq!(turn.text_so_far(), pieces.concat());
    }
    assert_eq!(pieces, ["a", "b", "c"]);
}

#[tokio::test]
async fn a_limit_that_ended_the_turn_is_a_result_and_no_error() {
    let messages = stream_of([started(), text("cut of", 0), result(Outcome::OutputLimit)]);
    let server = Server::with([Step::Answer(messages, ok())]);
    let mut turn = server.client().stream("Hi").await.unwrap();
    assert_eq!(turn.result().await.unwrap().outcome(), Outcome::OutputLimit);
    assert_eq!(
        turn.result().await.unwrap().outcome(),
        Outcome::OutputLimit,
        "as often as it is asked"
    );
}

#[tokio::test]
async fn dropping_a_turn_cancels_it() {
    let server = Server::with([Step::Stall(stream_of([started(), text("Hel", 0)]))]);
    let mut turn = server.client().stream("Hi").await.unwrap();
    assert_eq!(turn.text().next().await.unwrap().unwrap(), "Hel");
    drop(turn);
    server.cancelled().await;
}

#[tokio::test]
async fn a_turn_that_was_cancelled_has_no_more_events_and_says_so_and_keeps_what_was_read() {
    let server = Server::with([Step::Stall(stream_of([started(), text("Hel", 0)])), said(&["Hi"])]);
    let mut turn = server.client().stream("Hi").await.unwrap();
    turn.text().next().await.unwrap().unwrap();
    turn.cancel();
    server.cancelled().await;
    assert!(turn.next().await.is_none());
    let error = turn.result().await.unwrap_err();
    assert_eq!(
        (error.code(), error.may_retry(), &turn.text_so_far()[..]),
        (Code::Cancelled, false, "Hel")
    );

    let mut over = server.client().stream("Hi").await.unwrap();
    over.result().await.unwrap();
    over.cancel();
    assert_eq!(over.collect_text().await.unwrap(), "Hi", "too late to cancel");
}

#[tokio::test]
async fn dropping_a_call_that_has_no_answer_yet_cancels_it() {
    let server = Server::with([Step::Silence]);
    let call = server.client().stream("Hi");
    tokio::select! {
        biased;
        _ = call => unreachable!("the server is silent"),
        () = std::future::ready(()) => {}
    }
    server.cancelled().await;
    assert_eq!(server.call_count(), 1);
}

#[tokio::test]
async fn a_failed_turn_gives_its_result_first_and_its_error_last_and_then_each_time() {
    let messages = stream_of([started(), result(Outcome::WorkerDied)]);
    let server = Server::with([Step::Answer(messages, Status::aborted("the worker died"))]);
    let mut turn = server.client().stream("Hi").await.unwrap();
    let items: Vec<Result<StreamChatResponse, Error>> = turn.by_ref().collect().await;
    assert_eq!(items.len(), 3);
    assert_eq!(items[1].as_ref().unwrap().event, Some(result(Outcome::WorkerDied)));
    assert_eq!(items[2].as_ref().unwrap_err().code(), Code::Aborted);
    for _ in 0..2 {
        assert_eq!(turn.result().await.unwrap_err().message(), "the worker died");
    }
    assert_eq!(turn.collect_text().await.unwrap_err().code(), Code::Aborted);
}

#[tokio::test]
async fn a_stream_that_ends_well_without_a_result_is_an_error_since_text_may_be_missing() {
    let server = Server::with([Step::Answer(stream_of([started(), text("Hel", 0)]), ok())]);
    let mut turn = server.client().stream("Hi").await.unwrap();
    let last = turn.by_ref().collect::<Vec<_>>().await.pop().unwrap();
    let error = last.unwrap_err();
    assert_eq!((error.code(), error.may_retry()), (Code::Internal, false));
}

#[tokio::test(start_paused = true)]
async fn the_timeout_ends_a_turn_that_is_streaming_and_the_server_was_told_of_it() {
    let began = Instant::now();
    let server = Server::with([Step::Stall(stream_of([started(), text("Hel", 0)]))]);
    let mut turn = server
        .client()
        .stream("Hi")
        .timeout(Duration::from_secs(30))
        .await
        .unwrap();
    let end = timeout(Duration::from_secs(60), turn.result())
        .await
        .expect("the turn ends by itself");
    let error = end.unwrap_err();
    assert_eq!((error.code(), began.elapsed().as_secs()), (Code::DeadlineExceeded, 30));
    assert!(!error.may_retry());
    server.cancelled().await;
    assert_eq!(turn.text_so_far(), "Hel");
    let told = server.calls(|call| call.headers["grpc-timeout"].to_str().unwrap().to_owned());
    assert_eq!(told, ["30000000u"]);
}

#[tokio::test(start_paused = true)]
async fn the_timeout_ends_a_call_that_nobody_answers() {
    let began = Instant::now();
    let server = Server::with([Step::Silence, Step::Silence]);
    let error = server
        .client()
        .stream("Hi")
        .timeout(Duration::from_secs(3))
        .await
        .unwrap_err();
    assert_eq!((error.code(), error.attempt_count()), (Code::DeadlineExceeded, 1));
    server.cancelled().await;
    let error = server
        .client()
        .chat("Hi")
        .timeout(Duration::from_secs(3))
        .await
        .unwrap_err();
    assert_eq!((error.code(), began.elapsed().as_secs()), (Code::DeadlineExceeded, 6));
}
