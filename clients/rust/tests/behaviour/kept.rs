//! Sessions and turns that the server keeps.

use std::collections::HashMap;
use std::time::Duration;

use claude_runner_client::tonic::Code;
use claude_runner_client::v1::{
    BusyPolicy, ChatRequest, ChatResponse, DeleteSessionRequest, DeleteSessionResponse, ForkSessionRequest,
    ForkSessionResponse, ListTurnsRequest, ListTurnsResponse, SessionRef, StreamChatRequest, TurnView,
    UpdateSessionRequest, UpdateSessionResponse,
};
use claude_runner_client::{SessionUpdate, prost_types, v1};

use crate::scripted::{Server, Step, answer, failing, said};

fn session(id: &str) -> Option<v1::Session> {
    Some(v1::Session {
        id: id.to_owned(),
        ..v1::Session::default()
    })
}

#[tokio::test]
async fn the_first_turn_of_a_session_may_create_it_and_later_ones_may_not() {
    let refused = Step::Refuse(failing(Code::FailedPrecondition, "SESSION_BUSY"));
    let server = Server::with([refused, said(&["one"]), said(&["two"])]);
    let labels = HashMap::from([("team".to_owned(), "blue".to_owned())]);
    let trip = server.client().session("trip");
    let trip = trip.with_title("A trip").with_labels(labels.clone());
    let trip = trip
        .with_idle_expiry(Duration::from_secs(90))
        .with_busy_policy(BusyPolicy::Queue);

    assert_eq!(trip.stream("one").await.unwrap_err().reason_text(), "SESSION_BUSY");
    assert_eq!(trip.stream("one").await.unwrap().collect_text().await.unwrap(), "one");
    assert_eq!(
        trip.clone().stream("two").await.unwrap().collect_text().await.unwrap(),
        "two"
    );

    let reference = |allow_missing| {
        Some(SessionRef {
            id: "trip".to_owned(),
            allow_missing,
            title: "A trip".to_owned(),
            labels: labels.clone(),
            idle_expiry: Some(prost_types::Duration { seconds: 90, nanos: 0 }),
        })
    };
    let requests = server.calls(|call| call.request::<StreamChatRequest>());
    let sent: Vec<_> = requests.iter().map(|request| request.session.clone()).collect();
    assert_eq!(sent, [reference(true), reference(true), reference(false)]);
    assert_eq!(requests[2].busy_policy(), BusyPolicy::Queue);
    assert_eq!(requests[2].prompt, "two");
}

#[tokio::test]
async fn a_session_that_has_to_be_there_is_not_created() {
    let server = Server::with([Step::Refuse(failing(Code::NotFound, "SESSION_NOT_FOUND"))]);
    let error = server
        .client()
        .session("trip")
        .existing()
        .stream("Hi")
        .await
        .unwrap_err();
    assert_eq!(error.reason_text(), "SESSION_NOT_FOUND");
    let sent = server.calls(|call| call.request::<StreamChatRequest>().session.unwrap().allow_missing);
    assert_eq!(sent, [false]);
}

#[tokio::test]
async fn an_update_names_what_it_changes_and_nothing_else() {
    let server = Server::with([answer(&UpdateSessionResponse {
        session: session("trip"),
    })]);
    let update = SessionUpdate {
        title: Some(String::new()),
        ..SessionUpdate::default()
    };
    let updated = server.client().session("trip").update(update).await.unwrap();
    assert_eq!(updated.id, "trip");
    let request = server.calls(|call| call.request::<UpdateSessionRequest>()).remove(0);
    assert_eq!(request.update_mask.unwrap().paths, ["title"]);
}

#[tokio::test]
async fn a_handle_does_not_begin_anew_what_it_has_deleted() {
    let gone = || Step::Refuse(failing(Code::NotFound, "SESSION_NOT_FOUND"));
    let deleted = || answer(&DeleteSessionResponse::default());
    let server = Server::with([said(&["one"]), deleted(), gone(), deleted(), gone()]);
    let trip = server.client().session("trip");
    trip.stream("one").await.unwrap().result().await.unwrap();
    trip.delete_by_force().await.unwrap();
    assert_eq!(trip.stream("two").await.unwrap_err().reason_text(), "SESSION_NOT_FOUND");
    let unused = server.client().session("trip");
    unused.delete().await.unwrap();
    unused.stream("three").await.unwrap_err();

    let delete = server.calls(|call| call.path.ends_with("/DeleteSession").then(|| call.request()));
    let id = "trip".to_owned();
    assert_eq!(delete[1], Some(DeleteSessionRequest { id, force: true }));
    let streams = server.calls(|call| {
        let request = call
            .path
            .ends_with("/StreamChat")
            .then(|| call.request::<StreamChatRequest>());
        Some(request?.session?.allow_missing)
    });
    let may_create: Vec<bool> = streams.into_iter().flatten().collect();
    assert_eq!(may_create, [true, false, false]);
}

#[tokio::test]
async fn the_busy_policy_is_the_handles_and_without_one_the_requests() {
    let chatted = || answer(&ChatResponse::default());
    let server = Server::with([said(&["one"]), chatted(), said(&["one"]), chatted()]);
    let plain = server.client().session("trip");
    let decided = plain.clone().with_busy_policy(BusyPolicy::Interrupt);
    for session in [plain, decided] {
        let request = StreamChatRequest {
            busy_policy: BusyPolicy::Queue.into(),
            ..StreamChatRequest::from("Hi")
        };
        let mut turn = session.stream(request.clone()).await.unwrap();
        turn.result().await.unwrap();
        session.chat(request).await.unwrap();
    }
    let policies = server.calls(|call| match call.path.ends_with("/Chat") {
        true => call.request::<ChatRequest>().busy_policy(),
        false => call.request::<StreamChatRequest>().busy_policy(),
    });
    let (queue, interrupt) = (BusyPolicy::Queue, BusyPolicy::Interrupt);
    assert_eq!(policies, [queue, queue, interrupt, interrupt]);
}

#[tokio::test]
async fn a_fork_copies_this_session_whatever_the_request_says() {
    let server = Server::with([answer(&ForkSessionResponse {
        session: session("trip-2"),
    })]);
    let request = ForkSessionRequest {
        id: "another".to_owned(),
        new_id: "trip-2".to_owned(),
        ..ForkSessionRequest::default()
    };
    let copy = server.client().session("trip").fork(request).await.unwrap();
    assert_eq!(copy.id, "trip-2");
    assert_eq!(server.calls(|call| call.request::<ForkSessionRequest>().id), ["trip"]);
}

#[tokio::test]
async fn a_list_asks_for_its_pages_as_they_are_read_and_an_error_ends_it() {
    let page = |ids: &[&str], next: &str| {
        answer(&ListTurnsResponse {
            turns: ids
                .iter()
                .map(|id| v1::Turn {
                    id: (*id).to_owned(),
                    ..v1::Turn::default()
                })
                .collect(),
            next_page_token: next.to_owned(),
        })
    };
    let server = Server::with([page(&["a", "b"], "2"), page(&[], "3"), page(&["c"], "")]);
    let mut turns = server.client().session("trip").turns();
    assert_eq!(turns.next().await.unwrap().unwrap().id, "a");
    assert_eq!(server.call_count(), 1);
    let rest: Vec<String> = turns.collect().await.unwrap().into_iter().map(|turn| turn.id).collect();
    assert_eq!(rest, ["b", "c"]);
    let requests = server.calls(|call| call.request::<ListTurnsRequest>());
    let tokens: Vec<&str> = requests.iter().map(|request| &*request.page_token).collect();
    assert_eq!(tokens, ["", "2", "3"]);
    for request in &requests {
        assert_eq!((&*request.session_id, request.view()), ("trip", TurnView::Full));
    }

    server.then([
        page(&["a"], "2"),
        Step::Refuse(failing(Code::NotFound, "SESSION_NOT_FOUND")),
    ]);
    let mut turns = server.client().session("trip").turns();
    turns.next().await.unwrap().unwrap();
    assert_eq!(
        turns.next().await.unwrap().unwrap_err().reason_text(),
        "SESSION_NOT_FOUND"
    );
    assert!(turns.next().await.is_none());
}
