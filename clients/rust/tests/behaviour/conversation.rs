//! A conversation: what is sent as history, and which turns become a part of it.

use claude_runner_client::prost::Message;
use claude_runner_client::tonic::Status;
use claude_runner_client::v1::{
    ChatRequest, ChatResponse, HistoryMessage, Outcome, Role, StreamChatRequest, TurnResult,
};
use claude_runner_client::{Conversation, Event};

use crate::scripted::{Server, Step, ok, result, said, started, stream_of, text};

fn texts(messages: &[HistoryMessage]) -> Vec<&str> {
    messages.iter().map(|message| message.text.as_str()).collect()
}

async fn say(conversation: &mut Conversation, prompt: &str) -> String {
    conversation.stream(prompt).await.unwrap().collect_text().await.unwrap()
}

#[tokio::test]
async fn what_was_said_is_sent_with_the_next_prompt_and_the_template_with_each() {
    let server = Server::with([said(&["Hello", ", Ada"]), said(&["Ada"])]);
    let template = StreamChatRequest {
        profile: "coder".to_owned(),
        prompt: "unused".to_owned(),
        ..Default::default()
    };
    let mut conversation = server.client().conversation().with_template(template);
    say(&mut conversation, "I am Ada").await;
    assert_eq!(say(&mut conversation, "Who am I?").await, "Ada");

    let requests = server.calls(|call| call.request::<StreamChatRequest>());
    assert_eq!(requests[0].history, []);
    assert_eq!(texts(&requests[1].history), ["I am Ada", "Hello, Ada"]);
    assert_eq!(
        requests[1].history.iter().map(HistoryMessage::role).collect::<Vec<_>>(),
        [Role::User, Role::Assistant]
    );
    assert_eq!(
        (&requests[1].prompt[..], &requests[1].profile[..]),
        ("Who am I?", "coder")
    );
    assert_eq!(
        texts(&conversation.messages()),
        ["I am Ada", "Hello, Ada", "Who am I?", "Ada"]
    );
}

#[tokio::test]
async fn a_turn_that_failed_or_was_cancelled_or_refused_adds_nothing() {
    let begun = || stream_of([started(), text("Hel", 0)]);
    let server = Server::with([
        Step::Refuse(Status::invalid_argument("no")),
        Step::Answer(begun(), Status::aborted("the worker died")),
        Step::Stall(begun()),
        said(&["Hi"]),
    ]);
    let mut conversation = server.client().conversation();
    conversation.stream("refused").await.unwrap_err();
    conversation.stream("failed").await.unwrap().result().await.unwrap_err();
    conversation
        .stream("cancelled")
        .await
        .unwrap()
        .text()
        .next()
        .await
        .unwrap()
        .unwrap();
    say(&mut conversation, "good").await;
    assert_eq!(texts(&conversation.messages()), ["good", "Hi"]);
    assert_eq!(
        server.calls(|call| call.request::<StreamChatRequest>().history.len()),
        [0; 4]
    );
}

#[tokio::test]
async fn a_turn_that_a_limit_ended_is_kept_as_far_as_it_came() {
    let messages = stream_of([started(), text("cut of", 0), result(Outcome::OutputLimit)]);
    let server = Server::with([Step::Answer(messages, ok())]);
    let mut conversation = server.client().conversation();
    say(&mut conversation, "Hi").await;
    assert_eq!(texts(&conversation.messages()), ["Hi", "cut of"]);
}

#[tokio::test]
async fn an_answer_without_text_is_left_out_and_one_that_follows_a_schema_is_kept_as_its_json() {
    let structured = TurnResult {
        structured_output_json: r#"{"name":"Ada"}"#.to_owned(),
        ..TurnResult::default()
    };
    let server = Server::with([
        said(&[" ", "\n"]),
        Step::Answer(stream_of([started(), Event::Result(structured)]), ok()),
    ]);
    let mut conversation = server.client().conversation();
    say(&mut conversation, "Say nothing").await;
    assert_eq!(conversation.messages(), []);
    say(&mut conversation, "Who?").await;
    assert_eq!(texts(&conversation.messages()), ["Who?", r#"{"name":"Ada"}"#]);
}

#[tokio::test]
async fn it_goes_on_with_what_was_said_before_also_in_collected_turns() {
    let answer = ChatResponse {
        text: "Ada".to_owned(),
        ..ChatResponse::default()
    }
    .encode_to_vec();
    let server = Server::with([
        Step::Answer(vec![answer.into()], ok()),
        Step::Refuse(Status::invalid_argument("no")),
    ]);
    let before = [(Role::User, "I am Ada"), (Role::Assistant, "Hello")].map(|(role, text)| HistoryMessage {
        role: role.into(),
        text: text.to_owned(),
    });
    let mut conversation = server.client().conversation().with_messages(before.to_vec());
    assert_eq!(conversation.chat("Who am I?").await.unwrap().text, "Ada");
    conversation.chat("refused").await.unwrap_err();

    let requests = server.calls(|call| call.request::<ChatRequest>());
    assert_eq!(requests[0].history, before);
    assert_eq!(texts(&requests[1].history), ["I am Ada", "Hello", "Who am I?", "Ada"]);
    assert_eq!(conversation.messages(), requests[1].history);
}
