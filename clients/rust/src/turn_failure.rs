//! What the call of a turn fails with, told from the turn's result: for a turn that was read again by a call that goes well
//! whatever came of it.

use prost::Message;
use prost_types::Any;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_types::pb;

use crate::error::DOMAIN;
use crate::v1::{ErrorReason, Outcome, TurnResult};

/// How far the turn had come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reached<'t> {
    pub(crate) turn_id: &'t str,
    pub(crate) last_sequence: i32,
    /// Whether text or a tool use had been streamed, or may be in a gap.
    pub(crate) has_content: bool,
}

/// The status that the turn's own call has ended with, or `None` when that is OK.
pub(crate) fn status_of(result: &TurnResult, reached: Reached<'_>) -> Option<Status> {
    let error = result.error.clone().unwrap_or_default();
    let reason = match ErrorReason::try_from(error.reason) {
        Ok(ErrorReason::Unspecified) => usual_reason(result.outcome())?,
        Ok(told) => told,
        // A newer server's, which must not be taken for a failure on the way.
        Err(_) => ErrorReason::Internal,
    };
    let code = code_of(reason, reached.has_content);
    let message = if error.message.is_empty() {
        "the turn failed".to_owned()
    } else {
        error.message
    };
    let details = details_of(reason, result, reached, code, &message);
    let mut metadata = MetadataMap::new();
    // As the server says of every turn that Claude Code has got.
    metadata.insert("grpc-retry-pushback-ms", (-1).into());
    Some(Status::with_details_and_metadata(
        code,
        message,
        details.into(),
        metadata,
    ))
}

/// Why a turn has ended so, when its result does not say. `None`: it has ended well.
fn usual_reason(outcome: Outcome) -> Option<ErrorReason> {
    Some(match outcome {
        Outcome::Cancelled => ErrorReason::Cancelled,
        Outcome::DeadlineExceeded => ErrorReason::DeadlineExceeded,
        Outcome::UpstreamError => ErrorReason::UpstreamUnknown,
        Outcome::WorkerDied => ErrorReason::WorkerDied,
        Outcome::Drained => ErrorReason::Drained,
        Outcome::ClientStalled => ErrorReason::ClientStalled,
        Outcome::InternalError => ErrorReason::Internal,
        Outcome::Lost => ErrorReason::TurnLost,
        Outcome::Interrupted => ErrorReason::TurnInterrupted,
        _ => return None,
    })
}

/// The code once Claude Code has the prompt, as error.proto has it. When the model API failed it is ABORTED once the caller
/// has content.
fn code_of(reason: ErrorReason, has_content: bool) -> Code {
    use ErrorReason as Reason;
    if has_content && reason.as_str_name().starts_with("ERROR_REASON_UPSTREAM_") {
        return Code::Aborted;
    }
    match reason {
        Reason::Cancelled => Code::Cancelled,
        Reason::DeadlineExceeded => Code::DeadlineExceeded,
        Reason::WorkerDied
        | Reason::Drained
        | Reason::ClientStalled
        | Reason::TurnLost
        | Reason::TurnInterrupted
        | Reason::UpstreamConflict => Code::Aborted,
        Reason::UpstreamInvalidRequest | Reason::UpstreamContextTooLong | Reason::UpstreamRequestTooLarge => {
            Code::InvalidArgument
        }
        Reason::ContextFull | Reason::SessionSuspended | Reason::UpstreamBilling | Reason::UpstreamAuth => {
            Code::FailedPrecondition
        }
        Reason::UpstreamModelNotFound => Code::NotFound,
        Reason::UpstreamRateLimited | Reason::UpstreamUsageLimit => Code::ResourceExhausted,
        Reason::StoreUnavailable
        | Reason::UpstreamOverloaded
        | Reason::Upstream5xx
        | Reason::UpstreamUnreachable
        | Reason::UpstreamTimeout => Code::Unavailable,
        // INTERNAL, and the rest of UPSTREAM_.
        _ => Code::Internal,
    }
}

fn details_of(reason: ErrorReason, result: &TurnResult, reached: Reached<'_>, code: Code, message: &str) -> Vec<u8> {
    let facts = [
        ("turnId", Some(reached.turn_id.to_owned())),
        ("lastSequence", Some(reached.last_sequence.to_string())),
        (
            "httpStatus",
            result
                .error
                .as_ref()
                .and_then(|error| error.http_status)
                .map(|status| status.to_string()),
        ),
    ];
    let facts = facts
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let info = pb::ErrorInfo {
        reason: reason.as_str_name().trim_start_matches("ERROR_REASON_").to_owned(),
        domain: DOMAIN.to_owned(),
        metadata: facts.collect(),
    };
    let without_texts = TurnResult {
        text: String::new(),
        text_truncated: result.text_size_bytes > 0,
        structured_output: None,
        structured_output_json: String::new(),
        permission_denials: Vec::new(),
        refusal_explanation: String::new(),
        ..result.clone()
    };
    let details = vec![
        any("google.rpc.ErrorInfo", &info),
        any("claude.runner.v1.TurnResult", &without_texts),
    ];
    pb::Status {
        code: code.into(),
        message: message.to_owned(),
        details,
    }
    .encode_to_vec()
}

fn any(name: &str, message: &impl Message) -> Any {
    Any {
        type_url: format!("type.googleapis.com/{name}"),
        value: message.encode_to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use crate::v1::TurnError;

    fn error_of(outcome: Outcome, reason: ErrorReason, has_content: bool) -> Option<Error> {
        let result = TurnResult {
            outcome: outcome.into(),
            text: "said so far".to_owned(),
            text_size_bytes: 11,
            cost_usd_micros: 7,
            error: Some(TurnError {
                reason: reason.into(),
                message: "what happened".to_owned(),
                http_status: Some(503),
                ..TurnError::default()
            }),
            ..TurnResult::default()
        };
        let reached = Reached {
            turn_id: "turn-1",
            last_sequence: 9,
            has_content,
        };
        status_of(&result, reached).map(|status| Error::of_call(status, 1, true))
    }

    #[test]
    fn the_error_reads_as_the_one_that_the_turns_own_call_ends_with() {
        let error = error_of(Outcome::WorkerDied, ErrorReason::WorkerDied, true).unwrap();
        assert_eq!((error.code(), error.reason()), (Code::Aborted, ErrorReason::WorkerDied));
        assert_eq!((error.message(), error.may_retry()), ("what happened", false));
        assert_eq!(error.facts()["turnId"], "turn-1");
        assert_eq!(error.facts()["lastSequence"], "9");
        assert_eq!(error.facts()["httpStatus"], "503");
        let result = error.result().unwrap();
        assert_eq!(
            (result.cost_usd_micros, &result.text[..], result.text_truncated),
            (7, "", true)
        );
    }

    #[test]
    fn a_failure_of_the_model_api_has_its_own_code_until_there_was_content() {
        for (reason, code) in [
            (ErrorReason::UpstreamRateLimited, Code::ResourceExhausted),
            (ErrorReason::UpstreamOverloaded, Code::Unavailable),
            (ErrorReason::UpstreamAuth, Code::FailedPrecondition),
            (ErrorReason::UpstreamInvalidRequest, Code::InvalidArgument),
            (ErrorReason::UpstreamModelNotFound, Code::NotFound),
            (ErrorReason::UpstreamConflict, Code::Aborted),
            (ErrorReason::UpstreamUnknown, Code::Internal),
        ] {
            let before = error_of(Outcome::UpstreamError, reason, false).unwrap();
            assert_eq!(
                (before.code(), before.reason(), before.may_retry()),
                (code, reason, false)
            );
            let after = error_of(Outcome::UpstreamError, reason, true).unwrap();
            assert_eq!((after.code(), after.reason()), (Code::Aborted, reason));
        }
    }

    #[test]
    fn an_outcome_that_ends_a_call_well_is_no_error() {
        for outcome in [
            Outcome::Completed,
            Outcome::Refused,
            Outcome::CostLimit,
            Outcome::Incomplete,
        ] {
            assert!(
                error_of(outcome, ErrorReason::Unspecified, true).is_none(),
                "{outcome:?}"
            );
        }
    }

    #[test]
    fn an_outcome_without_a_reason_has_the_one_that_belongs_to_it() {
        for (outcome, reason) in [
            (Outcome::Cancelled, ErrorReason::Cancelled),
            (Outcome::Lost, ErrorReason::TurnLost),
            (Outcome::Interrupted, ErrorReason::TurnInterrupted),
        ] {
            let error = error_of(outcome, ErrorReason::Unspecified, true).unwrap();
            assert_eq!(error.reason(), reason);
        }
    }

    #[test]
    fn the_reason_has_the_code_whatever_the_outcome() {
        for (reason, code) in [
            (ErrorReason::ContextFull, Code::FailedPrecondition),
            (ErrorReason::SessionSuspended, Code::FailedPrecondition),
            (ErrorReason::StoreUnavailable, Code::Unavailable),
            (ErrorReason::TurnInterrupted, Code::Aborted),
            (ErrorReason::Cancelled, Code::Cancelled),
            (ErrorReason::DeadlineExceeded, Code::DeadlineExceeded),
        ] {
            for outcome in [Outcome::UpstreamError, Outcome::InternalError] {
                let error = error_of(outcome, reason, true).unwrap();
                assert_eq!((error.code(), error.reason()), (code, reason));
            }
        }
    }

    #[test]
    fn a_reason_of_a_newer_server_is_a_failure_of_the_turn_all_the_same() {
        let result = TurnResult {
            outcome: Outcome::UpstreamError.into(),
            error: Some(TurnError {
                reason: 9_999,
                ..TurnError::default()
            }),
            ..TurnResult::default()
        };
        let reached = Reached {
            turn_id: "turn-1",
            last_sequence: 9,
            has_content: false,
        };
        let status = status_of(&result, reached).unwrap();
        let error = Error::of_call(status, 1, true);
        assert_eq!((error.code(), error.reason()), (Code::Internal, ErrorReason::Internal));
    }
}
