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
use crate::retry::{Progress, Throttle};

/// How servers tell the first attempt from later ones.
const PREVIOUS_ATTEMPTS_KEY: &str = "grpc-previous-rpc-attempts";

/// How one call is made.
#[derive(Debug)]
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
    pub(crate) attempt_count: u32,
    pub(crate) deadline: Option<Instant>,
    /// To be told when the call has ended well.
    pub(crate) throttle: Option<Arc<Throttle>>,
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

    /// Until there is an answer, which for a stream is the beginning of one. Once an answer has begun nothing is sent again.
    pub(crate) async fn send<M, T, F>(self, message: M, send: impl FnMut(Request<M>) -> F) -> Result<Sent<T>, Error>
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
        let answer = end?;
        let Self { deadline, throttle, .. } = self;
        Ok(Sent {
            answer,
            attempt_count: progress.attempt_count,
            deadline,
            throttle,
        })
    }

    async fn until_final<M, T, F>(
        &self,
        message: M,
        mut send: impl FnMut(Request<M>) -> F,
        progress: &mut Progress,
        waits_after: &mut Option<Error>,
    ) -> Result<T, Error>
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
                Ok(response) => return Ok(response.into_inner()),
                Err(status) => Error::of_call(status, progress.attempt_count, answer.has_begun()),
            };
            let wait = if answer.has_begun() {
                None
            } else {
                self.next_wait(progress, &error)
            };
            let Some(wait) = wait else { return Err(error) };
            *waits_after = Some(error);
            sleep(wait).await;
            *waits_after = None;
        }
    }

    fn next_wait(&self, progress: &mut Progress, error: &Error) -> Option<Duration> {
        let throttle = self.throttle.as_ref()?;
        let refusal = error.refusal();
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
