//! What a broken connection means in gRPC's codes.
//!
//! tonic gives most of them as UNKNOWN or CANCELLED. Here they are what every other gRPC client says, since the code
//! decides whether a call is sent again.

use std::error::Error;

use tonic::{Code, Status, TimeoutExpired};

/// A status that the server did not send, in gRPC's terms: what happened to the connection. `None`: the server sent it.
pub(crate) fn explained(status: &Status) -> Option<Status> {
    let cause = status.source()?;
    let code = code_of(cause).unwrap_or(status.code());
    let message = match code {
        Code::DeadlineExceeded => "the deadline passed".to_owned(),
        _ => format!("the connection failed: {}", chain_of(cause)),
    };
    Some(Status::new(code, message))
}

fn code_of(cause: &(dyn Error + 'static)) -> Option<Code> {
    if causes(cause).any(|each| each.is::<TimeoutExpired>()) {
        return Some(Code::DeadlineExceeded);
    }
    if let Some(error) = causes(cause).find_map(|each| each.downcast_ref::<h2::Error>()) {
        return Some(code_of_http2(error));
    }
    // Cancelled by hyper: the connection was gone before the call was written to it.
    let is_lost = |each: &(dyn Error + 'static)| {
        each.is::<std::io::Error>()
            || each.downcast_ref::<hyper::Error>().is_some_and(|error| {
                error.is_canceled() || error.is_closed() || error.is_timeout() || error.is_incomplete_message()
            })
    };
    causes(cause).any(is_lost).then_some(Code::Unavailable)
}

/// As gRPC's specification maps them. What ends the whole connection is UNAVAILABLE, whatever its reason.
fn code_of_http2(error: &h2::Error) -> Code {
    if !error.is_reset() {
        return Code::Unavailable;
    }
    match error.reason() {
        Some(h2::Reason::REFUSED_STREAM) => Code::Unavailable,
        Some(h2::Reason::CANCEL) => Code::Cancelled,
        Some(h2::Reason::ENHANCE_YOUR_CALM) => Code::ResourceExhausted,
        Some(h2::Reason::INADEQUATE_SECURITY) => Code::PermissionDenied,
        _ => Code::Internal,
    }
}

fn causes<'e>(first: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(first), |&cause| cause.source())
}

/// All causes in words, without those that only repeat the next.
pub(crate) fn chain_of(cause: &(dyn Error + 'static)) -> String {
    let mut words: Vec<String> = Vec::new();
    for text in causes(cause).map(ToString::to_string) {
        if !words.last().is_some_and(|last| last.contains(&text)) {
            words.push(text);
        }
    }
    words.join(": ")
}
