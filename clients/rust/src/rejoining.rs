//! A turn's events over calls that break: attaches to the turn again and goes on after the event that was given last.
//!
//! What counts as broken, and for how long it is tried, is decided in `rejoin`.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tonic::Code;

use crate::call::Options;
use crate::interrupt::InterruptOnDrop;
use crate::joining::{Broken, Taken, Way};
use crate::rejoin::{DEFAULT_PATIENCE, Patience};
use crate::request_id::name_request;
use crate::retry::Throttle;
use crate::turn::Seen;
use crate::turn_failure::{Reached, status_of};
use crate::v1::stream_chat_response::Event;
use crate::v1::{AttachTurnRequest, Detail, StreamChatRequest, StreamChatResponse};
use crate::{Client, Error};

pub(crate) struct Rejoining {
    way: Arc<Way>,
    link: Link,
    /// The turn's own call, as long as nothing says that the server has it.
    unaccepted: Option<StreamChatRequest>,
    patience: Patience,
    /// Since when nothing has come, although it was asked for. `None`: the link works.
    broken_since: Option<Instant>,
    /// The last event that was given.
    cursor: i32,
    /// An event that was read before anybody asked for it.
    first: Option<StreamChatResponse>,
    turn_id: String,
    attempt_count: u32,
    /// `None`: the turn goes on without this reader, who has not begun it.
    interrupt: Option<InterruptOnDrop>,
}

type Tries = Pin<Box<dyn Future<Output = Result<(Taken, Patience), Error>> + Send>>;

// taken -> joining [it broke]  joining -> taken [a call was]  any -> over [the turn's end]
enum Link {
    Taken(Taken),
    Joining(Tries),
    Over,
}

impl Rejoining {
    /// Begins a turn. Resolves when its first event is there.
    pub(crate) async fn begin(
        client: Client,
        mut request: StreamChatRequest,
        options: Options,
        patience: Duration,
    ) -> Result<Self, Error> {
        let turn = name_request(&mut request.request_id, &mut request.on_disconnect);
        let attempts = client.attempts(options);
        let interrupt = InterruptOnDrop::new(client.clone(), &attempts, turn.clone());
        // A reader who says nothing is given all that was recorded, which can be more than this call asks for.
        let detail = match request.detail() {
            Detail::Unspecified => Detail::Standard,
            detail => detail,
        };
        let attach = AttachTurnRequest {
            detail: detail.into(),
            ..turn.into()
        };
        let mut rejoining = Self::new(
            Way {
                client,
                attempts,
                attach,
                patience,
            },
            Some(interrupt),
        );
        let way = Arc::clone(&rejoining.way);
        match way.client.send_stream(&way.attempts, request.clone()).await {
            Ok(sent) => {
                rejoining.attempt_count = sent.attempt_count;
                rejoining.turn_id = sent.turn_id().to_owned();
                rejoining.link = Link::Taken(Taken::Turn(Box::new(sent.answer)));
            }
            Err(error) if error.is_break() => {
                rejoining.attempt_count = error.attempt_count();
                rejoining.unaccepted = Some(request);
                rejoining.rejoin(error);
            }
            Err(error) => {
                rejoining.end_with(&error);
                return Err(error);
            }
        }
        rejoining.wait_for_first().await?;
        Ok(rejoining)
    }

    /// Reads a turn that somebody else has begun. Resolves when the server has found it.
    pub(crate) async fn read(client: Client, request: AttachTurnRequest, options: Options) -> Result<Self, Error> {
        let patience = options.rejoin.unwrap_or(DEFAULT_PATIENCE);
        let way = Way {
            attempts: client.attempts(options),
            client,
            attach: request,
            patience,
        };
        let mut rejoining = Self::new(way, None);
        let way = Arc::clone(&rejoining.way);
        let attached = way.attach(rejoining.cursor, &way.attempts).await?;
        rejoining.attempt_count = 1;
        rejoining.turn_id.clone_from(&attached.turn_id);
        rejoining.link = Link::Taken(Taken::Attached(Box::new(attached)));
        Ok(rejoining)
    }

    fn new(way: Way, interrupt: Option<InterruptOnDrop>) -> Self {
        Self {
            patience: Patience::of(way.patience),
            cursor: way.attach.after_sequence,
            way: Arc::new(way),
            link: Link::Over,
            unaccepted: None,
            broken_since: None,
            first: None,
            turn_id: String::new(),
            attempt_count: 0,
            interrupt,
        }
    }

    async fn wait_for_first(&mut self) -> Result<(), Error> {
        let (deadline, attempt_count) = (self.deadline(), self.attempt_count);
        let nothing = Seen::default();
        let first = poll_fn(|context| self.poll_next(context, &nothing));
        let first = match deadline {
            None => first.await,
            Some(deadline) => timeout_at(deadline, first)
                .await
                .unwrap_or_else(|_| Some(Err(Error::deadline_exceeded(attempt_count, None)))),
        };
        self.first = first.transpose()?;
        Ok(())
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.way.attempts.deadline()
    }

    pub(crate) fn throttle(&self) -> Option<Arc<Throttle>> {
        self.way.attempts.throttle()
    }

    pub(crate) fn attempt_count(&self) -> u32 {
        self.attempt_count
    }

    pub(crate) fn turn_id(&self) -> &str {
        &self.turn_id
    }

    /// The next event; an error and `None` are the turn's end. `seen`: what came before.
    pub(crate) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        seen: &Seen,
    ) -> Poll<Option<Result<StreamChatResponse, Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        loop {
            let came = match &mut self.link {
                Link::Taken(taken) => ready!(taken.poll_next(context)),
                Link::Joining(joining) => {
                    match ready!(joining.as_mut().poll(context)) {
                        Ok((taken, patience)) => self.go_on_with(taken, patience),
                        Err(error) => return Poll::Ready(Some(Err(self.end_with(&error)))),
                    }
                    continue;
                }
                Link::Over => return Poll::Ready(None),
            };
            let failure = match came {
                Some(Ok(response)) if self.is_new(&response) => return Poll::Ready(Some(Ok(response))),
                Some(Ok(_again)) => continue,
                Some(Err(status)) => Some(Error::of_call(status, self.attempt_count, true)),
                None => None,
            };
            match self.end_of_link(failure, seen) {
                LinkEnd::Broke(error) => self.rejoin(error),
                LinkEnd::Failed(error) => return Poll::Ready(Some(Err(self.end_with(&error)))),
                LinkEnd::Well => {
                    self.end();
                    return Poll::Ready(None);
                }
            }
        }
    }

    /// Whether the event is to be given: it was not before. Only heartbeats repeat a number; those before the first event come
    /// from a turn that waits, and are no part of a stream that begins with `started`.
    fn is_new(&mut self, response: &StreamChatResponse) -> bool {
        self.patience.renew();
        self.broken_since = None;
        if self.turn_id.is_empty() {
            self.turn_id.clone_from(&response.turn_id);
        }
        if let Some(interrupt) = &mut self.interrupt {
            interrupt.name(&self.turn_id);
        }
        let is_heartbeat = matches!(response.event, Some(Event::Heartbeat(_)));
        let is_new = if is_heartbeat {
            self.cursor > 0
        } else {
            response.sequence > self.cursor
        };
        self.cursor = self.cursor.max(response.sequence);
        is_new
    }

    /// What the end of a call means for the turn.
    fn end_of_link(&self, failure: Option<Error>, seen: &Seen) -> LinkEnd {
        let broke = match failure {
            Some(error) if error.is_break() => error,
            Some(error) => return LinkEnd::Failed(error),
            None => Error::without_result(self.attempt_count),
        };
        let Some(result) = &seen.result else {
            let is_all = matches!(&self.link, Link::Taken(Taken::Attached(attachment)) if attachment.has_ended);
            return if is_all {
                LinkEnd::Failed(broke)
            } else {
                LinkEnd::Broke(broke)
            };
        };
        // The status was lost, or is that of a reader: what the turn's own says is in the result as well.
        let reached = Reached {
            turn_id: &self.turn_id,
            last_sequence: self.cursor,
            has_content: seen.has_content,
        };
        match status_of(result, reached) {
            Some(status) => LinkEnd::Failed(Error::of_call(status, self.attempt_count, true)),
            None => LinkEnd::Well,
        }
    }

    fn rejoin(&mut self, error: Error) {
        let broken = Broken {
            error,
            since: *self.broken_since.get_or_insert_with(Instant::now),
            cursor: self.cursor,
            unaccepted: self.unaccepted.clone(),
        };
        let way = Arc::clone(&self.way);
        self.link = Link::Joining(Box::pin(way.join(broken, self.patience)));
    }

    fn go_on_with(&mut self, taken: Taken, patience: Patience) {
        if let Taken::Attached(attachment) = &taken {
            self.turn_id.clone_from(&attachment.turn_id);
        }
        self.link = Link::Taken(taken);
        self.patience = patience;
        self.unaccepted = None;
    }

    fn end_with(&mut self, error: &Error) -> Error {
        if error.code() == Code::DeadlineExceeded {
            // That of the call, while the turn goes on: it is interrupted like one that is dropped.
            self.link = Link::Over;
        } else {
            self.end();
        }
        error.clone()
    }

    /// The turn is over, or lost.
    fn end(&mut self) {
        self.link = Link::Over;
        if let Some(interrupt) = &mut self.interrupt {
            interrupt.release();
        }
    }
}

enum LinkEnd {
    Broke(Error),
    Failed(Error),
    Well,
}
