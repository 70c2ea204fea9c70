//! What an error tells of the status that the server sent.

use std::time::Duration;

use claude_runner_client::Error;
use claude_runner_client::prost::Message;
use claude_runner_client::prost_types::Any;
use claude_runner_client::tonic::{Code, Status};
use claude_runner_client::v1::{ErrorReason, Outcome, TurnResult};
use tonic_types::pb;

use crate::scripted::{Server, Step};

fn any(type_name: &str, message: &impl Message) -> Any {
    Any {
        type_url: format!("type.googleapis.com/{type_name}"),
        value: message.encode_to_vec(),
    }
}

fn info(reason: &str, domain: &str) -> Any {
    let metadata = [("waiting", "64"), ("limit", "64")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let info = pb::ErrorInfo {
        reason: reason.to_owned(),
        domain: domain.to_owned(),
        metadata: metadata.into(),
    };
    any("google.rpc.ErrorInfo", &info)
}

async fn error_of(code: Code, details: Vec<Any>) -> Error {
    let status = pb::Status {
        code: code.into(),
        message: "what happened".to_owned(),
        details,
    };
    let status = Status::with_details(code, "what happened", status.encode_to_vec().into());
    Server::with([Step::Refuse(status)])
        .client()
        .with_retry(false)
        .stream("Hi")
        .await
        .unwrap_err()
}

#[tokio::test]
async fn an_error_tells_everything_that_the_status_says() {
    let retry_delay = Some(claude_runner_client::prost_types::Duration {
        seconds: 1,
        nanos: 500_000_000,
    });
    let error = error_of(
        Code::Unavailable,
        vec![
            info("QUEUE_FULL", "claude-runner"),
            any("google.rpc.RetryInfo", &pb::RetryInfo { retry_delay }),
        ],
    )
    .await;
    assert_eq!((error.code(), error.code_name()), (Code::Unavailable, "UNAVAILABLE"));
    assert_eq!(
        (error.reason(), error.reason_text()),
        (ErrorReason::QueueFull, "QUEUE_FULL")
    );
    assert_eq!(
        error.facts().iter().collect::<Vec<_>>(),
        [
            (&"limit".to_owned(), &"64".to_owned()),
            (&"waiting".to_owned(), &"64".to_owned())
        ]
    );
    assert_eq!(error.retry_delay(), Some(Duration::from_millis(1500)));
    assert!(error.may_retry());
    assert!(error.violations().is_empty() && error.result().is_none());
    assert_eq!(error.to_string(), "UNAVAILABLE (QUEUE_FULL): what happened");
    assert!(std::error::Error::source(&error).is_none());
}

#[tokio::test]
async fn every_violation_of_a_refused_request_is_there() {
    let violation = |field: &str| pb::bad_request::FieldViolation {
        field: field.to_owned(),
        description: "is wrong".to_owned(),
        ..pb::bad_request::FieldViolation::default()
    };
    let bad = pb::BadRequest {
        field_violations: vec![violation("prompt"), violation("limits.max_duration")],
    };
    let details = vec![
        info("INVALID_REQUEST", "claude-runner"),
        any("google.rpc.BadRequest", &bad),
    ];
    let error = error_of(Code::InvalidArgument, details).await;
    let violations: Vec<_> = error
        .violations()
        .iter()
        .map(|each| (&each.field[..], &each.description[..]))
        .collect();
    assert_eq!(
        violations,
        [("prompt", "is wrong"), ("limits.max_duration", "is wrong")]
    );
}

#[tokio::test]
async fn a_turn_that_failed_tells_what_it_cost() {
    let result = TurnResult {
        outcome: Outcome::UpstreamError.into(),
        cost_usd_micros: 42,
        ..TurnResult::default()
    };
    let error = error_of(Code::Aborted, vec![any("claude.runner.v1.TurnResult", &result)]).await;
    assert_eq!(error.result(), Some(&result));
}

#[tokio::test]
async fn a_reason_that_this_crate_does_not_know_is_there_as_text() {
    let error = error_of(Code::Aborted, vec![info("BRAND_NEW", "claude-runner")]).await;
    assert_eq!(
        (error.reason(), error.reason_text()),
        (ErrorReason::Unspecified, "BRAND_NEW")
    );
}

#[tokio::test]
async fn what_others_on_the_way_put_into_a_status_is_not_taken_for_the_servers() {
    let error = error_of(Code::Unavailable, vec![info("QUEUE_FULL", "proxy.example")]).await;
    assert_eq!(
        (error.reason(), error.reason_text(), error.facts().len()),
        (ErrorReason::Unspecified, "", 0)
    );
}

#[tokio::test]
async fn details_that_cannot_be_read_leave_the_error_itself() {
    let status = Status::with_details(Code::Internal, "what happened", (&b"\xff\xff\xff"[..]).into());
    let error = Server::with([Step::Refuse(status)])
        .client()
        .stream("Hi")
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "INTERNAL: what happened");
    assert_eq!(Status::from(error).code(), Code::Internal, "as a server passes it on");
}
