//! A collected turn whose call is sent again when its connection breaks: by its request id the server knows that it is the
//! same turn.
//!
//! What counts as broken, and for how long it is tried, is decided in `rejoin`.

use tokio::time::{Instant, sleep, sleep_until};
use tonic::Code;

use crate::attempts::Attempts;
use crate::call::Options;
use crate::interrupt::InterruptOnDrop;
use crate::rejoin::{DEFAULT_PATIENCE, Patience};
use crate::request_id::name_request;
use crate::v1::{ChatRequest, ChatResponse};
use crate::{Client, Error};

/// Runs the turn, and interrupts it when its caller leaves or the deadline passes.
pub(crate) async fn chat_again(
    client: Client,
    mut request: ChatRequest,
    options: Options,
) -> Result<ChatResponse, Error> {
    let turn = name_request(&mut request.request_id, &mut request.on_disconnect);
    let attempts = client.attempts(options);
    let mut interrupt = InterruptOnDrop::new(client.clone(), &attempts, turn);
    let end = until_final(&client, &attempts, &request).await;
    let has_turn_left = end
        .as_ref()
        .err()
        .is_some_and(|error| error.code() == Code::DeadlineExceeded);
    if !has_turn_left {
        interrupt.release();
    }
    end
}

async fn until_final(client: &Client, attempts: &Attempts, request: &ChatRequest) -> Result<ChatResponse, Error> {
    // Signs of the turn do not renew it: pauses grow after connections that break behind the headers as well.
    let mut patience = Patience::of(DEFAULT_PATIENCE);
    // When the connection broke over which the turn last gave a sign of itself, which the headers are, or else when the
    // first one did: a turn that waits for long is silent.
    let mut quiet_since = None;
    let mut attempt_count = 0;
    // Whether any answer had begun: then the turn has run. And whether the server may have the turn, which it has not if it
    // has refused each attempt.
    let (mut has_begun, mut may_run) = (false, false);
    loop {
        let error = match client.send_chat(attempts, request.clone()).await {
            Ok(sent) => return Ok(sent.ended_well()),
            Err(error) => error.after(attempt_count),
        };
        attempt_count = error.attempt_count();
        if error.answer_begun() {
            has_begun = true;
            quiet_since = None;
        }
        let quiet = quiet_since.get_or_insert_with(Instant::now).elapsed();
        may_run |= has_begun || error.reason_text().is_empty();
        let wait = if error.is_break() {
            patience.next_wait(quiet, error.refusal().pushback, fastrand::f64())
        } else {
            None
        };
        let Some(wait) = wait else {
            // It must not invite to run a second time what may have run.
            let is_lost = if error.is_break() {
                may_run
            } else {
                has_begun && error.may_retry()
            };
            return Err(if is_lost { error.of_lost_turn() } else { error });
        };
        match attempts.deadline() {
            Some(deadline) if Instant::now() + wait >= deadline => {
                sleep_until(deadline).await;
                return Err(Error::deadline_exceeded(attempt_count, Some(&error)));
            }
            _ => sleep(wait).await,
        }
    }
}
