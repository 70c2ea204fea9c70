//! A turn that is running: its events as they come, its text, its result. Dropping it cancels it.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Streaming;

use crate::answer_text::AnswerText;
use crate::attempts::Sent;
use crate::call::Options;
use crate::conversation::Keep;
use crate::events::Events;
use crate::rejoining::Rejoining;
use crate::retry::Throttle;
use crate::v1::stream_chat_response::Event;
use crate::v1::{AttachTurnRequest, Started, StreamChatRequest, StreamChatResponse, TurnResult};
use crate::{Client, Error};

/// A turn. As a [`Stream`] it gives the typed events in order, without those of a kind that this crate does not know, and
/// an error as its last item when the turn failed.
///
/// Dropping it before its end cancels the turn: Claude Code is interrupted, and its worker is free again. The turn's text is
/// kept as it is read, which the request's `limits.max_output_bytes` bounds, or else the profile's.
#[must_use = "dropping a turn cancels it"]
pub struct Turn {
    state: State,
    deadline: Option<Pin<Box<Sleep>>>,
    attempt_count: u32,
    throttle: Option<Arc<Throttle>>,
    keep: Option<Keep>,
    seen: Seen,
}

// open -> ended [the stream's end, an error, the deadline, cancel]
enum State {
    Open(Events),
    Ended(Result<Box<TurnResult>, Error>),
}

/// What the events told so far.
#[derive(Default)]
pub(crate) struct Seen {
    unknown_event_count: u32,
    turn_id: String,
    started: Option<Started>,
    pub(crate) result: Option<Box<TurnResult>>,
    text: AnswerText,
    /// Whether there was text or a tool use, or may have been.
    pub(crate) has_content: bool,
    has_gap: bool,
}

impl Turn {
    pub(crate) fn new(sent: Sent<Streaming<StreamChatResponse>>) -> Self {
        let turn_id = sent.turn_id().to_owned();
        let Sent {
            answer,
            attempt_count,
            deadline,
            throttle,
            headers: _,
        } = sent;
        let stream = Box::new(answer);
        let events = Events::OfOneCall { stream, attempt_count };
        Self {
            attempt_count,
            throttle,
            ..Self::of(events, turn_id, deadline)
        }
    }

    /// One that is rejoined when its connection breaks.
    pub(crate) async fn rejoined(
        client: Client,
        request: StreamChatRequest,
        options: Options,
        patience: Duration,
    ) -> Result<Self, Error> {
        let rejoining = Rejoining::begin(client, request, options, patience).await?;
        Ok(Self::of_rejoining(rejoining))
    }

    /// One that another call has begun.
    pub(crate) async fn attached(client: Client, request: AttachTurnRequest, options: Options) -> Result<Self, Error> {
        let rejoining = Rejoining::read(client, request, options).await?;
        Ok(Self::of_rejoining(rejoining))
    }

    fn of_rejoining(rejoining: Rejoining) -> Self {
        let (turn_id, deadline) = (rejoining.turn_id().to_owned(), rejoining.deadline());
        Self {
            attempt_count: rejoining.attempt_count(),
            throttle: rejoining.throttle(),
            ..Self::of(Events::Rejoining(Box::new(rejoining)), turn_id, deadline)
        }
    }

    fn of(events: Events, turn_id: String, deadline: Option<Instant>) -> Self {
        Self {
            state: State::Open(events),
            deadline: deadline.map(|at| Box::pin(sleep_until(at))),
            attempt_count: 1,
            throttle: None,
            keep: None,
            seen: Seen {
                turn_id,
                ..Seen::default()
            },
        }
    }

    /// Adds what was said to a conversation once the turn has ended well.
    pub(crate) fn kept_by(self, keep: Keep) -> Self {
        Self {
            keep: Some(keep),
            ..self
        }
    }

    /// The next event, or `None` after the last one.
    pub async fn next(&mut self) -> Option<Result<StreamChatResponse, Error>> {
        poll_fn(|context| self.poll_event(context)).await
    }

    /// The answer's text piece by piece, as a stream that begins where this turn is now. It can be made anew for each
    /// piece.
    ///
    /// Text that the server retracts later has been given already; [`collect_text`](Self::collect_text) and the result
    /// leave it out. What sub-agents write is in the events only.
    pub fn text(&mut self) -> Text<'_> {
        Text { turn: self }
    }

    /// Reads to the end of the turn and gives all of its text, also what was read before, without what was retracted.
    pub async fn collect_text(&mut self) -> Result<String, Error> {
        self.result().await?;
        Ok(self.text_so_far())
    }

    /// All text that was read so far, without what was retracted.
    pub fn text_so_far(&self) -> String {
        self.seen.text.whole()
    }

    /// Reads to the end of the turn and gives its result. A turn that failed gives its error, each time.
    pub async fn result(&mut self) -> Result<&TurnResult, Error> {
        while self.next().await.is_some() {}
        match &self.state {
            State::Ended(Ok(result)) => Ok(result),
            State::Ended(Err(error)) => Err(error.clone()),
            State::Open(_) => unreachable!("bug: a turn is open after its last event"),
        }
    }

    /// Ends the turn now, as dropping it does: there are no more events, and [`result`](Self::result) gives an error with
    /// [`Code::Cancelled`](tonic::Code::Cancelled). What was read before stays. Nothing happens when the turn is over.
    pub fn cancel(&mut self) {
        if matches!(self.state, State::Open(_)) {
            self.fail(Error::cancelled(self.attempt_count));
        }
    }

    /// The turn's id, as in the server's logs and spans: from the headers on, which servers send before the first event.
    pub fn turn_id(&self) -> &str {
        &self.seen.turn_id
    }

    /// How the turn began. `None` before the first event.
    pub fn started(&self) -> Option<&Started> {
        self.seen.started.as_ref()
    }

    /// Whether the server no longer had some of the events: then the text that was read is incomplete, and the result has it,
    /// up to 256 KiB. Only of a turn that was rejoined or attached to, or whose request repeats another one's `request_id`.
    pub fn has_gap(&self) -> bool {
        self.seen.has_gap
    }

    /// How many events were skipped so far because this crate does not know their kind.
    pub fn unknown_event_count(&self) -> u32 {
        self.seen.unknown_event_count
    }

    /// How often the call was sent until the server took it. 1: without a retry.
    pub fn attempt_count(&self) -> u32 {
        self.attempt_count
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<StreamChatResponse, Error>>> {
        loop {
            let State::Open(events) = &mut self.state else {
                return Poll::Ready(None);
            };
            // Before the events: a server that is never out of them does not get more time.
            if let Some(deadline) = &mut self.deadline
                && deadline.as_mut().poll(context).is_ready()
            {
                let error = Error::deadline_exceeded(self.attempt_count, None);
                return Poll::Ready(Some(Err(self.fail(error))));
            }
            let error = match ready!(events.poll_next(context, &self.seen)) {
                Some(Ok(event)) if self.seen.take_note(&event) => return Poll::Ready(Some(Ok(event))),
                Some(Ok(_unknown)) => continue,
                Some(Err(error)) => error,
                None => match self.seen.result.take() {
                    Some(result) => {
                        self.succeed(result);
                        return Poll::Ready(None);
                    }
                    None => Error::without_result(self.attempt_count),
                },
            };
            return Poll::Ready(Some(Err(self.fail(error))));
        }
    }

    fn succeed(&mut self, result: Box<TurnResult>) {
        if let Some(throttle) = &self.throttle {
            throttle.succeeded();
        }
        if let Some(keep) = self.keep.take() {
            let text = if self.seen.has_gap {
                String::new()
            } else {
                self.text_so_far()
            };
            keep.answered(&[&text, &result.text, &result.structured_output_json]);
        }
        self.end(Ok(result));
    }

    fn fail(&mut self, error: Error) -> Error {
        self.end(Err(error.clone()));
        error
    }

    /// Closes the stream, which cancels a call that is not over.
    fn end(&mut self, end: Result<Box<TurnResult>, Error>) {
        self.state = State::Ended(end);
        self.deadline = None;
    }
}

impl Seen {
    /// Whether the event is of a known kind.
    fn take_note(&mut self, response: &StreamChatResponse) -> bool {
        if self.turn_id.is_empty() {
            self.turn_id.clone_from(&response.turn_id);
        }
        let is_main = response.parent_tool_use_id.is_empty();
        match &response.event {
            None => {
                self.unknown_event_count += 1;
                return false;
            }
            Some(Event::Started(started)) => self.started = Some(started.clone()),
            Some(Event::Result(result)) => self.result = Some(Box::new(result.clone())),
            Some(Event::Gap(_)) => {
                self.has_gap = true;
                self.has_content = true;
            }
            Some(Event::ToolUse(_)) => self.has_content = true,
            Some(Event::TextDelta(delta)) => {
                self.has_content = true;
                if is_main {
                    self.text.add(delta);
                }
            }
            Some(Event::Retracted(retracted)) if is_main => self.text.retract(retracted),
            Some(_) => {}
        }
        true
    }
}

impl Stream for Turn {
    type Item = Result<StreamChatResponse, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_event(context)
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn")
            .field("turn_id", &self.seen.turn_id)
            .field("is_over", &matches!(self.state, State::Ended(_)))
            .finish_non_exhaustive()
    }
}

/// The text of a turn, piece by piece. Made by [`Turn::text`].
#[derive(Debug)]
pub struct Text<'t> {
    turn: &'t mut Turn,
}

impl Text<'_> {
    /// The next piece, or `None` after the last one.
    pub async fn next(&mut self) -> Option<Result<String, Error>> {
        poll_fn(|context| self.poll_piece(context)).await
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<String, Error>>> {
        loop {
            match ready!(self.turn.poll_event(context)) {
                Some(Ok(StreamChatResponse {
                    event: Some(Event::TextDelta(delta)),
                    parent_tool_use_id,
                    ..
                })) if parent_tool_use_id.is_empty() => {
                    return Poll::Ready(Some(Ok(delta.text)));
                }
                Some(Ok(_other)) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Stream for Text<'_> {
    type Item = Result<String, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_piece(context)
    }
}
