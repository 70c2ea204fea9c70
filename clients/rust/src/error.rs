//! The one error of this crate: what a call failed with, and what the server says about it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tonic::{Code, Status};
use tonic_types::pb;

use crate::rejoin::is_break;
use crate::retry::Refusal;
use crate::transport;
use crate::v1::{ErrorReason, TurnResult};

pub(crate) const DOMAIN: &str = "claude-runner";

/// Why a call failed.
///
/// A turn that a limit or a refusal of the model ended is no error: its [`TurnResult`] says so in `outcome`. Cheap to
/// clone, and never contains the token.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    status: Status,
    /// What `status` explains, when the server did not send it.
    cause: Option<Status>,
    details: Details,
    attempt_count: u32,
    /// Whether an answer had begun: then the turn ran, and to send the request again is to run it twice.
    answer_begun: bool,
}

/// A rule that the request breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The field, such as `limits.max_cost_usd_micros`. Empty when it is about the request as a whole.
    pub field: String,
    /// What is wrong with it.
    pub description: String,
}

impl Error {
    /// gRPC's code. [`Code::Unavailable`] when the server cannot be reached or the connection broke,
    /// [`Code::DeadlineExceeded`] when the call's timeout passed, [`Code::InvalidArgument`] also for a mistake in what the
    /// client was built with.
    pub fn code(&self) -> Code {
        self.0.status.code()
    }

    /// The code as gRPC spells it: `UNAVAILABLE`.
    pub fn code_name(&self) -> &'static str {
        name_of(self.code())
    }

    /// Why the server refused or failed. [`ErrorReason::Unspecified`] when it was not the server that failed, and for a
    /// reason that this crate is too old to know: [`reason_text`](Self::reason_text) has it.
    pub fn reason(&self) -> ErrorReason {
        ErrorReason::from_str_name(&format!("ERROR_REASON_{}", self.reason_text())).unwrap_or_default()
    }

    /// The reason as text: `QUEUE_FULL`. Empty when the server gave none.
    pub fn reason_text(&self) -> &str {
        &self.0.details.reason
    }

    /// What happened, in words for a person. May change from version to version.
    pub fn message(&self) -> &str {
        self.0.status.message()
    }

    /// Every number of the message and what else belongs to the reason, the unit in the key: `waitedMs`.
    pub fn facts(&self) -> &BTreeMap<String, String> {
        &self.0.details.facts
    }

    /// How long to wait before it makes sense to try again, where the server knows.
    pub fn retry_delay(&self) -> Option<Duration> {
        self.0.details.retry_delay
    }

    /// Whether the same request may be sent again without running a turn twice: the code is UNAVAILABLE, the server does
    /// not forbid it, and no answer had begun. The client has then given up on its own retries.
    pub fn may_retry(&self) -> bool {
        !self.0.answer_begun && self.refusal().may_retry()
    }

    /// Every rule that the request breaks. Empty unless the reason is [`ErrorReason::InvalidRequest`].
    pub fn violations(&self) -> &[Violation] {
        &self.0.details.violations
    }

    /// What the turn used and cost before it failed, without its texts. `None` when it had not begun, or when the
    /// connection broke. A stream has given the same before, with texts, as its `result` event.
    pub fn result(&self) -> Option<&TurnResult> {
        self.0.details.result.as_ref()
    }

    /// How often the call was sent, retries included. 0: it was not sent.
    pub fn attempt_count(&self) -> u32 {
        self.0.attempt_count
    }

    /// The status as tonic gives it, with its metadata and details.
    pub fn status(&self) -> &Status {
        &self.0.status
    }

    pub(crate) fn refusal(&self) -> Refusal {
        Refusal::of(&self.0.status)
    }

    /// Whether an answer had begun: then the turn has run, as far as it got.
    pub(crate) fn answer_begun(&self) -> bool {
        self.0.answer_begun
    }

    /// Whether the call failed, and its turn did not.
    pub(crate) fn is_break(&self) -> bool {
        is_break(self.code(), self.reason_text())
    }

    /// Of a turn that may still run, and that could not be found again: to send its request anew is to run it twice.
    pub(crate) fn of_lost_turn(self) -> Self {
        let message = format!("the turn could not be rejoined, and may still run: {}", self.message());
        let (details, metadata) = (self.status().details().to_vec(), self.status().metadata().clone());
        let status = Status::with_details_and_metadata(self.code(), message, details.into(), metadata);
        self.changed(status, self.attempt_count(), true)
    }

    /// Of a call that was sent so often before the attempts that this error counts.
    pub(crate) fn after(self, earlier_attempt_count: u32) -> Self {
        let attempt_count = earlier_attempt_count + self.attempt_count();
        self.changed(self.status().clone(), attempt_count, self.answer_begun())
    }

    fn changed(&self, status: Status, attempt_count: u32, answer_begun: bool) -> Self {
        Self(Arc::new(Inner {
            details: Details::of(&status),
            status,
            cause: self.0.cause.clone(),
            attempt_count,
            answer_begun,
        }))
    }

    pub(crate) fn of_call(status: Status, attempt_count: u32, answer_begun: bool) -> Self {
        let (status, cause) = match transport::explained(&status) {
            Some(explained) => (explained, Some(status)),
            None => (status, None),
        };
        let details = Details::of(&status);
        Self(Arc::new(Inner {
            status,
            cause,
            details,
            attempt_count,
            answer_begun,
        }))
    }

    /// Of what the client was built with, before any call.
    pub(crate) fn of_setting(message: impl Into<String>) -> Self {
        Self::of_call(Status::invalid_argument(message), 0, false)
    }

    pub(crate) fn unreachable(address: &str, cause: &(dyn std::error::Error + 'static)) -> Self {
        let why = transport::chain_of(cause);
        let message = format!("cannot connect to {address}: {why}. Is a claude-runner serving there?");
        Self::of_call(Status::unavailable(message), 0, false)
    }

    pub(crate) fn deadline_exceeded(attempt_count: u32, refusal: Option<&Self>) -> Self {
        let message = match refusal {
            Some(refusal) => format!("the deadline passed before the call could be sent again after {refusal}"),
            None => "the deadline passed".to_owned(),
        };
        Self::of_call(Status::deadline_exceeded(message), attempt_count, true)
    }

    pub(crate) fn cancelled(attempt_count: u32) -> Self {
        Self::of_call(Status::cancelled("the caller cancelled the turn"), attempt_count, true)
    }

    pub(crate) fn without_result(attempt_count: u32) -> Self {
        let message = "the stream ended without a result: what came before may not be all";
        Self::of_call(Status::internal(message), attempt_count, true)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason_text() {
            "" => write!(f, "{}: {}", self.code_name(), self.message()),
            reason => write!(f, "{} ({reason}): {}", self.code_name(), self.message()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details {
            reason,
            facts,
            retry_delay,
            violations,
            result,
        } = &self.0.details;
        f.debug_struct("Error")
            .field("code", &self.code())
            .field("reason", reason)
            .field("message", &self.message())
            .field("facts", facts)
            .field("retry_delay", retry_delay)
            .field("may_retry", &self.may_retry())
            .field("violations", violations)
            .field("result", result)
            .field("attempt_count", &self.0.attempt_count)
            .finish()
    }
}

impl std::error::Error for Error {
    /// What broke the connection. `None` for what the server said.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_ref().and_then(std::error::Error::source)
    }
}

/// For calls of generated clients over a [`Connection`](crate::Connection): what went wrong there reads the same.
impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self::of_call(status, 1, false)
    }
}

/// For servers that call this one: the status goes on to their own caller.
impl From<Error> for Status {
    fn from(error: Error) -> Self {
        error.0.status.clone()
    }
}

/// What a status says beside its code and message.
#[derive(Debug, Default)]
struct Details {
    reason: String,
    facts: BTreeMap<String, String>,
    retry_delay: Option<Duration>,
    violations: Vec<Violation>,
    result: Option<TurnResult>,
}

impl Details {
    fn of(status: &Status) -> Self {
        // Details that cannot be read leave an error without details, which is still the error.
        let all = pb::Status::decode(status.details()).unwrap_or_default().details;
        let mut details = Self::default();
        for any in &all {
            match any.type_url.rsplit('/').next() {
                Some("google.rpc.ErrorInfo") => {
                    if let Some(info) = read::<pb::ErrorInfo>(any).filter(|info| info.domain == DOMAIN) {
                        details.reason = info.reason;
                        details.facts = info.metadata.into_iter().collect();
                    }
                }
                Some("google.rpc.RetryInfo") => {
                    let delay = read::<pb::RetryInfo>(any).and_then(|info| info.retry_delay);
                    details.retry_delay = delay.and_then(|delay| delay.try_into().ok());
                }
                Some("google.rpc.BadRequest") => {
                    let violations = read::<pb::BadRequest>(any).unwrap_or_default().field_violations;
                    details.violations = violations
                        .into_iter()
                        .map(|each| Violation {
                            field: each.field,
                            description: each.description,
                        })
                        .collect();
                }
                Some("claude.runner.v1.TurnResult") => details.result = read(any),
                _ => {}
            }
        }
        details
    }
}

fn read<M: Message + Default>(any: &prost_types::Any) -> Option<M> {
    M::decode(any.value.as_slice()).ok()
}

fn name_of(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
