//! The calls that a turn is read by again, tried until one is taken.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use tokio::time::{Instant, sleep, timeout};
use tonic::{Status, Streaming};

use crate::attempts::Attempts;
use crate::rejoin::{AttachRefusal, Patience};
use crate::v1::attach_turn_response::Message;
use crate::v1::stream_chat_response::Event;
use crate::v1::{AttachTurnRequest, AttachTurnResponse, Gap, StreamChatRequest, StreamChatResponse, TurnState};
use crate::{Client, Error};

/// How long a try may take that was begun when the time was up.
const LAST_TRY: Duration = Duration::from_secs(1);

/// How the calls about one turn are made.
pub(crate) struct Way {
    pub(crate) client: Client,
    pub(crate) attempts: Attempts,
    /// Without its cursor.
    pub(crate) attach: AttachTurnRequest,
    pub(crate) patience: Duration,
}

/// A call that gives the turn's events.
pub(crate) enum Taken {
    /// The turn's own.
    Turn(Box<Streaming<StreamChatResponse>>),
    Attached(Box<Attachment>),
}

pub(crate) struct Attachment {
    stream: Streaming<AttachTurnResponse>,
    pub(crate) turn_id: String,
    /// The turn had ended when it was attached to, so nothing more will come.
    pub(crate) has_ended: bool,
}

/// How far a stream had come when it broke.
pub(crate) struct Broken {
    pub(crate) error: Error,
    pub(crate) since: Instant,
    /// The last event that was given.
    pub(crate) cursor: i32,
    /// The turn's own call, as long as nothing says that the server has it.
    pub(crate) unaccepted: Option<StreamChatRequest>,
}

impl Way {
    /// Tries until a call is taken, or it has been tried for long enough. With what is left of the patience.
    pub(crate) async fn join(
        self: Arc<Self>,
        broken: Broken,
        mut patience: Patience,
    ) -> Result<(Taken, Patience), Error> {
        let Broken {
            mut error,
            since,
            cursor,
            unaccepted,
        } = broken;
        let once = self.attempts.without_retry();
        let mut pushback = error.refusal().pushback;
        // Whether the server may have the turn: not as long as it has refused each of the turn's own calls.
        let mut may_run = unaccepted.is_none() || error.reason_text().is_empty();
        let given_up = |error: Error, may_run| if may_run { error.of_lost_turn() } else { error };
        loop {
            let Some(wait) = patience.next_wait(since.elapsed(), pushback, fastrand::f64()) else {
                return Err(given_up(error, may_run));
            };
            sleep(wait).await;
            let left = self.patience.saturating_sub(since.elapsed());
            let Ok(attached) = timeout(left.max(LAST_TRY), self.attach(cursor, &once)).await else {
                return Err(given_up(error, may_run));
            };
            error = match attached {
                Ok(attachment) => return Ok((Taken::Attached(Box::new(attachment)), patience)),
                Err(error) => error,
            };
            pushback = error.refusal().pushback;
            match AttachRefusal::of(error.code(), error.reason_text(), pushback) {
                AttachRefusal::ForNow => {}
                AttachRefusal::Final => return Err(error),
                AttachRefusal::NotFound => {
                    // A turn that was there and is not known any more is not run again.
                    let Some(request) = &unaccepted else { return Err(error) };
                    match self.client.send_stream(&self.attempts, request.clone()).await {
                        Ok(sent) => return Ok((Taken::Turn(Box::new(sent.answer)), patience)),
                        Err(broke) if broke.is_break() => {
                            may_run |= broke.reason_text().is_empty();
                            pushback = broke.refusal().pushback;
                            error = broke;
                        }
                        Err(refused) => return Err(refused),
                    }
                }
            }
        }
    }

    /// Resolves when the turn's state is there, which comes at once.
    pub(crate) async fn attach(&self, cursor: i32, attempts: &Attempts) -> Result<Attachment, Error> {
        let request = AttachTurnRequest {
            after_sequence: cursor,
            ..self.attach.clone()
        };
        let turns = self.client.turn_service();
        let sent = attempts.send(request, |request| {
            let mut turns = turns.clone();
            async move { turns.attach_turn(request).await }
        });
        let mut stream = sent.await?.answer;
        let state = match stream.message().await {
            Ok(Some(AttachTurnResponse {
                message: Some(Message::State(state)),
            })) => state,
            Ok(_) => return Err(Error::without_result(1)),
            Err(status) => return Err(Error::of_call(status, 1, true)),
        };
        Ok(Attachment {
            stream,
            has_ended: state.state() == TurnState::Ended,
            turn_id: state.id,
        })
    }
}

impl Taken {
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<StreamChatResponse, Status>>> {
        match self {
            Self::Turn(stream) => Pin::new(&mut **stream).poll_next(context),
            Self::Attached(attachment) => attachment.poll_next(context),
        }
    }
}

impl Attachment {
    /// Its events, and its gaps as events: the form that they have for a call that repeats another.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<StreamChatResponse, Status>>> {
        loop {
            let response = match ready!(Pin::new(&mut self.stream).poll_next(context)) {
                Some(Ok(response)) => response,
                Some(Err(status)) => return Poll::Ready(Some(Err(status))),
                None => return Poll::Ready(None),
            };
            match response.message {
                Some(Message::Event(event)) => return Poll::Ready(Some(Ok(event))),
                Some(Message::Gap(gap)) => return Poll::Ready(Some(Ok(self.event_of(gap)))),
                Some(Message::State(_) | Message::ReplayComplete(_)) | None => {}
            }
        }
    }

    fn event_of(&self, gap: Gap) -> StreamChatResponse {
        StreamChatResponse {
            sequence: gap.last_sequence,
            turn_id: self.turn_id.clone(),
            event: Some(Event::Gap(gap)),
            ..StreamChatResponse::default()
        }
    }
}
