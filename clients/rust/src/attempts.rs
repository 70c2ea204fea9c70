//! Carries one call out: sends it, and sends it again as `retry` decides, all of it before the deadline.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use crate::Error;
use crate::call::Options;
use crate::connection::AnswerBegun;
use crate::retry::{Progress, Refusal, Throttle};

/// How servers tell the first attempt from later ones.
const PREVIOUS_ATTEMPTS_KEY: &str = "grpc-previous-rpc-attempts";

/// Where servers name the turn before its first event.
const TURN_ID_KEY: &str = "claude-runner-turn-id";

/// How one call is made.
#[derive(Clone, Debug)]
pub(crate) struct Attempts {
    metadata: MetadataMap,
    deadline: Option<Instant>,
    /// `None`: the call is sent once.
    throttle: Option<Arc<Throttle>>,
}

/// What a call gave, with what is needed to follow it to its end.
#[derive(Debug)]
pub(crate) struct Sent<T> {
    pub(crate) answer: T,
    /// The headers of the answer.
    pub(crate) headers: MetadataMap,
    pub(crate) attempt_count: u32,
    pub(crate) deadline: Option<Instant>,
    /// To be told when the call has ended well.
    pub(crate) throttle: Option<Arc<Throttle>>,
}

impl<T> Sent<T> {
    /// The id of the turn that was begun, as far as the headers tell.
    pub(crate) fn turn_id(&self) -> &str {
        self.headers
            .get(TURN_ID_KEY)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The answer of a call that ended with it.
    pub(crate) fn ended_well(self) -> T {
        if let Some(throttle) = self.throttle {
            throttle.succeeded();
        }
        self.answer
    }
}

impl Attempts {
    /// The deadline runs from now.
    pub(crate) fn new(options: Options, throttle: Option<Arc<Throttle>>) -> Self {
        // A timeout beyond what a clock can tell is none.
        let deadline = options.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        Self {
            metadata: options.metadata,
            deadline,
            throttle,
        }
    }

    /// The same with each call sent once, whatever comes of it.
    pub(crate) fn without_retry(&self) -> Self {
        Self {
            throttle: None,
            ..self.clone()
        }
    }

    /// The same without a deadline.
    pub(crate) fn without_deadline(&self) -> Self {
        Self {
            deadline: None,
            ..self.clone()
        }
    }

    pub(crate) fn throttle(&self) -> Option<Arc<Throttle>> {
        self.throttle.clone()
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Until there is an answer, which for a stream is the beginning of one. Once an answer has begun nothing is sent again.
    pub(crate) async fn send<M, T, F>(&self, message: M, send: impl FnMut(Request<M>) -> F) -> Result<Sent<T>, Error>
    where
        M: Clone,
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let mut progress = Progress::default();
        let mut waits_after = None;
        let attempts = self.until_final(message, send, &mut progress, &mut waits_after);
        let end = match self.deadline {
            None => attempts.await,
            Some(deadline) => timeout_at(deadline, attempts)
                .await
                .unwrap_or_else(|_| Err(Error::deadline_exceeded(progress.attempt_count, waits_after.as_ref()))),
        };
        let (headers, answer, _) = end?.into_parts();
        Ok(Sent {
            answer,
            headers,
            attempt_count: progress.attempt_count,
            deadline: self.deadline,
            throttle: self.throttle.clone(),
        })
    }

    async fn until_final<M, T, F>(
        &self,
        message: M,
        mut send: impl FnMut(Request<M>) -> F,
        progress: &mut Progress,
        waits_after: &mut Option<Error>,
    ) -> Result<Response<T>, Error>
    where
        M: Clone,
        F: Future<Output = Result<Response<T>, Status>>,
    {
        loop {
            let answer = AnswerBegun::default();
            let mut request = self.request(message.clone(), progress.attempt_count);
            request.extensions_mut().insert(answer.clone());
            progress.attempt_count += 1;
            let error = match send(request).await {
                Ok(response) => return Ok(response),
                Err(status) => Error::of_call(status, progress.attempt_count, answer.has_begun()),
            };
            let wait = if answer.has_begun() {
                None
            } else {
                self.next_wait(progress, error.refusal())
            };
            let Some(wait) = wait else { return Err(error) };
            *waits_after = Some(error);
            sleep(wait).await;
            *waits_after = None;
        }
    }

    fn next_wait(&self, progress: &mut Progress, refusal: Refusal) -> Option<Duration> {
        let throttle = self.throttle.as_ref()?;
        let is_throttled = refusal.counts_against_server() && throttle.refused();
        progress.next_wait(refusal, is_throttled, fastrand::f64())
    }

    fn request<M>(&self, message: M, previous_attempt_count: u32) -> Request<M> {
        let mut request = Request::new(message);
        *request.metadata_mut() = self.metadata.clone();
        if previous_attempt_count > 0 {
            request
                .metadata_mut()
                .insert(PREVIOUS_ATTEMPTS_KEY, previous_attempt_count.into());
        }
        if let Some(deadline) = self.deadline {
            request.set_timeout(deadline.saturating_duration_since(Instant::now()));
        }
        request
    }
}
