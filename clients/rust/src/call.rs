//! A call that is described and not yet made: awaiting it makes it.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use tonic::metadata::MetadataMap;

use crate::Error;

type BoxFuture<'c, T> = Pin<Box<dyn Future<Output = T> + Send + 'c>>;

/// A call to be made. Nothing is sent before it is awaited; dropping it while it is awaited cancels it.
#[must_use = "a call does nothing until it is awaited"]
pub struct Call<'c, T> {
    options: Options,
    make: Box<dyn FnOnce(Options) -> BoxFuture<'c, Result<T, Error>> + Send + 'c>,
}

/// What a caller may say about one call.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) timeout: Option<Duration>,
    pub(crate) retry: Option<bool>,
    pub(crate) metadata: MetadataMap,
}

impl<'c, T> Call<'c, T> {
    pub(crate) fn new<F>(make: impl FnOnce(Options) -> F + Send + 'c) -> Self
    where
        F: Future<Output = Result<T, Error>> + Send + 'c,
    {
        Self {
            options: Options::default(),
            make: Box::new(|options| Box::pin(make(options))),
        }
    }

    /// How long the call may take in all, from the moment when it is awaited to the last event: waiting for a worker and
    /// retries included. Then it ends with [`Code::DeadlineExceeded`](tonic::Code::DeadlineExceeded), and the server
    /// interrupts the turn. Default: none here; the server's own is 10 minutes, and its maximum 60 minutes.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// Whether this call is sent again when the server refuses it for the moment. Default: as the client was built.
    pub fn retry(mut self, retry: bool) -> Self {
        self.options.retry = Some(retry);
        self
    }

    /// Metadata to send beside the token, such as a `traceparent`. Adds to what was given before; of a key that was given before
    /// only the new values are sent.
    pub fn metadata(mut self, metadata: MetadataMap) -> Self {
        let mut headers = std::mem::take(&mut self.options.metadata).into_headers();
        headers.extend(metadata.into_headers());
        self.options.metadata = MetadataMap::from_headers(headers);
        self
    }
}

impl<T> Call<'_, T> {
    /// Of a call that is part of another one.
    pub(crate) fn with_options(self, options: Options) -> Self {
        Self { options, ..self }
    }
}

impl<'c, T> IntoFuture for Call<'c, T> {
    type Output = Result<T, Error>;
    type IntoFuture = BoxFuture<'c, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        (self.make)(self.options)
    }
}

/// Without metadata, which may be secret.
impl<T> fmt::Debug for Call<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Options {
            timeout,
            retry,
            metadata: _,
        } = &self.options;
        f.debug_struct("Call")
            .field("timeout", timeout)
            .field("retry", retry)
            .finish_non_exhaustive()
    }
}
